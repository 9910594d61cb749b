"""Disk reserve: keeps some disk space allocated, and frees it when the disk is full, so that a log can end cleanly.

The reserve is a file of zeros beside the segments. When a write finds no space, the file is removed, the partial write
is cut off, and a last batch header proves that everything before it was synced.

Full disk. Decided in `group_commit.py` (`_write_to`, `_write_to_new`), by `is_disk_full`. A batch that found no space
is cut off again and waits; nothing of it, and nothing later, is acknowledged until it was written and synced
(`LogStore.is_full`). Only a store that is being opened or closed does not wait: `_end_log_cleanly` spends the reserve,
and `fail` sets `LogStore.failure`. The next `SegmentedLog.open` makes a new reserve, or fails with `StorageFailed`
until there is space. A sync that fails for want of space leaves the file in doubt, so it is fatal like any other.
"""

from __future__ import annotations

import contextlib
import errno
import os.path
from typing import Final

from coterie.errors import StorageFailed
from coterie.runtime.hosts.host import Disk

__all__ = ["RESERVE_BYTES", "RESERVE_NAME", "NoSpaceYet", "ensure_reserve", "is_disk_full", "release_reserve"]

RESERVE_BYTES: Final = 64 * 1024
"""A batch header takes tens of bytes, but file systems allocate blocks, and some for their own metadata."""

RESERVE_NAME: Final = "reserve"
"""The name of its file."""


class NoSpaceYet(Exception):
    """A write found no space on the disk, and what it had written was cut off: it can be repeated."""


def ensure_reserve(disk: Disk, directory: str) -> None:
    """Create the reserve durably if it is missing. `StorageFailed` if there is no space for it."""
    path = os.path.join(directory, RESERVE_NAME)
    is_new = not disk.exists(path)
    with contextlib.closing(disk.open(path, create=is_new)) as file:
        if file.size() == RESERVE_BYTES:
            return
        try:
            file.write_at(0, bytes(RESERVE_BYTES))
            file.sync()
        except OSError as error:
            if not is_disk_full(error):
                raise
            file.truncate(0)
            reason = f"the disk is full: no space for the reserve of {RESERVE_BYTES} bytes; free some space"
            raise StorageFailed(directory, reason) from error
    if is_new:
        disk.sync_directory(directory)


def release_reserve(disk: Disk, directory: str) -> None:
    """Remove the reserve; the next open creates a new one."""
    path = os.path.join(directory, RESERVE_NAME)
    if disk.exists(path):
        disk.remove(path)


def is_disk_full(error: OSError) -> bool:
    """Return whether the disk, or the user's quota of it, is full."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
