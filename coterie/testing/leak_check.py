"""A check that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Collection, Hashable
from contextlib import asynccontextmanager
from typing import Final

from coterie.testing.process_resources import census

__all__ = ["no_leaks"]

_LOOK_EVERY_S: Final = 0.01


@asynccontextmanager
async def no_leaks(*, within_s: float = 2.0) -> AsyncIterator[None]:
    """Check that the body leaves no task, timer, thread, socket, file or child process that was not there before.

    What is ending gets up to `within_s` seconds of the loop's time for it; who is clean does not wait. On every loop.
    Threads of the loop's own default executor are the loop's. If the body raises, that is what counts.

    Raises:
        AssertionError: something is left; it names each.
    """
    loop = asyncio.get_running_loop()
    before = census(loop)
    yield
    if _new(loop, before):
        gc.collect()  # what only a cycle keeps is not left behind
    deadline = loop.time() + within_s
    while (left := _new(loop, before)) and loop.time() < deadline:  # noqa: ASYNC110 (no event tells of it)
        await asyncio.sleep(_LOOK_EVERY_S)
    if left:
        raise AssertionError("left behind:" + "".join(f"\n  {text}" for text in left))


def _new(loop: asyncio.AbstractEventLoop, before: Collection[Hashable]) -> list[str]:
    return sorted(found.text for key, found in census(loop).items() if key not in before)
