"""`call_room`: gives the code of a state machine the same room for nested calls on every replica and at every replay.

Python raises RecursionError at a depth that is counted from the beginning of the thread. An `apply` that nests deeply
would fail on one replica and succeed on another that happens to call it from two functions fewer, so that the outcome
of its command, and its state, would differ. Here the depth is counted from the call of `apply`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Final

__all__ = ["CALLS_MAX", "call_room"]

CALLS_MAX: Final = 1000
"""How many calls may be nested in `apply`. A rule of the format level."""


@contextlib.contextmanager
def call_room() -> Iterator[None]:
    """Within this block `CALLS_MAX` more calls may be nested, whatever the limit of the program is.

    The limit is that of the whole process. It is lower than the program's own within the block only if that was raised.
    """
    depth = 0
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 (the only way to count)
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(depth + CALLS_MAX)
    try:
        yield
    finally:
        sys.setrecursionlimit(max(before, depth + 2))
