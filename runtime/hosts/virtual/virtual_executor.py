"""`VirtualExecutor`: runs blocking functions on the event loop, without threads, each at its own virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from coterie.runtime.hosts.virtual.virtual_loop import fulfil

__all__ = ["VirtualExecutor"]

T = TypeVar("T")


class VirtualExecutor:
    """Implements `Executor`. A function runs inline, as one step, at the end of its duration.

    `run_s` and `disk_s` give the virtual duration (s) of the next worker or disk call: a number, or a function called
    once per call. Both may be replaced at any time. Worker calls overlap; disk calls run one after the other.
    """

    def __init__(
        self, *, run_s: float | Callable[[], float] = 0.0, disk_s: float | Callable[[], float] = 0.0002
    ) -> None:
        self.run_s: float | Callable[[], float] = run_s
        """Duration of worker calls (s)."""
        self.disk_s: float | Callable[[], float] = disk_s
        """Duration of disk calls (s)."""
        self._disk_free_at_s = 0.0
        self._closed = False

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` after `run_s`."""
        return self._schedule(function, asyncio.get_running_loop().time() + _duration_s(self.run_s))

    def run_disk(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` `disk_s` after all earlier disk calls."""
        return self._schedule(function, self._next_disk_end())

    def submit_disk(self, function: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
        """Do as `run_disk`, then call `done(result, error)` in the same step."""
        self._check()
        asyncio.get_running_loop().call_at(self._next_disk_end(), _run, function, done)

    def call_periodically(self, function: Callable[[], None], interval_s: float) -> Callable[[], None]:
        """Call nothing: virtual time stands still while a handler runs."""
        return lambda: None

    def close(self) -> None:
        """Accept no more functions; those already accepted still run. Idempotent."""
        self._closed = True

    def _schedule(self, function: Callable[[], T], when_s: float) -> asyncio.Future[T]:
        self._check()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        loop.call_at(when_s, fulfil, future, function)
        return future

    def _next_disk_end(self) -> float:
        begin_s = max(asyncio.get_running_loop().time(), self._disk_free_at_s)
        self._disk_free_at_s = begin_s + _duration_s(self.disk_s)
        return self._disk_free_at_s

    def _check(self) -> None:
        if self._closed:
            raise RuntimeError("this executor is closed: it accepts no more functions")


def _run(function: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
    try:
        result = function()
    except Exception as error:  # noqa: BLE001 (passed on to `done`)
        done(None, error)
    else:
        done(result, None)


def _duration_s(duration_s: float | Callable[[], float]) -> float:
    return duration_s() if callable(duration_s) else duration_s
