"""`DiskWithSpares`: keeps some file descriptors open, and gives them up when the process has no other one left.

A log must be able to begin its next file although clients have taken every descriptor. Two spares are enough for any
call: one for the file, one for its directory. A spare that was given up is opened again as soon as there is room.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final, TypeVar

from coterie.runtime.hosts.host import Disk, File

__all__ = ["SPARES", "DiskWithSpares", "is_out_of_descriptors"]

T = TypeVar("T")

SPARES: Final = 2
"""How many descriptors are kept."""


def is_out_of_descriptors(error: BaseException | None) -> bool:
    """Return whether the process (EMFILE) or the machine (ENFILE) has no file descriptor left."""
    return isinstance(error, OSError) and error.errno in {errno.EMFILE, errno.ENFILE}


class DiskWithSpares:
    """A disk (the contract is `coterie.runtime.hosts.host.Disk`) whose calls may use the spare descriptors.

    Args:
        disk: the disk itself.
        path: an existing file, which the spares keep open.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._spares: list[File] = []
        self.refill()

    @property
    def spares(self) -> int:
        """How many spares are open now."""
        return len(self._spares)

    def refill(self) -> None:
        """Open the missing spares, as far as there is room."""
        while len(self._spares) < SPARES:
            try:
                self._spares.append(self._disk.open(self._path))
            except OSError as error:
                if is_out_of_descriptors(error):
                    return
                raise

    def close(self) -> None:
        """Close the spares. Idempotent."""
        while self._spares:
            self._spares.pop().close()

    # The contract.

    def open(self, path: str, *, create: bool = False) -> File:
        """Open for reading and writing; see `Disk.open`."""
        return self._run(lambda: self._disk.open(path, create=create))

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in `directory`."""
        return self._run(lambda: self._disk.names(directory))

    def exists(self, path: str) -> bool:
        """Return whether a file or directory is at `path`."""
        return self._disk.exists(path)

    def is_private(self, path: str) -> bool:
        """Return whether nobody but its owner may enter a directory, or read a file."""
        return self._disk.is_private(path)

    def free_bytes(self, path: str) -> int:
        """Return how many bytes are free in the file system of `path`."""
        return self._disk.free_bytes(path)

    def total_bytes(self, path: str) -> int:
        """Return the size of the file system of `path`."""
        return self._disk.total_bytes(path)

    def make_directories(self, path: str) -> None:
        """Create `path` and its missing parents, durably."""
        self._run(lambda: self._disk.make_directories(path))

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`, atomically."""
        self._disk.rename(source, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._disk.remove(path)

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in `path` durable."""
        self._run(lambda: self._disk.sync_directory(path))

    def lock(self, path: str) -> Callable[[], None]:
        """Lock `path`; see `Disk.lock`."""
        return self._run(lambda: self._disk.lock(path))

    def _run(self, function: Callable[[], T]) -> T:
        """Run `function`, which changes nothing if there is no descriptor; then run it again with the spares' ones."""
        try:
            return function()
        except OSError as error:
            if not is_out_of_descriptors(error):
                raise
        self.close()
        try:
            return function()
        finally:
            self.refill()
