"""`RealHost`: provides this machine's clocks, random numbers, network, disk and threads. Importing starts no thread."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from coterie.runtime.cells.run_queue import RunQueue
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.hosts.real_network import RealNetwork
from coterie.runtime.hosts.real_resources import RealResources

__all__ = ["RealClock", "RealExecutor", "RealHost"]

T = TypeVar("T")

_DEFAULT_WORKERS = 8


class RealClock:
    """This machine's clocks."""

    # Finer than uvloop's `loop.time()`, which moves in whole milliseconds. Not wrapped: every turn and ask reads it.
    monotonic = staticmethod(time.monotonic)

    def wall(self) -> float:
        """Return `time.time()`."""
        return time.time()


class _DiskThread:
    """One thread that runs the submitted calls in order.

    A ThreadPoolExecutor takes three locks and two futures per call, and a commit waits for them; this takes one queue.
    """

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def submit(self, function: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        if self._is_closed:
            raise RuntimeError("the disk thread is closed: it accepts no more calls")
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="coterie-disk", daemon=True)
            self._thread.start()
        self._calls.put((function, asyncio.get_running_loop(), done))

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._calls.put(None)

    def join(self) -> None:
        self.close()
        if self._thread is not None:
            self._thread.join()

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            function, loop, done = call
            error: BaseException | None = None
            result: object = None
            try:
                result = function()
            except BaseException as raised:  # noqa: BLE001 (passed on to `done`)
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: the result has no receiver
                loop.call_soon_threadsafe(done, result, error)
            del call, function, done, error, result  # an idle thread must not keep objects alive


_Call = tuple[Callable[[], object], asyncio.AbstractEventLoop, Callable[[Any, BaseException | None], None]]


def _settle(future: asyncio.Future[Any], result: object, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


class RealExecutor:
    """Threads: at most `workers` for blocking calls and one for the disk; each is started by its first call."""

    def __init__(self, workers: int = _DEFAULT_WORKERS) -> None:
        # Neither starts a thread here; threads are started on demand.
        self._workers = ThreadPoolExecutor(workers, thread_name_prefix="coterie-worker")
        self._disk = _DiskThread()

    def run(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` on a worker thread. RuntimeError once closed."""
        return asyncio.get_running_loop().run_in_executor(self._workers, function)

    def run_disk(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run `function` on the single disk thread, in order of the calls. RuntimeError once closed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._disk.submit(function, partial(_settle, future))
        return future

    def submit_disk(self, function: Callable[[], T], done: Callable[[T | None, BaseException | None], None]) -> None:
        """Do as `run_disk`, then call `done(result, error)` on the loop. RuntimeError once closed."""
        self._disk.submit(function, done)

    def call_periodically(self, function: Callable[[], None], interval_s: float) -> Callable[[], None]:
        """Call `function` every `interval_s` seconds on its own thread; return the function that stops and joins it."""
        stopped = threading.Event()

        def run() -> None:
            while not stopped.wait(interval_s):
                function()

        thread = threading.Thread(target=run, name="coterie-watch", daemon=True)
        thread.start()

        def stop() -> None:
            stopped.set()
            thread.join()

        return stop

    def close(self) -> None:
        """Accept no more calls. Worker calls not yet started are cancelled, disk calls all run. Returns at once."""
        self._workers.shutdown(wait=False, cancel_futures=True)
        # An accepted write is never dropped: its caller may have ordered other writes after it.
        self._disk.close()

    def join(self) -> None:
        """Close, and block until the threads have ended."""
        self.close()
        self._workers.shutdown(wait=True)
        self._disk.join()


class RealHost:
    """This machine; the default `Host` of a System.

    `seed` seeds `random`; by default the operating system's entropy does.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._clock = RealClock()
        self._random = random.Random(seed)
        self._network = RealNetwork()
        self._disk = RealDisk()
        self._executor = RealExecutor()
        self._resources = RealResources()

    @property
    def clock(self) -> RealClock:
        """This machine's clocks."""
        return self._clock

    @property
    def random(self) -> random.Random:
        """The random generator from which all others are seeded."""
        return self._random

    @property
    def network(self) -> RealNetwork:
        """TCP."""
        return self._network

    @property
    def disk(self) -> RealDisk:
        """This machine's file system."""
        return self._disk

    @property
    def executor(self) -> RealExecutor:
        """Threads, started on demand."""
        return self._executor

    @property
    def resources(self) -> RealResources:
        """This machine's use of processors and memory."""
        return self._resources

    def run_queue(self, loop: asyncio.AbstractEventLoop, owner: str) -> RunQueue:
        """Make a run queue: first in, first out."""
        return RunQueue(loop, self._clock, owner=owner)

    def close(self) -> None:
        """End the threads and block until they have ended. Idempotent."""
        self._executor.join()
