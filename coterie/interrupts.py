"""Interrupts: say what Ctrl-C does in a process of the command line, from its first instruction to its last.

    exit_on_interrupt    SIGINT ends the process at once, with exit code 130 and without a word. It is so while modules
                         are imported, options are parsed and results are printed: nothing has begun, or all has ended.
    raising_interrupts   SIGINT raises KeyboardInterrupt, as usual, where something must be cleaned up.

A coroutine is cancelled by a handler of its own: see `cli/command_loop.py`. A handler that somebody else has set, or
SIGINT ignored (a shell does that for a job in the background), stays.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` takes some milliseconds, in which nothing handles Ctrl-C yet
    from types import FrameType, TracebackType

__all__ = ["INTERRUPTED", "exit_on_interrupt", "raising_interrupts"]

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended."""


def exit_on_interrupt() -> None:
    """Let SIGINT end this process at once, unless somebody else handles it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)


class raising_interrupts:  # noqa: N801 (a context manager, like those of contextlib, which takes long to import)
    """Let SIGINT raise KeyboardInterrupt within a `with` block, if it would end the process otherwise."""

    def __enter__(self) -> None:
        self._is_ours = signal.getsignal(signal.SIGINT) is _exit
        if self._is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_ours:
            signal.signal(signal.SIGINT, _exit)


def _exit(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
