"""Command loop: runs a command's coroutine on uvloop until it ends or a signal arrives; defines shared exit codes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

from coterie.errors import CoterieError
from coterie.interrupts import INTERRUPTED

__all__ = [
    "INTERRUPTED",
    "NOT_FOUND",
    "TERMINATED",
    "UNREACHABLE",
    "WRONG_USAGE",
    "NameNotFound",
    "NameUncertain",
    "TerminatedBySignal",
    "WrongUsage",
    "run_async",
]

WRONG_USAGE = 2
"""The exit code if the options do not fit together, as with argparse."""

NOT_FOUND = 3
"""The exit code if there is no such key, group, pool, actor or node."""

UNREACHABLE = 4
"""The exit code if no node accepts the client, or none that could answer does."""

TERMINATED = 143
"""The exit code of a command that SIGTERM ended, unless the command ends in order by itself."""

T = TypeVar("T")


class WrongUsage(ValueError):
    """The options of a command do not fit together, or a value is out of its range; the text names them."""


class NameNotFound(ValueError):
    """There is no key, group, pool, actor or node of that name; the text names those that exist, as far as possible."""


class NameUncertain(CoterieError):
    """No node that answers has the name, and a node that may have it does not answer."""


class TerminatedBySignal(Exception):
    """SIGTERM arrived, and the coroutine has ended in order."""


def run_async(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on a new event loop.

    Raises:
        KeyboardInterrupt: SIGINT arrived; the coroutine was cancelled and has ended.
        TerminatedBySignal: the same after SIGTERM.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_until_signalled(coroutine, before))
    finally:
        coroutine.close()  # no effect, unless it was never begun


async def _until_signalled(coroutine: Coroutine[Any, Any, T], usual: Any) -> T:
    """Run a coroutine; then SIGINT is handled as `usual` again."""
    loop = asyncio.get_running_loop()
    task = loop.create_task(coroutine)
    received: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        received.append(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)
    try:
        return await task
    except asyncio.CancelledError:
        if not received:
            raise
        raise (KeyboardInterrupt if received[0] is signal.SIGINT else TerminatedBySignal) from None
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if usual is not None:
            signal.signal(signal.SIGINT, usual)
