"""`call_room`: gives the code of a state machine the same room for nested calls on every replica and at every replay.

Python raises RecursionError at a depth that is counted from the beginning of the thread. An `apply` that nests deeply
would fail on one replica and succeed on another that happens to call it from two functions fewer, so that the outcome
of its command, and its state, would differ. Here the depth is counted from the call of `apply`.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

__all__ = ["CALLS_MAX", "call_room"]

CALLS_MAX: Final = 1000
"""How many calls may be nested in `apply`. A rule of the format level."""


class call_room:  # noqa: N801 (it is used as a function; a generator would take longer than many commands)
    """Within a `with` block of it `CALLS_MAX` more calls may be nested, whatever the limit of the program is.

    The limit is that of the whole process. It is lower than the program's own within the block only if that was raised.
    """

    __slots__ = ("_before", "_depth")

    def __enter__(self) -> None:
        """Count the calls so far, and raise or lower the limit."""
        depth = 1
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 (the only way to count)
        while frame is not None:
            depth, frame = depth + 1, frame.f_back
        self._before, self._depth = sys.getrecursionlimit(), depth
        sys.setrecursionlimit(depth + CALLS_MAX)

    def __exit__(self, *_: object) -> None:
        """Restore the limit."""
        sys.setrecursionlimit(max(self._before, self._depth + 2))
