"""Room kept back on the disk, so that a store whose disk is full can still end its log in good order.

It is a file of zeros beside the segments. When a write finds no room, the file goes, what was half written is cut off,
and a last batch header proves that everything before it was synced.
"""

from __future__ import annotations

import contextlib
import errno
import os.path
from typing import Final

from coterie.errors import StorageFailed
from coterie.runtime.hosts.host import Disk

__all__ = ["RESERVE_BYTES", "is_full", "keep_reserve", "spend_reserve"]

RESERVE_BYTES: Final = 64 * 1024
"""A batch header takes tens of bytes; file systems give out blocks, and want some for themselves."""

_NAME: Final = "reserve"


def keep_reserve(disk: Disk, directory: str) -> None:
    """See to it that the reserve is there, durably. `StorageFailed` if there is no room for it."""
    path = os.path.join(directory, _NAME)
    is_new = not disk.exists(path)
    with contextlib.closing(disk.open(path, create=is_new)) as file:
        if file.size() == RESERVE_BYTES:
            return
        try:
            file.write_at(0, bytes(RESERVE_BYTES))
            file.sync()
        except OSError as error:
            if not is_full(error):
                raise
            file.truncate(0)
            reason = f"the disk is full: no room for its reserve of {RESERVE_BYTES} bytes; make some"
            raise StorageFailed(directory, reason) from error
    if is_new:
        disk.sync_directory(directory)


def spend_reserve(disk: Disk, directory: str) -> None:
    """Give the reserve's room back to the disk; the next open keeps a new one."""
    path = os.path.join(directory, _NAME)
    if disk.exists(path):
        disk.remove(path)


def is_full(error: OSError) -> bool:
    """Whether the disk, or its owner's share of it, is full."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
