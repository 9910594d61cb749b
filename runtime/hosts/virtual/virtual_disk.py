"""A disk in memory that knows what is durable, and can crash, fail and rot.

What is written is seen at once and is durable after `sync`; what is created, renamed or removed is durable after
`sync_directory`. `crash` throws away what is not durable, or keeps an arbitrary part of it, as real disks do.
"""

from __future__ import annotations

import errno
import os.path
import random
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["VirtualDisk", "VirtualFile"]

_SECTOR_BYTES = 512  # what a disk writes or does not write as a whole


@dataclass(slots=True)
class _Inode:
    """The bytes as seen, the bytes that survive, and the changes between the two in order.

    A change is (offset, data), or (size, None) for a truncation.
    """

    seen: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)


@dataclass(slots=True)
class _Names:
    """The names of one directory, likewise. A change is several (name, inode), or (name, None) for a removal."""

    seen: dict[str, _Inode] = field(default_factory=dict)
    durable: dict[str, _Inode] = field(default_factory=dict)
    changes: list[tuple[tuple[str, _Inode | None], ...]] = field(default_factory=list)


class VirtualFile:
    """An open file (the contract is `coterie.runtime.hosts.host.File`). A crash of the disk kills it."""

    __slots__ = ("_disk", "_inode", "_life")

    def __init__(self, disk: VirtualDisk, inode: _Inode, life: int) -> None:
        self._disk = disk
        self._inode = inode
        self._life = life

    def read_at(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`; fewer only at the end of the file."""
        self._check()
        return bytes(self._inode.seen[offset : offset + size])

    def write_at(self, offset: int, data: bytes) -> None:
        """Write all of `data` at `offset`; a planned failure writes a part of it."""
        self._check()
        failure = self._disk.take_write_failure()
        written = bytes(data) if failure is None else bytes(data[: len(data) // 2])
        room = self._disk.room_bytes(offset + len(written) - len(self._inode.seen))
        if room < 0:
            failure = OSError(errno.ENOSPC, "no space left on the disk")
            written = written[: max(0, len(written) + room)]
        self._change(offset, written)
        if failure is not None:
            raise failure

    def truncate(self, size: int) -> None:
        """Cut or extend (with zeros) to `size` bytes; counts as a write."""
        self._check()
        failure = self._disk.take_write_failure()
        if failure is None and self._disk.room_bytes(size - len(self._inode.seen)) < 0:
            failure = OSError(errno.ENOSPC, "no space left on the disk")
        if failure is not None:
            raise failure
        self._change(size, None)

    def size(self) -> int:
        """Return the size in bytes."""
        self._check()
        return len(self._inode.seen)

    def sync(self) -> None:
        """Make data and size durable; a planned failure drops the data for good, and a second try would "succeed"."""
        self._check()
        failure = self._disk.take_sync_failure()
        changes, self._inode.changes = self._inode.changes, []
        if failure is not None:
            raise failure
        for change in changes:
            _carry_out(self._inode.durable, change)

    def close(self) -> None:
        """Close it. Twice is harmless."""
        self._life = -1

    def _change(self, offset: int, data: bytes | None) -> None:
        _carry_out(self._inode.seen, (offset, data))
        self._inode.changes.append((offset, data))

    def _check(self) -> None:
        if self._life != self._disk.life:
            raise OSError(errno.EBADF, "the file is closed, or the disk crashed since it was opened")


class VirtualDisk:
    """A file system in memory (the contract is `coterie.runtime.hosts.host.Disk`), with faults on demand.

    `life` counts the crashes: files and locks of an earlier life are dead.
    """

    def __init__(self) -> None:
        self.life = 0
        self.capacity_bytes: int | None = None
        """How much all files together may hold; None: any amount. What is there already stays."""
        self._directories: dict[str, _Names] = {}
        self._locked: dict[str, object] = {}
        self._steps_left: int | None = None
        self._sync_failures: list[OSError] = []
        self._write_failures: list[OSError] = []

    # The contract.

    def open(self, path: str, *, create: bool = False) -> VirtualFile:
        """Open for reading and writing; `create` makes it and refuses one that is there."""
        directory, name = self._locate(path)
        if create:
            if name in directory.seen:
                raise FileExistsError(errno.EEXIST, "exists", path)
            self._rename(directory, ((name, _Inode()),))
        return VirtualFile(self, self._inode(path), self.life)

    def names(self, directory: str) -> list[str]:
        """Return the sorted names in `directory`, its directories included."""
        path = _clean(directory)
        below = [os.path.basename(other) for other in self._directories if os.path.dirname(other) == path != other]
        return sorted([*self._directory(path).seen, *below])

    def exists(self, path: str) -> bool:
        """Return whether a file or directory is at `path`."""
        parent = self._directories.get(os.path.dirname(_clean(path)))
        return _clean(path) in self._directories or (parent is not None and os.path.basename(path) in parent.seen)

    def make_directories(self, path: str) -> None:
        """Create `path` and what is missing above it; durable at once."""
        path = _clean(path)
        while path not in self._directories:
            self._directories[path] = _Names()
            path = os.path.dirname(path)

    def rename(self, source: str, target: str) -> None:
        """Replace `target` by `source`, atomically; both in one directory."""
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
        """Make creations, renames and removals in `path` durable; a planned sync failure loses them."""
        directory = self._directory(path)
        failure = self.take_sync_failure()
        directory.changes.clear()
        if failure is not None:
            raise failure
        directory.durable = dict(directory.seen)

    def lock(self, path: str) -> Callable[[], None]:
        """Lock `path` against every other opener until unlocked or crashed; return the unlocker."""
        directory, name = self._locate(path)
        if name not in directory.seen:
            self._rename(directory, ((name, _Inode()),))
        if _clean(path) in self._locked:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked", path)
        owner = self._locked[_clean(path)] = object()

        def unlock() -> None:
            if self._locked.get(_clean(path)) is owner:
                del self._locked[_clean(path)]

        return unlock

    # Faults.

    def crash(self, rng: random.Random | None = None) -> None:
        """Lose power: keep what is durable, and of the rest nothing (`rng` None) or what `rng` chooses.

        Of the names' changes a prefix is kept. Of a file's unsynced changes: nothing, everything, a prefix whose last
        write is torn at a byte, or any set of their sectors. All open files and locks of this life are dead afterwards.
        """
        self.release()
        self._sync_failures.clear()
        self._write_failures.clear()
        self._steps_left = None
        for path in sorted(self._directories):
            _crash_names(self._directories[path], rng)

    def release(self) -> None:
        """Let the process that used it end: its files are closed and its locks are free, what it wrote stays."""
        self.life += 1
        self._locked.clear()

    def fail_next_sync(self, error: OSError | None = None) -> None:
        """Plan: the next sync (of a file or directory) raises, and what it should have made durable is lost."""
        self._sync_failures.append(error or OSError(errno.EIO, "planned failure of a sync"))

    def fail_next_write(self, error: OSError | None = None) -> None:
        """Plan: the next write raises after half of its data."""
        self._write_failures.append(error or OSError(errno.ENOSPC, "planned failure of a write"))

    def cut_power_after(self, steps: int) -> None:
        """Plan: of the writes, syncs, renames and removals to come, `steps` are done; all later calls raise OSError.

        Follow it with `crash`, which ends the plan.
        """
        self._steps_left = steps

    @property
    def used_bytes(self) -> int:
        """How much all files together hold, as seen now."""
        return sum(len(inode.seen) for names in self._directories.values() for inode in names.seen.values())

    def room_bytes(self, growth_bytes: int) -> int:
        """Return how much is free after a growth of `growth_bytes`; negative: it does not fit."""
        if self.capacity_bytes is None or growth_bytes <= 0:
            return 0
        return self.capacity_bytes - self.used_bytes - growth_bytes

    def rot(self, rng: random.Random, *, among: Callable[[str], bool] = lambda path: True) -> tuple[str, int] | None:
        """Flip one durable bit of a file whose path `among` takes; return (path, offset), None if there is no byte."""
        files = {
            os.path.join(path, name): inode
            for path, names in sorted(self._directories.items())
            for name, inode in sorted(names.seen.items())
        }
        paths = [path for path, inode in files.items() if inode.durable and among(path)]
        if not paths:
            return None
        path = rng.choice(paths)
        offset = rng.randrange(len(files[path].durable))
        self.flip(path, offset, 1 << rng.randrange(8))
        return path, offset

    def flip(self, path: str, offset: int, mask: int = 0x01) -> None:
        """Rot: change the bits of `mask` in one durable byte. IndexError beyond the end."""
        inode = self._inode(path)
        inode.seen[offset] ^= mask
        if offset < len(inode.durable):
            inode.durable[offset] ^= mask

    def contents(self, path: str) -> bytes:
        """Return the bytes of a file as seen now."""
        return bytes(self._inode(path).seen)

    def replace(self, path: str, data: bytes) -> None:
        """Put a file with these bytes at `path`, durably (its directory must exist)."""
        directory, name = self._locate(path)
        directory.seen[name] = directory.durable[name] = _Inode(bytearray(data), bytearray(data))

    def copy(self) -> VirtualDisk:
        """Return an independent disk with everything as seen now, all of it durable, nothing locked."""
        twin = VirtualDisk()
        for path, directory in self._directories.items():
            twin.make_directories(path)
            for name, inode in directory.seen.items():
                twin.replace(os.path.join(path, name), bytes(inode.seen))
        return twin

    def durable_copy(self) -> VirtualDisk:
        """Return an independent disk with what is durable now, and nothing else."""
        twin = VirtualDisk()
        for path, directory in self._directories.items():
            twin.make_directories(path)
            for name, inode in directory.durable.items():
                twin.replace(os.path.join(path, name), bytes(inode.durable))
        return twin

    def become(self, image: VirtualDisk) -> None:
        """Hold what is durable on `image` instead of everything held: a stale disk, or an empty one.

        Whoever has files open here must have ended: they are closed.
        """
        self.release()
        self._directories = image.durable_copy()._directories  # noqa: SLF001 - another one of its own kind

    def take_sync_failure(self) -> OSError | None:
        """Return the planned failure that the present sync must raise, if any."""
        self._step()
        return self._sync_failures.pop(0) if self._sync_failures else None

    def take_write_failure(self) -> OSError | None:
        """Return the planned failure that the present write must raise, if any."""
        self._step()
        return self._write_failures.pop(0) if self._write_failures else None

    def _step(self) -> None:
        if self._steps_left is not None:
            if not self._steps_left:
                raise OSError(errno.EIO, "the power was cut")
            self._steps_left -= 1

    def _rename(self, directory: _Names, change: tuple[tuple[str, _Inode | None], ...]) -> None:
        self._step()
        _carry_out_names(directory.seen, change)
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
        if name not in directory.seen:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return directory.seen[name]


def _clean(path: str) -> str:
    path = os.path.normpath(path)
    return "" if path == "." else path


def _carry_out(content: bytearray, change: tuple[int, bytes | None]) -> None:
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


def _carry_out_names(names: dict[str, _Inode], change: tuple[tuple[str, _Inode | None], ...]) -> None:
    for name, inode in change:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode


def _crash_names(directory: _Names, rng: random.Random | None) -> None:
    kept = 0 if rng is None else rng.randint(0, len(directory.changes))
    names = dict(directory.durable)
    for change in directory.changes[:kept]:
        _carry_out_names(names, change)
    directory.changes.clear()
    directory.durable, directory.seen = names, dict(names)
    for name in sorted(names):
        _crash_inode(names[name], rng)


def _crash_inode(inode: _Inode, rng: random.Random | None) -> None:
    for change in _survivors(inode.changes, rng):
        _carry_out(inode.durable, change)
    inode.changes.clear()
    inode.seen = bytearray(inode.durable)


def _survivors(changes: list[tuple[int, bytes | None]], rng: random.Random | None) -> list[tuple[int, bytes | None]]:
    how = "none" if rng is None or not changes else rng.choice(("none", "all", "torn", "sectors"))
    if rng is None or how == "none":
        return []
    if how == "all":
        return changes
    if how == "sectors":
        return [piece for change in changes for piece in _sectors(change) if rng.random() < 0.5]
    kept = rng.randrange(len(changes))
    offset, data = changes[kept]
    torn = [] if data is None else [(offset, data[: rng.randint(0, len(data))])]
    return [*changes[:kept], *torn]


def _sectors(change: tuple[int, bytes | None]) -> list[tuple[int, bytes | None]]:
    offset, data = change
    if data is None:
        return [change]
    return [(offset + at, data[at : at + _SECTOR_BYTES]) for at in range(0, len(data), _SECTOR_BYTES)]
