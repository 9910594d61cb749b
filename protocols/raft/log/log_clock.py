"""`LogClock`: advances log time, the stamps of entries, by the leader's monotonic time; all expiry is based on it.

    stamp of a new entry = stamp of the newest entry received + monotonic ms since this node received that one

No wall clock is read, so one that is wrong by years expires nothing. Log time stands still while a whole group is down.
"""

from __future__ import annotations

__all__ = ["LogClock"]

MS_PER_S = 1000


class LogClock:
    """The log time of one node. It never falls.

    Args:
        last_stamp_ms: the stamp of the last entry on the disk, 0 for an empty log.
    """

    __slots__ = ("_anchor_ms", "_anchor_s", "last_stamp_ms")

    def __init__(self, last_stamp_ms: int = 0) -> None:
        self.last_stamp_ms = last_stamp_ms
        """The highest stamp of all entries that this node has appended or received (ms)."""
        self._anchor_ms = last_stamp_ms
        self._anchor_s = 0.0

    def start(self, now: float) -> None:
        """Let log time go on from `now` (monotonic, s), at the beginning of a life."""
        self._anchor_s = now

    def stamp(self, now: float) -> int:
        """Return the stamp (ms) of an entry that this leader appends at `now` (monotonic, s)."""
        # Counted from the last entry of another leader, not from entry to entry: no fraction of a millisecond is lost.
        stamp_ms = self._anchor_ms + int((now - self._anchor_s) * MS_PER_S)
        if stamp_ms > self.last_stamp_ms:
            self.last_stamp_ms = stamp_ms
        return self.last_stamp_ms

    def received(self, stamp_ms: int, now: float) -> None:
        """Note that an entry with this stamp (ms) came from a leader at `now` (monotonic, s)."""
        if stamp_ms > self.last_stamp_ms:
            self.last_stamp_ms = self._anchor_ms = stamp_ms
            self._anchor_s = now
