"""Standard streams: opens /dev/null in the place of those that are closed, and writes out the rest of the output.

A descriptor from 0 to 2 that is closed at the start would go to the next file or socket that is opened, a log of a
store for example, and whatever prints to it, in this process or in a child, would write into that.
"""

from __future__ import annotations

import os
import sys
from typing import Final, TextIO

__all__ = ["finish_output", "open_standard_streams"]

_MODE_BY_NAME: Final = {"stdin": "r", "stdout": "w", "stderr": "w"}


def open_standard_streams() -> None:
    """Open /dev/null in the place of each standard stream that is closed."""
    for descriptor, (name, mode) in enumerate(_MODE_BY_NAME.items()):
        try:
            os.fstat(descriptor)
        except OSError:
            _point_to_null(descriptor)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115 (for the life of the process)


def finish_output() -> OSError | None:
    """Write out what is still in the buffers of stdout and stderr; return the error of stdout, if that failed.

    What cannot be written is dropped: Python would try again while it shuts down, and end with an exit code of its own.
    """
    failure = _flush(sys.stdout)
    _flush(sys.stderr)
    return failure


def _flush(stream: TextIO) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        _point_to_null(stream.fileno())
        return error
    return None


def _point_to_null(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != descriptor:
        os.dup2(null, descriptor)
        os.close(null)
    os.set_inheritable(descriptor, True)
