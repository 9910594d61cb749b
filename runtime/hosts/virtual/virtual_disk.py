"""`VirtualDisk`: simulates a file system in memory, loses unsynced data in a crash, and can fail calls or flip bits.

Written data is visible at once and durable after `sync`; creations, renames and removals are durable after
`sync_directory`. `crash` drops what is not durable, or retains an arbitrary part of it, as real disks do.
"""

from __future__ import annotations

import errno
import os.path
import random
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["VirtualDisk", "VirtualFile"]

_UNLIMITED_BYTES = 1 << 60  # the free space of a disk without a limit
_SECTOR_BYTES = 512  # the unit that a disk writes atomically


@dataclass(slots=True)
class _Inode:
    """The visible bytes, the durable bytes, and the changes between the two in order.

    A change is (offset, data), or (size, None) for a truncation.
    """

    visible: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)


@dataclass(slots=True)
class _Names:
    """The same for the names of one directory. A change is a tuple of (name, inode), or (name, None) for a removal."""

    visible: dict[str, _Inode] = field(default_factory=dict)
    durable: dict[str, _Inode] = field(default_factory=dict)
    changes: list[tuple[tuple[str, _Inode | None], ...]] = field(default_factory=list)


class VirtualFile:
    """An open file (the contract is `coterie.runtime.hosts.host.File`). A crash of the disk invalidates it."""

    __slots__ = ("_disk", "_generation", "_inode")

    def __init__(self, disk: VirtualDisk, inode: _Inode, generation: int) -> None:
        self._disk = disk
        self._inode = inode
        self._generation = generation

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end of the file."""
        self._check()
        return bytes(self._inode.visible[offset : offset + size])

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`; an injected failure writes a part of it."""
        self._check()
        failure = self._disk.take_write_failure()
        written = bytes(data) if failure is None else bytes(data[: len(data) // 2])
        room = self._disk.room_bytes(offset + len(written) - len(self._inode.visible))
        if room < 0:
            failure = OSError(errno.ENOSPC, "no space left on the disk")
            written = written[: max(0, len(written) + room)]
        self._change(offset, written)
        if failure is not None:
            raise failure

    def truncate(self, size: int) -> None:
        """Truncate or extend (with zeros) to `size` bytes; counts as a write."""
        self._check()
        failure = self._disk.take_write_failure()
        if failure is None and self._disk.room_bytes(size - len(self._inode.visible)) < 0:
            failure = OSError(errno.ENOSPC, "no space left on the disk")
        if failure is not None:
            raise failure
        self._change(size, None)

    def size(self) -> int:
        """Return the size in bytes."""
        self._check()
        return len(self._inode.visible)

    def is_removed(self) -> bool:
        """Return whether the file has no name in the file system any more."""
        self._check()
        return not self._disk.has_name(self._inode)

    def sync(self) -> None:
        """Make data and size durable; an injected failure loses the data, and a second call would not report it."""
        self._check()
        failure = self._disk.take_sync_failure()
        changes, self._inode.changes = self._inode.changes, []
        if failure is not None:
            raise failure
        for change in changes:
            _apply(self._inode.durable, change)

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._generation == self._disk.generation:
            self._disk.open_count -= 1
        self._generation = -1

    def _change(self, offset: int, data: bytes | None) -> None:
        _apply(self._inode.visible, (offset, data))
        self._inode.changes.append((offset, data))

    def _check(self) -> None:
        if self._generation != self._disk.generation:
            raise OSError(errno.EBADF, "the file is closed, or the disk crashed since it was opened")


class VirtualDisk:
    """A file system in memory (the contract is `coterie.runtime.hosts.host.Disk`), with faults on demand.

    `generation` counts the ends of processes: open files and locks of an earlier generation are invalid.
    """

    def __init__(self) -> None:
        self.generation = 0
        self.capacity_bytes: int | None = None
        """The most bytes that all files together may hold; None: no limit. Existing content stays."""
        self.descriptor_limit: int | None = None
        """The most files and locks that may be open at once, for EMFILE; None: no limit."""
        self.open_count = 0
        """Number of files and locks that are open."""
        self._directories: dict[str, _Names] = {}
        self._locked: dict[str, object] = {}
        self._steps_left: int | None = None
        self._sync_failures: list[OSError] = []
        self._write_failures: list[OSError] = []

    # The contract.

    def open(self, path: str, *, create: bool = False) -> VirtualFile:
        """Open for reading and writing; `create` creates the file, and fails if it exists."""
        self._check_descriptors()
        directory, name = self._locate(path)
        if create:
            if name in directory.visible:
                raise FileExistsError(errno.EEXIST, "exists", path)
            self._rename(directory, ((name, _Inode()),))
        file = VirtualFile(self, self._inode(path), self.generation)
        self.open_count += 1
        return file

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in `directory`, including subdirectories."""
        path = _clean(directory)
        below = [os.path.basename(other) for other in self._directories if os.path.dirname(other) == path != other]
        return sorted([*self._directory(path).visible, *below])

    def exists(self, path: str) -> bool:
        """Return whether a file or directory is at `path`."""
        parent = self._directories.get(os.path.dirname(_clean(path)))
        return _clean(path) in self._directories or (parent is not None and os.path.basename(path) in parent.visible)

    def is_private(self, path: str) -> bool:
        """Return True: there is one user only."""
        return self.exists(path)

    def free_bytes(self, path: str) -> int:
        """Return what is left of the capacity."""
        return _UNLIMITED_BYTES if self.capacity_bytes is None else max(0, self.capacity_bytes - self.used_bytes)

    def total_bytes(self, path: str) -> int:
        """Return the capacity."""
        return _UNLIMITED_BYTES if self.capacity_bytes is None else self.capacity_bytes

    def make_directories(self, path: str) -> None:
        """Create `path` and its missing parents; durable at once."""
        path = _clean(path)
        while path not in self._directories:
            self._directories[path] = _Names()
            path = os.path.dirname(path)

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`, atomically; both must be in one directory."""
        if os.path.dirname(_clean(source)) != os.path.dirname(_clean(target)):
            raise OSError(errno.EXDEV, "this disk renames within one directory only", source)
        directory, name = self._locate(target)
        self._rename(directory, ((os.path.basename(source), None), (name, self._inode(source))))

    def remove(self, path: str) -> None:
        """Remove a file."""
        self._inode(path)
        directory, name = self._locate(path)
        self._rename(directory, ((name, None),))

    def sync_directory(self, path: str) -> None:
        """Make creations, renames and removals in `path` durable; an injected sync failure loses them."""
        self._check_descriptors()
        directory = self._directory(path)
        failure = self.take_sync_failure()
        directory.changes.clear()
        if failure is not None:
            raise failure
        directory.durable = dict(directory.visible)

    def has_name(self, inode: _Inode) -> bool:
        """Return whether a file has a name in some directory."""
        return any(inode is named for names in self._directories.values() for named in names.visible.values())

    def lock(self, path: str) -> Callable[[], None]:
        """Lock `path` against every other opener until unlocked or crashed; return the function that unlocks it."""
        self._check_descriptors()
        directory, name = self._locate(path)
        if name not in directory.visible:
            self._rename(directory, ((name, _Inode()),))
        if _clean(path) in self._locked:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked", path)
        owner = self._locked[_clean(path)] = object()
        self.open_count += 1

        def unlock() -> None:
            if self._locked.get(_clean(path)) is owner:
                del self._locked[_clean(path)]
                self.open_count -= 1

        return unlock

    # Faults.

    def crash(self, rng: random.Random | None = None) -> None:
        """Lose power: durable data survives; of the rest nothing (`rng` None) or a part chosen by `rng`.

        Of the changes of names a prefix survives. Of a file's unsynced changes: none, all, a prefix whose last write
        is torn at a byte, or any set of their sectors. All open files and locks become invalid.
        """
        self.release()
        self._sync_failures.clear()
        self._write_failures.clear()
        self._steps_left = None
        for path in sorted(self._directories):
            _crash_names(self._directories[path], rng)

    def release(self) -> None:
        """End the process that used the disk: its files are closed, its locks released, its data stays."""
        self.generation += 1
        self.open_count = 0
        self._locked.clear()

    def fail_next_sync(self, error: OSError | None = None) -> None:
        """Make the next sync (of a file or directory) raise, and lose the data that it should have made durable."""
        self._sync_failures.append(error or OSError(errno.EIO, "planned failure of a sync"))

    def fail_next_write(self, error: OSError | None = None) -> None:
        """Make the next write raise after half of its data."""
        self._write_failures.append(error or OSError(errno.EIO, "planned failure of a write"))

    def cut_power_after(self, steps: int) -> None:
        """Let the next `steps` writes, syncs, renames and removals succeed; all later ones raise OSError.

        `crash` must follow; it ends this state.
        """
        self._steps_left = steps

    @property
    def used_bytes(self) -> int:
        """The visible size of all files together."""
        return sum(len(inode.visible) for names in self._directories.values() for inode in names.visible.values())

    def room_bytes(self, growth_bytes: int) -> int:
        """Return how many bytes are free after a growth of `growth_bytes`; negative: it does not fit."""
        if self.capacity_bytes is None or growth_bytes <= 0:
            return 0
        return self.capacity_bytes - self.used_bytes - growth_bytes

    def corrupt_random_bit(
        self, rng: random.Random, *, path_filter: Callable[[str], bool] = lambda path: True
    ) -> tuple[str, int] | None:
        """Flip one durable bit in a file accepted by `path_filter`; return (path, offset), or None if there is none."""
        files = {
            os.path.join(path, name): inode
            for path, names in sorted(self._directories.items())
            for name, inode in sorted(names.visible.items())
        }
        paths = [path for path, inode in files.items() if inode.durable and path_filter(path)]
        if not paths:
            return None
        path = rng.choice(paths)
        offset = rng.randrange(len(files[path].durable))
        self.flip(path, offset, 1 << rng.randrange(8))
        return path, offset

    def flip(self, path: str, offset: int, mask: int = 0x01) -> None:
        """Corrupt the disk: flip the bits of `mask` in one durable byte. IndexError beyond the end."""
        inode = self._inode(path)
        inode.visible[offset] ^= mask
        if offset < len(inode.durable):
            inode.durable[offset] ^= mask

    def contents(self, path: str) -> bytes:
        """Return the visible bytes of a file."""
        return bytes(self._inode(path).visible)

    def replace(self, path: str, data: bytes) -> None:
        """Store a file with these bytes at `path`, durably (its directory must exist)."""
        directory, name = self._locate(path)
        directory.visible[name] = directory.durable[name] = _Inode(bytearray(data), bytearray(data))

    def copy(self) -> VirtualDisk:
        """Return an independent disk with all visible data, all of it durable, nothing locked."""
        twin = VirtualDisk()
        for path, directory in self._directories.items():
            twin.make_directories(path)
            for name, inode in directory.visible.items():
                twin.replace(os.path.join(path, name), bytes(inode.visible))
        return twin

    def durable_copy(self) -> VirtualDisk:
        """Return an independent disk with the durable data only."""
        twin = VirtualDisk()
        for path, directory in self._directories.items():
            twin.make_directories(path)
            for name, inode in directory.durable.items():
                twin.replace(os.path.join(path, name), bytes(inode.durable))
        return twin

    def restore(self, image: VirtualDisk) -> None:
        """Replace the whole content by the durable content of `image`: a stale disk, or an empty one.

        The process that used this disk must have ended: its files are closed.
        """
        self.release()
        self._directories = image.durable_copy()._directories  # noqa: SLF001 - of the same class

    def take_sync_failure(self) -> OSError | None:
        """Return the injected failure that the current sync must raise, if any."""
        self._step()
        return self._sync_failures.pop(0) if self._sync_failures else None

    def take_write_failure(self) -> OSError | None:
        """Return the injected failure that the current write must raise, if any."""
        self._step()
        return self._write_failures.pop(0) if self._write_failures else None

    def _check_descriptors(self) -> None:
        if self.descriptor_limit is not None and self.open_count >= self.descriptor_limit:
            raise OSError(errno.EMFILE, "too many open files")

    def _step(self) -> None:
        if self._steps_left is not None:
            if not self._steps_left:
                raise OSError(errno.EIO, "the power was cut")
            self._steps_left -= 1

    def _rename(self, directory: _Names, change: tuple[tuple[str, _Inode | None], ...]) -> None:
        self._step()
        _apply_names(directory.visible, change)
        directory.changes.append(change)

    def _locate(self, path: str) -> tuple[_Names, str]:
        return self._directory(os.path.dirname(_clean(path))), os.path.basename(path)

    def _directory(self, path: str) -> _Names:
        directory = self._directories.get(_clean(path))
        if directory is None:
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        return directory

    def _inode(self, path: str) -> _Inode:
        directory, name = self._locate(path)
        if name not in directory.visible:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return directory.visible[name]


def _clean(path: str) -> str:
    path = os.path.normpath(path)
    return "" if path == "." else path


def _apply(content: bytearray, change: tuple[int, bytes | None]) -> None:
    offset, data = change
    if data == b"":
        return  # POSIX: writing nothing extends nothing
    end = offset + len(data or b"")
    if end > len(content):
        content.extend(bytes(end - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset:end] = data


def _apply_names(names: dict[str, _Inode], change: tuple[tuple[str, _Inode | None], ...]) -> None:
    for name, inode in change:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _crash_names(directory: _Names, rng: random.Random | None) -> None:
    survivor_count = 0 if rng is None else rng.randint(0, len(directory.changes))
    names = dict(directory.durable)
    for change in directory.changes[:survivor_count]:
        _apply_names(names, change)
    directory.changes.clear()
    directory.durable, directory.visible = names, dict(names)
    for name in sorted(names):
        _crash_inode(names[name], rng)


def _crash_inode(inode: _Inode, rng: random.Random | None) -> None:
    for change in _survivors(inode.changes, rng):
        _apply(inode.durable, change)
    inode.changes.clear()
    inode.visible = bytearray(inode.durable)


def _survivors(changes: list[tuple[int, bytes | None]], rng: random.Random | None) -> list[tuple[int, bytes | None]]:
    outcome = "none" if rng is None or not changes else rng.choice(("none", "all", "torn", "sectors"))
    if rng is None or outcome == "none":
        return []
    if outcome == "all":
        return changes
    if outcome == "sectors":
        return [piece for change in changes for piece in _sectors(change) if rng.random() < 0.5]
    torn_at = rng.randrange(len(changes))
    offset, data = changes[torn_at]
    torn = [] if data is None else [(offset, data[: rng.randint(0, len(data))])]
    return [*changes[:torn_at], *torn]


def _sectors(change: tuple[int, bytes | None]) -> list[tuple[int, bytes | None]]:
    offset, data = change
    if data is None:
        return [change]
    return [(offset + at, data[at : at + _SECTOR_BYTES]) for at in range(0, len(data), _SECTOR_BYTES)]
