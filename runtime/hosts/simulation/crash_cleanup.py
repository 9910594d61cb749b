"""`CrashCleanup`: keeps the objects of crashed processes alive, because freeing them would run `finally` blocks."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator

__all__ = ["CrashCleanup"]


class CrashCleanup:
    """Keeps references to coroutines, generators and other objects of a crashed life, so that they are not freed."""

    def __init__(self) -> None:
        self._retained: list[object] = []

    def retain(self, objects: Iterable[object]) -> None:
        """Keep `objects` alive until `free_all`."""
        self._retained.extend(objects)

    def free_all(self, loop: asyncio.AbstractEventLoop, collect: Callable[[], None]) -> None:
        """Free all retained objects, ignoring their errors. `loop` is closed: a `finally` that runs now has no effect.

        Python runs the `finally` of a suspended coroutine when it frees it; this cannot be avoided. But the world has
        ended: whatever such code schedules, sends or writes is refused. `collect` frees the cycles.
        """
        objects, self._retained = self._retained, []
        with _ignored_errors(), _running(loop):
            for each in objects:
                if isinstance(each, asyncio.Task):
                    _close_coroutine(each)
            objects.clear()
            collect()
            collect()  # a partly closed coroutine is in a cycle with its own traceback


def _close_coroutine(task: asyncio.Task[object]) -> None:
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio would log an error
    coro = task.get_coro()
    with contextlib.suppress(Exception):
        if coro is not None:
            coro.close()


@contextlib.contextmanager
def _running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Make `loop` the running loop: without one, asyncio functions such as `gather` would create a real loop."""
    asyncio._set_running_loop(loop)  # noqa: SLF001 - as loops themselves do
    try:
        yield
    finally:
        asyncio._set_running_loop(None)  # noqa: SLF001 - as above


@contextlib.contextmanager
def _ignored_errors() -> Iterator[None]:
    """Ignore errors and warnings raised while objects are freed."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a `finally` may create coroutines that are never awaited
            yield
    finally:
        sys.unraisablehook = hook
