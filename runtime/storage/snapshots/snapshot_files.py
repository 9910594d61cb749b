"""Snapshot files: names, lists, writes and removes the files of snapshots. All calls block.

    snapshot-<first 16 hex digits of SHA-256 of the group's name>-<name>.snapshot      complete
    snapshot-<the same>-<number>.partial                                               being written, or left by a crash

A partial file is synced, then renamed, then the directory is synced: so a complete file is whole, whenever a crash
comes. The next open of the store removes the partial files.

A group that is forgotten. Its records go first, in one atomic write of the log, then its snapshots. A crash in between
leaves snapshots of a group that the log does not know: `open_snapshots` removes these before anything can be written,
so that a later group of the same name never finds them.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os.path
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from coterie.runtime.hosts.disk_with_spares import DiskWithSpares
from coterie.runtime.hosts.host import Disk
from coterie.runtime.storage.snapshots.snapshot_store import SnapshotNotWritten
from coterie.runtime.storage.space.free_space import FreeSpace
from coterie.runtime.storage.space.snapshot_space import SnapshotSpace

__all__ = [
    "PartialSnapshot",
    "complete_snapshots",
    "group_digits",
    "has_snapshots",
    "note_sizes",
    "open_snapshots",
    "remove_others",
    "snapshot_file_names",
    "snapshot_path",
]

SYNC_BYTES: Final = 8 * 1024 * 1024
"""A partial file is synced each time it has grown by this: one long sync at its end would hold up the log's writes."""

_FILE: Final = re.compile(r"snapshot-([0-9a-f]{16})-([0-9a-z-]{1,100})\.(snapshot|partial)")


def group_digits(group: str) -> str:
    """Return the 16 hex digits that stand for a group's name in file names."""
    return hashlib.sha256(group.encode()).hexdigest()[:16]


def snapshot_path(directory: str, digits: str, name: str) -> str:
    """Return the path of the complete snapshot `name` of the group with these digits."""
    return os.path.join(directory, f"snapshot-{digits}-{name}.snapshot")


def snapshot_file_names(disk: Disk, directory: str) -> list[str]:
    """Return the names of all snapshot files, partial ones included, sorted."""
    return [name for name in disk.names(directory) if _FILE.fullmatch(name)]


def complete_snapshots(disk: Disk, directory: str) -> dict[str, list[str]]:
    """Return the names of the complete snapshots by the digits of the group."""
    found: dict[str, list[str]] = {}
    for file_name in snapshot_file_names(disk, directory):
        digits, name, kind = _parts(file_name)
        if kind == "snapshot":
            found.setdefault(digits, []).append(name)
    return found


def has_snapshots(disk: Disk, directory: str) -> bool:
    """Return whether there is a complete snapshot of any group."""
    return bool(complete_snapshots(disk, directory))


def open_snapshots(disk: Disk, directory: str, groups: Iterable[str], *, keeps_others: bool) -> dict[str, set[str]]:
    """Remove partial files, and durably the snapshots of groups that the log does not know; return the others' names.

    Args:
        disk: the disk.
        directory: the data directory.
        groups: the groups that the log knows.
        keeps_others: whether snapshots of other groups are ignored instead, because the log may have lost its groups.

    Returns:
        The names of the complete snapshots by the digits of the group.
    """
    known: dict[str, set[str]] = {group_digits(group): set() for group in groups}
    others: list[str] = []
    for file_name in snapshot_file_names(disk, directory):
        digits, name, kind = _parts(file_name)
        if kind == "partial":  # it may come back after a crash: then the next open removes it
            disk.remove(os.path.join(directory, file_name))
        elif digits in known:
            known[digits].add(name)
        else:
            others.append(file_name)
    if others and not keeps_others:
        for file_name in others:
            disk.remove(os.path.join(directory, file_name))
        disk.sync_directory(directory)
    return known


def note_sizes(disk: Disk, directory: str, space: SnapshotSpace) -> None:
    """Note the sizes of all snapshot files."""
    for file_name in snapshot_file_names(disk, directory):
        path = os.path.join(directory, file_name)
        with contextlib.closing(disk.open(path)) as file:
            space.note(path, file.size())


def remove_others(
    disk: Disk, directory: str, digits: str, kept: Collection[str], space: SnapshotSpace
) -> tuple[set[str], list[tuple[str, OSError]]]:
    """Remove the complete snapshots of a group but those in `kept`; does not sync the directory.

    Return the names that are left, and each path that could not be removed, with the error.
    """
    left: set[str] = set()
    failures: list[tuple[str, OSError]] = []
    for name in complete_snapshots(disk, directory).get(digits, ()):
        path = snapshot_path(directory, digits, name)
        if name in kept:
            left.add(name)
            continue
        try:
            disk.remove(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            left.add(name)
            failures.append((path, error))
            continue
        space.removed(path)
    return left, failures


class PartialSnapshot:
    """A snapshot that is being written. All calls block, but `size_bytes`.

    It leaves some space of the disk to the log, which would stop without any: the last append fails before.

    The file is open from the start to the end, by a descriptor that is none of the spares: those are for the log. If a
    call raises OSError, the file is closed and removed. `SnapshotNotWritten` for each call after the end but `abandon`.
    """

    def __init__(
        self,
        disk: Disk,
        spared: DiskWithSpares,
        free_space: FreeSpace,
        directory: str,
        digits: str,
        number: int,
    ) -> None:
        self.digits = digits
        self.path = os.path.join(directory, f"snapshot-{digits}-{number}.partial")
        self.size_bytes = 0
        self._spared = spared
        self._free_space = free_space
        self._directory = directory
        self._digest = hashlib.sha256()
        self._synced_bytes = 0
        self._end: str | None = None
        self._is_complete = False
        self._file = disk.open(self.path, create=True)

    @property
    def is_open(self) -> bool:
        """Whether it is still being written."""
        return self._end is None

    def append(self, data: bytes) -> None:
        """Append `data`."""
        self._check()
        with self._abandoning():
            if not self._free_space.has_room_for_snapshot(len(data)):
                raise OSError(errno.ENOSPC, "the disk is nearly full: the rest is for the log")
            self._file.write_at(self.size_bytes, data)
            self._digest.update(data)
            self.size_bytes += len(data)
            self._free_space.snapshots.note(self.path, self.size_bytes)
            if self.size_bytes - self._synced_bytes >= SYNC_BYTES:
                self._file.sync()
                self._synced_bytes = self.size_bytes

    def digest(self) -> bytes:
        """Return the SHA-256 of everything appended so far."""
        if not self._is_complete:
            self._check()
        return self._digest.digest()

    def finish(self, name: str) -> None:
        """Sync the file, give it its final name, and make that durable."""
        self._check()
        final = snapshot_path(self._directory, self.digits, name)
        with self._abandoning():
            self._file.sync()  # an error is final: the file is never renamed
            self._file.close()  # before the directory is opened: then a descriptor is free
            is_new = not self._spared.exists(final)
            self._spared.rename(self.path, final)
            self._free_space.snapshots.renamed(self.path, final)
        self._end = "it is complete"
        try:
            self._spared.sync_directory(self._directory)
        except OSError:
            # The content is whole and synced; only which of the two has the name after a crash is open. An earlier
            # snapshot of this name may be what the log stands on: so the name stays.
            if is_new:
                with contextlib.suppress(OSError):
                    self._spared.remove(final)
                    self._free_space.snapshots.removed(final)
                self._end = "its name could not be made durable"
            raise
        finally:
            self._spared.refill()
        self._is_complete = True

    def abandon(self, reason: str = "it was abandoned") -> OSError | None:
        """Close and remove the file, if it is still open; return the error if it could not be removed."""
        if self._end is not None:
            return None
        self._end = reason
        self._free_space.snapshots.removed(self.path)
        failure = None
        for call in (self._file.close, lambda: self._spared.remove(self.path), self._spared.refill):
            try:
                call()
            except OSError as error:
                failure = error
        return failure

    def _check(self) -> None:
        if self._end is not None:
            raise SnapshotNotWritten(self.path, self._end)

    @contextlib.contextmanager
    def _abandoning(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.abandon(f"its file was given up ({error!r})")
            raise


def _parts(file_name: str) -> tuple[str, str, str]:
    match = _FILE.fullmatch(file_name)
    if match is None:
        raise ValueError(f"{file_name!r} is no snapshot file")
    return match[1], match[2], match[3]
