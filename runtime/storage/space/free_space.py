"""`FreeSpace`: watches how much space the disk of a store has, so that commands are refused before it is full.

    free    the disk has room                                    needed: `StorageConfig.free_bytes_min`, or 5 %
      │     ──── needed + the next snapshot ───────────────────
      │     too little: others lead; the log is written on
      │     ──── a quarter of needed + the next snapshot ──────
      │     full for the log: its writes wait; snapshots go on
      │     ──── a quarter of needed ──────────────────────────
      ▼     for the writes behind which a snapshot lets go of the log

Too little space. Decided here; it is over at a quarter more. Carried out by the owners of the groups: a leader hands
over, or refuses commands (`protocols/raft/transfer.py`), while votes, replication and the group's own entries go on.

Full. Decided in `group_commit.py` (`note_full`): a write found no space at all, or would take that of the next snapshot
(`has_room_for_log`), without which the log could never become smaller again. It counts as too little space.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import math
from collections.abc import Callable
from typing import Final, TypeVar

from coterie.runtime.hosts.host import Host
from coterie.runtime.observing.loggers import logger
from coterie.runtime.storage.space.snapshot_space import SnapshotSpace

__all__ = ["LOOK_S", "FreeSpace", "Purpose"]

T = TypeVar("T")

LOOK_S: Final = 1.0
"""How often the disk is looked at: while writes go on, and while there is too little space."""

_SHARE_MAX: Final = 0.05  # of the file system: a small disk must not count as full from the start
_OVER: Final = 1.25  # of what must be free, so that one command more or less does not end it and begin it again
_ZEROS_SHARE: Final = 64  # so many times the zeros that are written ahead must be free
_SNAPSHOTS_LEAVE: Final = 0.25  # of what must be free, for the writes that let go of the log
_COPIES_LEAVE: Final = 0.125  # … and these of the copies that empty a segment
_SNAPSHOT_SHARE: Final = 0.2  # of what must be free, for a snapshot at least
_WAITING_SHARE: Final = 0.1  # of what must be free: what waits must fit behind a snapshot that has left a quarter
_ADVICE: Final = (
    "free some space, or give the disk more: until then this node leads a group only if no other voter can, "
    "and refuses its commands"
)
_FULL: Final = (
    "free some space, or give the disk more: until then, or until a snapshot lets go of its log, this node stores and "
    "acknowledges nothing; what is left is for that snapshot; if the disk cannot be helped: coterie raft replace, with "
    "an empty data directory"
)


class Purpose(enum.Enum):
    """What a write of the log is for: how much space it must leave."""

    ENTRIES = "entries"
    COPIES = "copies"
    """It copies live records, so that a segment can be removed."""
    RELEASE = "release"
    """A drop is in it or behind it, or it is as small as a sync marker: it may take what is left."""


class FreeSpace:
    """How much space is free for one store. Makes no call of the disk that matters: if one fails, nothing changes.

    Args:
        host: whose disk and disk thread are used.
        path: the data directory.
        free_bytes_min: see `StorageConfig`.
    """

    def __init__(self, host: Host, path: str, free_bytes_min: int) -> None:
        self.snapshots = SnapshotSpace()
        """What the snapshots take; of the disk thread."""
        self.log_bytes = 0
        """What the log takes."""
        self._host = host
        self._path = path
        self._free_bytes_min = free_bytes_min
        self._free_bytes: int | None = None
        self._needed_bytes = 0
        self._looked_s = host.clock.monotonic()
        self._written_bytes = 0
        self._is_short = False
        self._full_since_s: float | None = None
        self._unseen_bytes = 0  # written since the last look, by the disk thread
        self._next_snapshot_bytes = 0  # as of the last look
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_short(self) -> bool:
        """Whether too little is free, as of the last `report`."""
        return self._is_short

    @property
    def is_full(self) -> bool:
        """Whether the last write found no space, and waits."""
        return self._full_since_s is not None

    @property
    def full_for_s(self) -> float | None:
        """For how many seconds writes wait for space; None: they do not."""
        return None if self._full_since_s is None else self._host.clock.monotonic() - self._full_since_s

    @property
    def snapshot_room_bytes(self) -> int | None:
        """How large a snapshot may become, as of the last look; None: the disk does not say."""
        free_bytes = self._free_bytes
        return None if free_bytes is None else max(0, free_bytes - int(self._needed_bytes * _SNAPSHOTS_LEAVE))

    @property
    def waiting_bytes_max(self) -> int | None:
        """The most that should wait for this disk while it has too little space; None: no matter."""
        return int(self._needed_bytes * _WAITING_SHARE) or None

    def note_full(self) -> None:
        """Note that a write found no space, whatever the disk says: a quota may be used up. It is tried again."""
        self._looked_s = -math.inf  # so that the next write looks
        if self._full_since_s is None:
            self._full_since_s, self._is_short = self._host.clock.monotonic(), True
            logger("storage").error("store.full", path=self._path, free_bytes=self._free_bytes, advice=_FULL)

    def look(self) -> None:
        """Ask the disk. Blocks; `report` makes it known."""
        with contextlib.suppress(OSError):
            share = int(self._host.disk.total_bytes(self._path) * _SHARE_MAX)
            self._needed_bytes = min(self._free_bytes_min, share)
            self._free_bytes = self._host.disk.free_bytes(self._path)
            self._unseen_bytes, self._next_snapshot_bytes = 0, self._expected_bytes()

    def looking_after(self, job: Callable[[], T], size_bytes: int) -> Callable[[], T]:
        """Return `job`, a write of `size_bytes`, followed by a look if one is due: after a second, or much data."""
        now_s = self._host.clock.monotonic()
        self._written_bytes += size_bytes
        is_much = self._needed_bytes > 0 and self._written_bytes >= self._needed_bytes // 4
        if now_s - self._looked_s < LOOK_S and not is_much:
            return job
        self._looked_s, self._written_bytes = now_s, 0

        def write_and_look() -> T:
            result = job()
            self.look()
            return result

        return write_and_look

    def has_room_for_snapshot(self, size_bytes: int) -> bool:
        """Return whether a snapshot may grow by `size_bytes`: it must not take the last space from the log. Blocks."""
        self.look()
        return self._free_bytes is None or self._free_bytes - size_bytes >= self._needed_bytes * _SNAPSHOTS_LEAVE

    def has_room_for_log(self, size_bytes: int, purpose: Purpose) -> bool:
        """Return whether the log may grow by `size_bytes`: it must not take the space of the next snapshot. Blocks.

        Otherwise nothing could let go of the log any more: a node whose disk was full once would never go on.
        """
        if purpose is Purpose.RELEASE or self._needed_bytes == 0:
            return True
        left_bytes = (self._free_bytes or 0) - self._unseen_bytes - size_bytes
        if left_bytes < self._short_bytes() + self._needed_bytes:  # else the last look will do
            self.look()
            left_bytes = (self._free_bytes or 0) - size_bytes
        self._unseen_bytes += size_bytes
        kept_bytes = self._needed_bytes * _COPIES_LEAVE
        if purpose is Purpose.ENTRIES:
            at_least = self._needed_bytes * _SNAPSHOT_SHARE
            kept_bytes = self._needed_bytes * _SNAPSHOTS_LEAVE + max(at_least, self._next_snapshot_bytes)
        return self._free_bytes is None or left_bytes >= kept_bytes

    def has_room_for_zeros(self, size_bytes: int) -> bool:
        """Return whether so little as `size_bytes` is written ahead of the log: not on a disk that is small or full."""
        return self._free_bytes is not None and self._free_bytes - self._needed_bytes >= size_bytes * _ZEROS_SHARE

    def report(self, *, has_written: bool = False) -> None:
        """Note what the last look has found; log when it begins, and when it is over; keep looking in between.

        `has_written`: a write has just found space.
        """
        free_bytes, needed_bytes = self._free_bytes, self._short_bytes()
        if has_written and self._full_since_s is not None:
            self._full_since_s = None
            logger("storage").info("store.writes_again", path=self._path, free_bytes=free_bytes)
            self._is_short = self._is_short and free_bytes is not None
        if free_bytes is None or self._full_since_s is not None or self._is_closed:
            return
        was_short = self._is_short
        over_bytes = int(self._needed_bytes * (_OVER - 1)) if was_short else 0
        self._is_short = free_bytes < needed_bytes + over_bytes
        if self._is_short and not was_short:
            logger("storage").warning(
                "store.short_of_space",
                path=self._path,
                free_bytes=free_bytes,
                needed_bytes=needed_bytes,
                advice=_ADVICE,
            )
        elif was_short and not self._is_short:
            logger("storage").info("store.has_space_again", path=self._path, free_bytes=free_bytes)
        if self._is_short and self._timer is None:  # without commands nothing may be written, so nothing would look
            self._timer = asyncio.get_running_loop().call_later(LOOK_S, self._look_again)

    def close(self) -> None:
        """Look no more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _expected_bytes(self) -> int:
        """Return how much more the next snapshot may take than is written of it: what the log has may be new in it."""
        return self.snapshots.reserved_bytes(min(self.log_bytes, self._needed_bytes))

    def _short_bytes(self) -> int:
        """Return below how many free bytes there is too little space."""
        more_bytes = self._next_snapshot_bytes - int(self._needed_bytes * _SNAPSHOT_SHARE)
        return self._needed_bytes + (max(0, more_bytes) if self._needed_bytes else 0)

    def _look_again(self) -> None:
        self._timer = None
        self._host.executor.submit_disk(self.look, lambda _, __: self.report())
