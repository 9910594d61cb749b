"""How a command runs its coroutine: on uvloop, until it is done or a signal asks for an end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

__all__ = ["Ended", "run_async"]

T = TypeVar("T")


class Ended(Exception):
    """SIGTERM came, and the coroutine has ended in order."""


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a loop of its own.

    Raises:
        KeyboardInterrupt: after SIGINT, once the coroutine, cancelled, has ended.
        Ended: the same after SIGTERM.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_until_signalled(coroutine))


async def _until_signalled(coroutine: Coroutine[Any, Any, T]) -> T:
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine)
    came: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        came.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not came:
            raise
        raise (KeyboardInterrupt if came[0] is signal.SIGINT else Ended) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
