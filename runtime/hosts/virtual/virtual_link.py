"""One direction between two nodes: how long things take on it, and whether anything passes.

All connections from one node to another share it. `simulation/link_conditions.py` has one with bad weather.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable

__all__ = ["Link", "Signal"]


class Signal(enum.Enum):
    """What travels in a pipe beside bytes."""

    EOF = "eof"
    RESET = "reset"


class Link:
    """The way from node `source` to node `target` in good weather.

    `latency_s` is asked anew for each item.
    """

    def __init__(self, source: str, target: str, latency_s: Callable[[str, str], float]) -> None:
        self.source = source
        """Where it begins."""
        self.target = target
        """Where it ends."""
        self.is_blocked = False
        """Whether it holds back what it is given."""
        self.is_frozen = False
        """Whether it holds back everything because one of its ends is frozen."""
        self.is_knocked_at = False
        """Whether somebody wanted to connect over it since it was blocked, or became a hole."""
        self.is_hole = False
        """Whether it swallows what it is given: no connection that lost something is ever whole again."""
        self._latency_s = latency_s

    def delay_s(self, size_bytes: int) -> float:
        """Return how long the next item takes (s); it overtakes nothing all the same."""
        del size_bytes
        return self._latency_s(self.source, self.target)

    def carry(self, item: bytes | Signal) -> Iterable[bytes | Signal]:
        """Return what comes out of `item` at the far end, in order."""
        return (item,)
