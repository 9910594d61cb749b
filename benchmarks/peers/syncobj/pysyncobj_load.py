"""PySyncObj load: writes in a closed loop, or steadily, through the callbacks of PySyncObj's replicated methods.

A `Put` starts a write and returns at once. PySyncObj calls the callback in its own thread: with error 0 (`SUCCESS`)
once this node has applied the write, with another number if it failed, never if the leader was lost meanwhile.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from benchmarks.harness.results import percentile

__all__ = ["ClosedLoop", "Put", "SteadyWriter"]

SUCCESS: Final = 0
"""`FAIL_REASON.SUCCESS`."""


class Put(Protocol):
    """Starts a write."""

    def __call__(self, key: str, value: bytes, *, callback: Callable[[object, int], None]) -> object: ...


class ClosedLoop:
    """Clients with one write in flight each: the callback of a write starts the next one.

    Each write takes one of `keys` keys at random. Those that are acknowledged within `measure_s` after the warm-up
    count; none is started later. `now`: the clock, s.
    """

    def __init__(
        self,
        put: Put,
        *,
        clients: int,
        size: int,
        keys: int,
        warm_up_s: float,
        measure_s: float,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._put = put
        self._clients = self._running = clients
        self._value = b"v" * size
        self._keys = [f"key-{number}" for number in range(keys)]
        self._draw = random.Random(1).random
        self._now = now
        self.begin_s = now() + warm_up_s
        """When the warm-up ends, on its clock."""
        self.end_s = self.begin_s + measure_s
        """When the last write is started, on its clock."""
        self.ended = threading.Event()
        """Set when no write is in flight any more."""
        self._latencies_s: list[float] = []
        self._errors = 0

    def start(self) -> None:
        """Start the first write of each client."""
        for _ in range(self._clients):
            self._write()

    def figures(self) -> dict[str, float]:
        """Return the figures so far, as `LoadFigures` has them; a write that is still in flight after the end failed.

        RuntimeError: none was acknowledged.
        """
        ms = [1000 * latency for latency in self._latencies_s]
        errors = self._errors + self._running
        if not ms:
            raise RuntimeError(f"no write was acknowledged within the measurement, {errors} failed")
        return {
            "count": len(ms),
            "per_s": len(ms) / (self.end_s - self.begin_s),
            **{f"p{share}_ms": percentile(ms, share / 100) for share in (50, 95, 99)},
            "max_ms": max(ms),
            "errors": errors,
            "cpu_s": 0.0,
        }

    def _write(self) -> None:
        sent = self._now()
        if sent >= self.end_s:
            self._running -= 1
            if not self._running:
                self.ended.set()
            return
        key = self._keys[int(self._draw() * len(self._keys))]
        self._put(key, self._value, callback=lambda _, error: self._answered(sent, error))

    def _answered(self, sent: float, error: int) -> None:
        done = self._now()
        if error != SUCCESS:
            self._errors += 1
        elif self.begin_s <= done < self.end_s:
            self._latencies_s.append(done - sent)
        self._write()


class SteadyWriter:
    """Writes of one key that are started whether or not the others are answered.

    `say` gets `ready` when the first is acknowledged, then `recovered` when one is that was started after a mark.
    """

    def __init__(
        self, put: Put, *, size: int, say: Callable[[str], None], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._put = put
        self._value = b"v" * size
        self._say = say
        self._now = now
        self._awaited: tuple[float, str] | None = (now(), "ready")

    def mark(self) -> None:
        """Say so when a write is acknowledged that is started after this call."""
        self._awaited = (self._now(), "recovered")

    def write(self) -> None:
        """Start a write."""
        sent = self._now()
        self._put("key", self._value, callback=lambda _, error: self._answered(sent, error))

    def run(self, interval_s: float) -> None:
        """Start one every `interval_s`, until the process ends."""
        while True:
            self.write()
            time.sleep(interval_s)

    def _answered(self, sent: float, error: int) -> None:
        awaited = self._awaited
        if error == SUCCESS and awaited is not None and sent >= awaited[0]:
            self._awaited = None
            self._say(awaited[1])
