"""`RealDisk`: reads, writes and syncs files in this machine's file system.

Every call blocks: make it on the disk thread. Durability is POSIX's: data after `File.sync` (fdatasync), names after
`Disk.sync_directory` (fsync of the directory).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import Final

__all__ = ["AccessDenied", "RealDisk", "RealFile", "naming_denials"]

_DENIALS: Final = (errno.EACCES, errno.EPERM, errno.EROFS)

# What is stored is for its owner only.
_FILE_MODE: Final = 0o600
_DIRECTORY_MODE: Final = 0o700


class AccessDenied(PermissionError):
    """The system denies access to a file or directory: the text says to which one, for what and for which user."""

    def __init__(self, denial: OSError, path: str, purpose: str) -> None:
        super().__init__(denial.errno, denial.strerror, path)
        self.purpose = purpose

    def __str__(self) -> str:
        """Return the text."""
        name = errno.errorcode.get(self.errno or 0, "")
        return (
            f"{self.filename!r} cannot be {self.purpose} by this process, which runs as uid {os.geteuid()} "
            f"({name}: {self.strerror}): check owner, mode and attributes (ls -l, lsattr), and how it is mounted"
        )


@contextlib.contextmanager
def naming_denials(path: str, purpose: str) -> Iterator[None]:
    """Make an `AccessDenied` of an OSError that denies access. `purpose`: as in "cannot be … by this process"."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DENIALS or isinstance(error, AccessDenied):
            raise
        raise AccessDenied(error, path, purpose) from error


class RealFile:
    """An open file (the contract is `coterie.runtime.hosts.host.File`)."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end of the file."""
        data = os.pread(self._descriptor, size, offset)
        if len(data) == size or not data:
            return data
        parts = [data]
        missing = size - len(data)
        while missing > 0:  # pread may return less than the file has (signals; 2 GiB at most per call)
            data = os.pread(self._descriptor, missing, offset + size - missing)
            if not data:
                break
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`."""
        written = os.pwrite(self._descriptor, data, offset)
        if written == len(data):
            return
        view = memoryview(data)
        while written < len(data):
            written += os.pwrite(self._descriptor, view[written:], offset + written)

    def truncate(self, size: int) -> None:
        """Truncate or extend (with zeros) to `size` bytes."""
        os.ftruncate(self._descriptor, size)

    def size(self) -> int:
        """Return the size in bytes."""
        return os.fstat(self._descriptor).st_size

    def is_removed(self) -> bool:
        """Return whether the file has no name in the file system any more."""
        return os.fstat(self._descriptor).st_nlink == 0

    def sync(self) -> None:
        """Make data and size durable. An OSError is final."""
        _sync_data(self._descriptor)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


class RealDisk:
    """The file system (the contract is `coterie.runtime.hosts.host.Disk`).

    `is_read_only`: for looking at the files of others: whatever would change one fails with OSError.
    """

    def __init__(self, *, is_read_only: bool = False) -> None:
        self._is_read_only = is_read_only

    def open(self, path: str, *, create: bool = False) -> RealFile:
        """Open for reading and writing; `create` creates the file, and fails if it exists."""
        if self._is_read_only and not create:
            with naming_denials(path, "opened for reading"):
                return RealFile(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        flags = os.O_RDWR | os.O_CLOEXEC
        if create:
            self._check_writable(path)
            flags |= os.O_CREAT | os.O_EXCL
        with naming_denials(path, "created" if create else "opened for reading and writing"):
            return RealFile(os.open(path, flags, _FILE_MODE))

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in `directory`."""
        with naming_denials(directory, "listed"):
            return sorted(os.listdir(directory))

    def exists(self, path: str) -> bool:
        """Return whether a file or directory is at `path`."""
        return os.path.exists(path)

    def is_private(self, path: str) -> bool:
        """Return whether nobody but its owner may enter a directory, or read a file."""
        return not os.stat(path).st_mode & 0o077

    def free_bytes(self, path: str) -> int:
        """Return how many bytes are free in the file system of `path` for others than root; quotas are not seen."""
        found = os.statvfs(path)
        return found.f_bavail * found.f_frsize

    def total_bytes(self, path: str) -> int:
        """Return the size of the file system of `path`."""
        found = os.statvfs(path)
        return found.f_blocks * found.f_frsize

    def make_directories(self, path: str) -> None:
        """Create `path` and its missing parents, durably."""
        if os.path.isdir(path):
            return
        self._check_writable(path)
        parent = os.path.dirname(os.path.abspath(path))
        self.make_directories(parent)
        with contextlib.suppress(FileExistsError), naming_denials(path, "created"):  # it exists: made meanwhile
            os.mkdir(path, _DIRECTORY_MODE)
        self.sync_directory(parent)

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`, atomically."""
        self._check_writable(source)
        with naming_denials(source, f"renamed to {target!r}"):
            os.replace(source, target)

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._check_writable(path)
        with naming_denials(path, "removed"):
            os.remove(path)

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in `path` durable."""
        with naming_denials(path, "opened for reading"):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def lock(self, path: str) -> Callable[[], None]:
        """Lock `path` against every other opener, in this process too; return an idempotent unlock function.

        The lock is flock's: the kernel releases it when the process ends, so a crash leaves no stale lock. A symbolic
        link is not followed (OSError, ELOOP): it could lead to a file that is not ours.
        """
        self._check_writable(path)
        with naming_denials(path, "opened for reading and writing"):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        return RealFile(descriptor).close

    def _check_writable(self, path: str) -> None:
        if self._is_read_only:
            raise OSError(errno.EROFS, "this disk was opened for reading only", path)


def _sync_data(descriptor: int) -> None:
    if hasattr(os, "fdatasync"):
        os.fdatasync(descriptor)
    else:  # macOS has no fdatasync, and its fsync stops at the drive's cache
        fcntl.fcntl(descriptor, getattr(fcntl, "F_FULLFSYNC"))  # noqa: B009 - unknown to the type checker on Linux
