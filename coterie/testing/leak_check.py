"""Leak check: `no_leaks` checks that an `async with` block leaves no task, timer, thread, file or process behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Collection, Hashable
from contextlib import asynccontextmanager
from typing import Final

from coterie.testing.process_resources import find_resources

__all__ = ["no_leaks"]

_POLL_INTERVAL_S: Final = 0.01


@asynccontextmanager
async def no_leaks(*, within_s: float = 2.0) -> AsyncIterator[None]:
    """Check that the body leaves no task, timer, thread, socket, file or child process that was not there before.

    Resources that are ending get up to `within_s` seconds of the loop's time; without any there is no wait. Works on
    every loop. Threads of the loop's default executor are not counted. If the body raises, its error is raised instead.

    Raises:
        AssertionError: a resource is left; the error names each.
    """
    loop = asyncio.get_running_loop()
    before = find_resources(loop)
    yield
    if _new(loop, before):
        gc.collect()  # objects that only a cycle keeps alive are no leak
    deadline = loop.time() + within_s
    while (left := _new(loop, before)) and loop.time() < deadline:  # noqa: ASYNC110 (there is no event for it)
        await asyncio.sleep(_POLL_INTERVAL_S)
    if left:
        raise AssertionError("left behind:" + "".join(f"\n  {text}" for text in left))


def _new(loop: asyncio.AbstractEventLoop, before: Collection[Hashable]) -> list[str]:
    return sorted(found.text for key, found in find_resources(loop).items() if key not in before)
