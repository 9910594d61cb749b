"""`SimulatedExecutor`: runs blocking functions without threads, and delivers each result at a random virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from coterie.runtime.hosts.simulation.random_durations import DISK, WORKER, RandomDuration
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["SimulatedExecutor"]

T = TypeVar("T")

NOT_STARTED_PROBABILITY: Final = 0.25
"""The probability that a disk call in progress when the power fails has done nothing yet."""

COMPLETED_STEPS: Final = (0, 1, 1, 1, 1, 2, 3, 4)
"""Number of completed steps (writes, syncs, renames, removals) of a disk call interrupted by a power failure; drawn.

Most calls are a write and a sync: the power may fail between the two.
"""


class SimulatedExecutor:
    """Implements `Executor`. A life may crash after a function has run and before its result is delivered.

    Durations are in the world's time. `disk` and `worker` may be replaced at any time.
    """

    def __init__(self, loop: VirtualLoop, rng: random.Random) -> None:
        self.disk: RandomDuration = DISK
        """Duration of disk calls."""
        self.worker: RandomDuration = WORKER
        """Duration of worker calls."""
        self.disk_factor = 1.0
        """Multiplies the duration of disk calls, for a slow disk."""
        self.is_blocking = False
        """Whether a blocking function runs now: it may sleep."""
        self.slept_s = 0.0
        """Time that the running function has slept (s)."""
        self._loop = loop
        self._rng = rng
        self._disk_free_at_s = 0.0
        self._disk_calls: deque[tuple[float, Callable[[], object]]] = deque()
        self._closed = False

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` inline, at a random later time; several overlap."""
        begin = self._loop.clock.monotonic()
        return self._future_of(function, begin, begin + self.worker.draw(self._rng))

    def run_disk(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` inline, after all earlier disk calls."""
        return self._future_of(function, *self._next_disk_call(), is_disk=True)

    def submit_disk(self, function: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
        """Do as `run_disk`, then call `done(result, error)`."""
        self._schedule(function, done, *self._next_disk_call(), is_disk=True)

    def cut_power(self, disk: VirtualDisk, rng: random.Random) -> None:
        """Cut the power: a random number of steps of the disk call in progress is completed.

        Its result is not delivered. `disk.crash` must follow.
        """
        is_in_progress = bool(self._disk_calls) and self._disk_calls[0][0] <= self._loop.clock.monotonic()
        if not is_in_progress or rng.random() < NOT_STARTED_PROBABILITY:
            return
        _, function = self._disk_calls.popleft()
        disk.cut_power_after(rng.choice(COMPLETED_STEPS))
        with contextlib.suppress(Exception):  # its error has no receiver
            function()

    def call_periodically(self, function: Callable[[], None], interval_s: float) -> Callable[[], None]:
        """Call nothing: virtual time stands still while a handler runs."""
        return lambda: None

    def close(self) -> None:
        """Accept no more functions; those already accepted still run. Idempotent."""
        self._closed = True

    def _on_disk(self, function: Callable[[], T], begin_s: float) -> Callable[[], T]:
        """Record `function` until it runs; disk calls run in the order of the calls."""
        self._disk_calls.append((begin_s, function))

        def run() -> T:
            self._disk_calls.popleft()
            return function()

        return run

    def _future_of(
        self, function: Callable[[], T], begin_s: float, end_s: float, *, is_disk: bool = False
    ) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()

        def run() -> T | None:
            return None if future.cancelled() else function()

        def done(result: T | None, fault: BaseException | None) -> None:
            if future.cancelled():
                return
            if fault is not None:
                future.set_exception(fault)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # a T: `run` found it not cancelled

        self._schedule(run, done, begin_s, end_s, is_disk=is_disk)
        return future

    def _schedule(
        self,
        function: Callable[[], T],
        done: Callable[[T | None, BaseException | None], None],
        begin_s: float,
        end_s: float,
        *,
        is_disk: bool = False,
    ) -> None:
        if self._closed:
            raise RuntimeError("this executor is closed: it accepts no more functions")
        if is_disk:
            function = self._on_disk(function, begin_s)
        when = begin_s + (end_s - begin_s) * self._rng.random()
        self._loop.call_at_for(self._loop.owner, when, self._do, function, done, end_s)

    def _do(
        self, function: Callable[[], T], done: Callable[[T | None, BaseException | None], None], end_s: float
    ) -> None:
        result: T | None = None
        fault: BaseException | None = None
        self.is_blocking, self.slept_s = True, 0.0
        try:
            result = function()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 (passed on to `done`)
            fault = error
        finally:
            self.is_blocking, slept_s, self.slept_s = False, self.slept_s, 0.0
        self._loop.call_at_for(self._loop.owner, end_s + slept_s, done, result, fault)

    def _next_disk_call(self) -> tuple[float, float]:
        begin = max(self._loop.clock.monotonic(), self._disk_free_at_s)
        self._disk_free_at_s = begin + self.disk.draw(self._rng) * self.disk_factor
        return begin, self._disk_free_at_s
