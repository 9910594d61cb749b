"""`SnapshotRoom`: what one kind of a replica's snapshots waits for when its disk has no room for one.

Nothing but a snapshot makes the log smaller, so it is written as soon as there is room, and an operator is told.
"""

from __future__ import annotations

from typing import Final

from coterie.runtime.actor import Context
from coterie.runtime.storage.log_store import LogStore

__all__ = ["SnapshotRoom"]

GROWTH: Final = 1.1
"""So many times what was written before it found no room must fit the next time: less than what the log leaves free."""

RECENT_S: Final = 30.0
"""The leader's snapshot is asked for more often than this while it is needed."""

RETRY_S: Final = 60.0
"""After so long it is tried although there seems to be no room: the state may be smaller now."""

_ADVICE: Final = (
    "free some space on its disk, or give it more; if that is impossible, empty its data directory, and run "
    "`coterie raft replace`"
)


class SnapshotRoom:
    """Whether there is room, for snapshots of one origin.

    Args:
        group: whose they are.
        whose: their origin, for texts: "its own" or "the leader's".
        store: where they are kept.
        context: of the actor.
    """

    def __init__(self, group: str, whose: str, store: LogStore, context: Context) -> None:
        self._group = group
        self._whose = whose
        self._store = store
        self._context = context
        self._needed_bytes = 0
        self._since_s: float | None = None
        self._last_s = 0.0

    @property
    def is_awaited(self) -> bool:
        """Whether the last snapshot found no room, within the last `RECENT_S`: the leader's may not be needed more."""
        return self._since_s is not None and self._context.clock.monotonic() - self._last_s < RECENT_S

    @property
    def is_there(self) -> bool:
        """Whether a snapshot may be tried: there is room, as far as is known, or it is long since the last try."""
        room_bytes = self._store.snapshots.room_bytes
        is_enough = self._since_s is None or room_bytes is None or room_bytes >= self._needed_bytes
        return is_enough or self._context.clock.monotonic() - self._last_s >= RETRY_S

    @property
    def trouble(self) -> str | None:
        """What an operator is told; None: the last snapshot had room."""
        if self._since_s is None:
            return None
        for_s, room_bytes = self._context.clock.monotonic() - self._since_s, self._store.snapshots.room_bytes
        return (
            f"there has been no room for {self._whose} snapshot for {for_s:.0f} s ({self._needed_bytes:,} bytes are "
            f"needed, {0 if room_bytes is None else room_bytes:,} may be used), so its log cannot become smaller, and "
            f"once its disk is full it stores nothing more: {_ADVICE}"
        )

    def none_for(self, size_bytes: int, error: Exception) -> None:
        """Note that a snapshot of `size_bytes`, or of more, found no room; it is told once."""
        self._needed_bytes = int(size_bytes * GROWTH)
        self._last_s = self._context.clock.monotonic()
        if self._since_s is not None:
            return
        self._since_s = self._last_s
        self._context.log.warning(
            "group.snapshot_has_no_room",
            group=self._group,
            whose=self._whose,
            needed_bytes=self._needed_bytes,
            advice=_ADVICE,
            error=str(error),
        )

    def found(self) -> None:
        """Note that a snapshot was written."""
        self._since_s = None
