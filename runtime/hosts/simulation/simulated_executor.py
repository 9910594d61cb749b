"""Blocking functions of a life: each runs at a moment of its own between being asked for and being heard of."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from coterie.runtime.hosts.simulation.random_durations import DISK, WORKER, Duration
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["SimulatedExecutor"]

T = TypeVar("T")

UNTOUCHED: Final = 0.25
"""The probability that a disk call that is under way when the power fails has done nothing yet."""

STEPS_DONE: Final = (0, 1, 1, 1, 1, 2, 3, 4)
"""How much of a disk call is done when the power fails in the middle of it: writes, syncs, renames, removals.

Most calls are a write and a sync: between the two a disk may tear.
"""


class SimulatedExecutor:
    """Keeps the `Executor` contract. What a function did may be done, and its life crash before it hears of it.

    Durations are in the world's time. `disk` and `worker` may be replaced at any time.
    """

    def __init__(self, loop: VirtualLoop, rng: random.Random) -> None:
        self.disk: Duration = DISK
        """How long disk calls take."""
        self.worker: Duration = WORKER
        """How long worker calls take."""
        self.disk_factor = 1.0
        """How many times as long disk calls take: a slow disk."""
        self.is_blocking = False
        """Whether a blocking function runs right now: it may sleep."""
        self.slept_s = 0.0
        """For how long it has slept."""
        self._loop = loop
        self._rng = rng
        self._disk_free_at_s = 0.0
        self._disk_calls: deque[tuple[float, Callable[[], object]]] = deque()
        self._closed = False

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` inline, some time from now; several overlap."""
        begin = self._loop.clock.monotonic()
        return self._future_of(function, begin, begin + self.worker.draw(self._rng))

    def run_disk(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` inline, after all earlier disk calls."""
        return self._future_of(function, *self._next_disk_call(), is_disk=True)

    def submit_disk(self, function: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
        """Do as `run_disk` does, then call `done(result, error)`."""
        self._schedule(function, done, *self._next_disk_call(), is_disk=True)

    def cut_short(self, disk: VirtualDisk, rng: random.Random) -> None:
        """Let the power fail: of the disk call that is under way, maybe some steps are done, and the others never.

        Nobody hears what becomes of it. `disk.crash` must follow.
        """
        is_under_way = bool(self._disk_calls) and self._disk_calls[0][0] <= self._loop.clock.monotonic()
        if not is_under_way or rng.random() < UNTOUCHED:
            return
        _, function = self._disk_calls.popleft()
        disk.cut_power_after(rng.choice(STEPS_DONE))
        with contextlib.suppress(Exception):  # whatever it says to that, it says to nobody
            function()

    def watch(self, look: Callable[[], None], interval_s: float) -> Callable[[], None]:
        """Look never: virtual time stands still while a handler runs."""
        return lambda: None

    def close(self) -> None:
        """Take no more functions; those already taken still run. Twice is harmless."""
        self._closed = True

    def _on_disk(self, function: Callable[[], T], begin_s: float) -> Callable[[], T]:
        """Remember `function` until it runs; disk calls run in the order in which they were asked for."""
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
                future.set_result(result)  # type: ignore[arg-type]  # a T: it was not cancelled when `run` looked

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
            raise RuntimeError("this executor is closed: it takes no more functions")
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
        except BaseException as error:  # noqa: BLE001 (it belongs to who waits for it)
            fault = error
        finally:
            self.is_blocking, slept_s, self.slept_s = False, self.slept_s, 0.0
        self._loop.call_at_for(self._loop.owner, end_s + slept_s, done, result, fault)

    def _next_disk_call(self) -> tuple[float, float]:
        begin = max(self._loop.clock.monotonic(), self._disk_free_at_s)
        self._disk_free_at_s = begin + self.disk.draw(self._rng) * self.disk_factor
        return begin, self._disk_free_at_s
