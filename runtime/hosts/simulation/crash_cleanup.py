"""What remains of lives that are over: kept as it stood, so that nothing of it runs while the world lasts."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator

__all__ = ["Graveyard"]


class Graveyard:
    """Keeps coroutines, generators and whatever else a life had out of the collector's reach."""

    def __init__(self) -> None:
        self._remains: list[object] = []

    def keep(self, remains: Iterable[object]) -> None:
        """Keep `remains` until `clear`."""
        self._remains.extend(remains)

    def clear(self, loop: asyncio.AbstractEventLoop, collect: Callable[[], None]) -> None:
        """Let go of everything, silently. `loop` is closed: what still runs (a `finally`) can touch nothing.

        Python runs the `finally` of a suspended coroutine when it frees it, and there is no way round that. But by now
        the world is over: what such code schedules, sends or writes is refused. `collect` frees the cycles.
        """
        remains, self._remains = self._remains, []
        with _silence(), _running(loop):
            for each in remains:
                if isinstance(each, asyncio.Task):
                    _dissolve(each)
            remains.clear()
            collect()
            collect()  # what was half closed is in a cycle with its own traceback


def _dissolve(task: asyncio.Task[object]) -> None:
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio would complain of it
    coro = task.get_coro()
    with contextlib.suppress(Exception):
        if coro is not None:
            coro.close()


@contextlib.contextmanager
def _running(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Let `loop` be the one that runs: where none does, asyncio makes a real one for whoever asks (`gather`, say)."""
    asyncio._set_running_loop(loop)  # noqa: SLF001 - as loops themselves do
    try:
        yield
    finally:
        asyncio._set_running_loop(None)  # noqa: SLF001 - as above


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Let what goes wrong while things are freed be nobody's affair."""
    hook = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a `finally` may begin what nobody will await any more
            yield
    finally:
        sys.unraisablehook = hook
