"""`SnapshotStore`: defines the interface to stored snapshots: opaque byte streams by group and name.

Implemented by `FileSnapshots` (files beside the segments of a `SegmentedLog`) and `MemorySnapshots` (lost with its
process). One test suite checks both. A store checks no content: whoever reads a snapshot compares its digest.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final, Protocol

from coterie.errors import StorageError, StorageFailed

__all__ = [
    "NoRoomForSnapshot",
    "RunningDigest",
    "SnapshotNotWritten",
    "SnapshotStore",
    "SnapshotWriter",
    "check_name",
    "check_range",
]

_NAME: Final = re.compile(r"[0-9a-z-]{1,100}")


class SnapshotNotWritten(StorageFailed):
    """A snapshot could not be written or read (`path`: its file, or the directory). The store and its log go on."""

    def __init__(self, path: str, reason: str) -> None:
        StorageError.__init__(self, path, f"the snapshot in {path!r} failed: {reason}; the log is not affected")
        self.reason = reason


class NoRoomForSnapshot(SnapshotNotWritten):
    """A snapshot found no space, or only what is left for the log. It can be written once there is more."""


class RunningDigest(Protocol):
    """A digest that takes bytes one after another, as those of `hashlib`."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        ...


class SnapshotWriter(Protocol):
    """Writes one snapshot. Every method is called on the event loop, one at a time.

    `StorageFailed` (as a rule its subclass `SnapshotNotWritten`) if the disk fails, is full or has no descriptor left,
    if the group was forgotten or the store is closed; `NoRoomForSnapshot` if there is no space, or only the last one of
    the log. The partial file is then removed, at the latest when the store is opened again, and each further call but
    `abandon` fails; the store and its log go on.
    """

    @property
    def size_bytes(self) -> int:
        """How many bytes were appended so far."""
        ...

    async def append(self, data: bytes) -> None:
        """Append `data`. Writes to the log wait for it meanwhile: at most about 1 MiB at once."""
        ...

    async def digest(self) -> bytes:
        """Return the SHA-256 (32 bytes) of everything appended so far; after `finish`, too."""
        ...

    async def finish(self, name: str) -> None:
        """Make the snapshot complete, as `name`: it is durable on return, and replaces one of this group and name.

        If it fails there is no new snapshot; one of this name that was there before remains, or is already replaced
        by the new content. ValueError, and nothing is changed, unless `name` is 1 … 100 of the characters 0-9, a-z
        and -.
        """
        ...

    async def abandon(self) -> None:
        """Remove the partial file. No effect after `finish`, after a failure, when the store is closed, or twice."""
        ...


class SnapshotStore(Protocol):
    """The snapshots of all groups of one node. Every method is called on the event loop.

    `StorageFailed` once the store is closed or has stopped. A group that has snapshots must also hold something in the
    log: snapshots of a group that the log does not know are removed when the store is opened.
    """

    async def create(self, group: str) -> SnapshotWriter:
        """Begin a snapshot; any number may be open. Each holds a file descriptor until `finish` or `abandon`.

        `StorageFailed` if its file cannot be created.
        """
        ...

    @property
    def room_bytes(self) -> int | None:
        """How large a snapshot may become, as far as is known: it is looked at each second while it is little.

        None: it is not known.
        """
        ...

    def names(self, group: str) -> tuple[str, ...]:
        """Return the names of the complete snapshots of `group`, sorted. Never touches the disk."""
        ...

    def path_of(self, group: str, name: str) -> str:
        """Return the path of a complete snapshot, for error messages. Never touches the disk."""
        ...

    async def size_bytes(self, group: str, name: str) -> int | None:
        """Return the size of a complete snapshot; None if there is no such one."""
        ...

    async def read(
        self, group: str, name: str, offset: int, max_bytes: int, digest: RunningDigest | None = None
    ) -> bytes | None:
        """Return up to `max_bytes` bytes from `offset`; fewer at the end only, b"" there. `digest` takes them, too.

        None if there is no such snapshot (any more). `StorageFailed` if the disk cannot read it: that concerns this
        call only. ValueError if a number is negative.
        """
        ...

    async def remove(self, group: str, name: str) -> None:
        """Remove a complete snapshot, which nothing needs; no effect if there is none. Reported as by `keep`."""
        ...

    async def keep(self, group: str, names: Collection[str]) -> None:
        """Remove all other complete snapshots of `group`; names that do not exist are ignored, open writers stay.

        A file that cannot be removed is reported in the log (`store.snapshot_not_removed`), and stays in `names`.
        """
        ...


def check_name(name: str) -> None:
    """Raise ValueError unless `name` may be the name of a snapshot."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"the name of a snapshot must be 1 … 100 of the characters 0-9, a-z and -, not {name!r:.200}")


def check_range(offset: int, max_bytes: int) -> None:
    """Raise ValueError if a number is negative."""
    if offset < 0 or max_bytes < 0:
        raise ValueError(f"offset and max_bytes must not be negative: {offset}, {max_bytes}")
