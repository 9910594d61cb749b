"""`FreeSpace`: watches how much space the disk of a store has, so that commands are refused before it is full.

Too little space. Decided here: fewer bytes are free than `StorageConfig.free_bytes_min`; it is over at a quarter more.
Carried out by the owners of the groups: a leader hands over, or refuses commands (`protocols/raft/transfer.py`), while
votes, replication and the group's own entries go on. The log itself takes every write: what remains is for those.

No space at all. Decided in `group_commit.py`, which tries to write on (`note_full`): it counts as too little space.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Final, TypeVar

from coterie.runtime.hosts.host import Host
from coterie.runtime.observing.loggers import logger

__all__ = ["LOOK_S", "FreeSpace"]

T = TypeVar("T")

LOOK_S: Final = 1.0
"""How often the disk is looked at: while writes go on, and while there is too little space."""

_SHARE_MAX: Final = 0.05  # of the file system: a small disk must not count as full from the start
_OVER: Final = 1.25  # of what must be free, so that one command more or less does not end it and begin it again
_ZEROS_SHARE: Final = 64  # so many times the zeros that are written ahead must be free
_SNAPSHOTS_LEAVE: Final = 0.25  # of what must be free, for the log
_ADVICE: Final = (
    "free some space, or give the disk more: until then this node leads a group only if no other voter can, "
    "and refuses its commands"
)
_FULL: Final = "free some space, or give the disk more: until then this node stores and acknowledges nothing"


class FreeSpace:
    """How much space is free for one store. Makes no call of the disk that matters: if one fails, nothing changes.

    Args:
        host: whose disk and disk thread are used.
        path: the data directory.
        free_bytes_min: see `StorageConfig`.
    """

    def __init__(self, host: Host, path: str, free_bytes_min: int) -> None:
        self._host = host
        self._path = path
        self._free_bytes_min = free_bytes_min
        self._free_bytes: int | None = None
        self._needed_bytes = 0
        self._looked_s = host.clock.monotonic()
        self._written_bytes = 0
        self._is_short = False
        self._is_full = False
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_short(self) -> bool:
        """Whether too little is free, as of the last `report`."""
        return self._is_short

    @property
    def is_full(self) -> bool:
        """Whether the last write found no space, and waits."""
        return self._is_full

    def note_full(self) -> None:
        """Note that a write found no space, whatever the disk says: a quota may be used up. It is tried again."""
        self._looked_s = -math.inf  # so that the next write looks
        if not self._is_full:
            self._is_full = self._is_short = True
            logger("storage").error("store.full", path=self._path, free_bytes=self._free_bytes, advice=_FULL)

    def look(self) -> None:
        """Ask the disk. Blocks; `report` makes it known."""
        with contextlib.suppress(OSError):
            share = int(self._host.disk.total_bytes(self._path) * _SHARE_MAX)
            self._needed_bytes = min(self._free_bytes_min, share)
            self._free_bytes = self._host.disk.free_bytes(self._path)

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

    def has_room_for_zeros(self, size_bytes: int) -> bool:
        """Return whether so little as `size_bytes` is written ahead of the log: not on a disk that is small or full."""
        return self._free_bytes is not None and self._free_bytes - self._needed_bytes >= size_bytes * _ZEROS_SHARE

    def report(self, *, has_written: bool = False) -> None:
        """Note what the last look has found; log when it begins, and when it is over; keep looking in between.

        `has_written`: a write has just found space.
        """
        free_bytes, needed_bytes = self._free_bytes, self._needed_bytes
        if has_written and self._is_full:
            self._is_full = False
            logger("storage").info("store.writes_again", path=self._path, free_bytes=free_bytes)
            self._is_short = self._is_short and free_bytes is not None
        if free_bytes is None or self._is_full or self._is_closed:
            return
        was_short = self._is_short
        self._is_short = free_bytes < needed_bytes * (_OVER if was_short else 1)
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

    def _look_again(self) -> None:
        self._timer = None
        self._host.executor.submit_disk(self.look, lambda _, __: self.report())
