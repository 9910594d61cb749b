"""`VirtualLink`: carries data from one virtual node to another: delays it, holds it back, or drops it.

All connections and datagrams from one node to another share it. `simulation/link_conditions.py` adds loss, delay and
corruption.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence

__all__ = ["Signal", "VirtualLink"]


class Signal(enum.Enum):
    """An item that travels in a pipe besides bytes."""

    EOF = "eof"
    RESET = "reset"


class VirtualLink:
    """The link from node `source` to node `target`; it delays, but loses nothing unless it is a black hole.

    `latency_s` is called for each item.
    """

    def __init__(self, source: str, target: str, latency_s: Callable[[str, str], float]) -> None:
        self.source = source
        """The sending node."""
        self.target = target
        """The receiving node."""
        self.is_blocked = False
        """Whether it holds back all items until it is unblocked."""
        self.is_frozen = False
        """Whether it holds back all items because one of its ends is frozen."""
        self.has_connect_attempt = False
        """Whether a connect was attempted over it since it was blocked or became a black hole."""
        self.has_dropped_datagram = False
        """Whether it has dropped a datagram since it was blocked or became a black hole."""
        self.is_black_hole = False
        """Whether it silently drops all items; a connection that lost one delivers nothing afterwards."""
        self._latency_s = latency_s

    def delay_s(self, size_bytes: int) -> float:
        """Return the delay of the next item (s); items never overtake each other."""
        del size_bytes
        return self._latency_s(self.source, self.target)

    def carry(self, item: bytes | Signal) -> Iterable[bytes | Signal]:
        """Return the items that arrive at the far end for `item`, in order."""
        return (item,)

    def deliveries(self, datagram: bytes) -> Sequence[tuple[float, bytes]]:
        """Return (delay in s, bytes) of each copy of `datagram` that arrives; they may overtake earlier ones."""
        return ((self._latency_s(self.source, self.target), datagram),)

    def drops_datagrams(self) -> bool:
        """Return whether it lets no datagram through now, and note that it has dropped one."""
        if self.is_blocked or self.is_black_hole:
            self.has_dropped_datagram = True
            return True
        return False

    def datagram_arrived(self, datagram: bytes) -> None:
        """Note that a datagram has arrived at the far end."""
