"""`FileSnapshots`: stores snapshots in the data directory of a log, by its disk thread.

    append, finish, read, keep ──▶ disk thread (in order, with the log's writes) ──▶ names (event loop) ──▶ return

A failure concerns one snapshot only: the log goes on. What was submitted is carried out even if the call is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from functools import partial
from itertools import count
from typing import TypeAlias, TypeVar, cast

from coterie.errors import StorageFailed
from coterie.runtime.hosts.disk_with_spares import DiskWithSpares, is_out_of_descriptors
from coterie.runtime.hosts.host import File, Host
from coterie.runtime.observing.loggers import logger
from coterie.runtime.storage.group_commit import RETRY_S, GroupCommit
from coterie.runtime.storage.snapshots.snapshot_files import (
    PartialSnapshot,
    group_digits,
    remove_others,
    snapshot_path,
)
from coterie.runtime.storage.snapshots.snapshot_store import (
    NoRoomForSnapshot,
    RunningDigest,
    SnapshotNotWritten,
    SnapshotWriter,
    check_name,
    check_range,
)
from coterie.runtime.storage.space.disk_reserve import is_disk_full

__all__ = ["FileSnapshots"]

T = TypeVar("T")

# The names that are left (None: unknown), and each path that could not be removed, with the error.
_Kept: TypeAlias = tuple[set[str] | None, list[tuple[str, OSError]]]


class FileSnapshots:
    """A `SnapshotStore` in the directory of a `SegmentedLog`.

    Args:
        host: whose disk and disk thread are used.
        spared: the same disk with the spare descriptors, for calls that keep no file open.
        group_commit: the writes of the log, which say whether the store is open; it fails if `forget` does.
        names_by_group: the complete snapshots, from `open_snapshots`.
    """

    def __init__(
        self, host: Host, spared: DiskWithSpares, group_commit: GroupCommit, names_by_group: dict[str, set[str]]
    ) -> None:
        self._host = host
        self._spared = spared
        self._group_commit = group_commit
        self._space = group_commit.free_space.snapshots
        self._directory = group_commit.path
        self._names_by_group = names_by_group
        self._numbers = count(1)
        self._partials: list[PartialSnapshot] = []  # of the disk thread

    async def create(self, group: str) -> SnapshotWriter:
        """Begin a snapshot."""
        digits, number = group_digits(group), next(self._numbers)

        def create() -> PartialSnapshot:
            partial_file = PartialSnapshot(
                self._host.disk, self._spared, self._group_commit.free_space, self._directory, digits, number
            )
            self._partials = [*(each for each in self._partials if each.is_open), partial_file]
            return partial_file

        return _FileWriter(self, await self.run(create, self._directory))

    @property
    def room_bytes(self) -> int | None:
        """How large a snapshot may become, as of the last look at the disk; None: it does not say."""
        return self._group_commit.free_space.snapshot_room_bytes

    def names(self, group: str) -> tuple[str, ...]:
        """Return the names of the complete snapshots of `group`, sorted."""
        return tuple(sorted(self._names_by_group.get(group_digits(group), ())))

    def path_of(self, group: str, name: str) -> str:
        """Return the path of a complete snapshot."""
        return snapshot_path(self._directory, group_digits(group), name)

    async def size_bytes(self, group: str, name: str) -> int | None:
        """Return the size of a complete snapshot, or None."""
        return await self._with_file(group, name, lambda file: file.size())

    async def read(
        self, group: str, name: str, offset: int, max_bytes: int, digest: RunningDigest | None = None
    ) -> bytes | None:
        """Return up to `max_bytes` bytes from `offset`, or None if there is no such snapshot; `digest` takes them."""
        check_range(offset, max_bytes)

        def read(file: File) -> bytes:
            data = file.read_at(offset, max_bytes)
            if digest is not None:
                digest.update(data)
            return data

        return await self._with_file(group, name, read)

    async def remove(self, group: str, name: str) -> None:
        """Remove a complete snapshot; report it if that fails."""
        digits = group_digits(group)
        if name not in self._names_by_group.get(digits, ()):
            return
        path = snapshot_path(self._directory, digits, name)

        def remove() -> OSError | None:
            try:
                self._spared.remove(path)
            except FileNotFoundError:
                pass
            except OSError as error:
                return error
            self._space.removed(path)
            return None

        def applied(error: OSError | None) -> None:
            if error is None:
                self._names_by_group.get(digits, set()).discard(name)
            else:
                _report(path, error)

        await self.run(remove, path, applied)

    async def keep(self, group: str, names: Collection[str]) -> None:
        """Remove all other complete snapshots of `group`; report what cannot be removed."""
        digits, kept = group_digits(group), frozenset(names)

        def keep() -> _Kept:
            left: set[str] | None = None
            failures: list[tuple[str, OSError]] = []
            try:
                left, failures = remove_others(self._spared, self._directory, digits, kept, self._space)
                self._spared.sync_directory(self._directory)
            except OSError as error:
                failures.append((self._directory, error))
            self._spared.refill()
            return left, failures

        def applied(result: _Kept) -> None:
            left, failures = result
            if left is not None:
                self._names_by_group[digits] = left
            for path, error in failures:
                _report(path, error)

        await self.run(keep, self._directory, applied)

    async def forget(self, group: str) -> None:
        """Remove all snapshots of `group` durably, those that are being written included, after its records.

        Waits for a descriptor if there is none. Another failure stops the store: the next open removes the snapshots.
        """
        digits = group_digits(group)

        def forget() -> None:
            for each in self._partials:
                if each.digits == digits:
                    each.abandon("its group was forgotten")
            _, failures = remove_others(self._spared, self._directory, digits, (), self._space)
            for _, error in failures:
                raise error
            self._spared.sync_directory(self._directory)
            self._spared.refill()

        while True:
            try:
                await self.run(forget, self._directory, lambda _: self._names_by_group.pop(digits, None))
                return
            except SnapshotNotWritten as error:
                if not is_out_of_descriptors(error.__cause__):
                    self._group_commit.fail(error.__cause__ or error)
                    self._group_commit.check()
            await asyncio.sleep(RETRY_S)

    def release(self) -> None:
        """Close and remove the partial files. Blocks: for the disk thread, when the store is closed."""
        for each in self._partials:
            each.abandon("the store was closed")
        self._partials.clear()

    # For the writers.

    async def run(self, function: Callable[[], T], path: str, applied: Callable[[T], object] = lambda _: None) -> T:
        """Run `function` on the disk thread, then `applied` with its result on the loop, even if the call is cancelled.

        `SnapshotNotWritten`, naming `path`, for an OSError.
        """
        self._check()
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(result: T | None, error: BaseException | None) -> None:
            if error is None:
                applied(cast("T", result))
            if waiter.done():
                return
            if error is None:
                waiter.set_result(cast("T", result))
            else:
                waiter.set_exception(error)

        self._host.executor.submit_disk(function, done)
        try:
            return await waiter
        except OSError as error:
            kind = NoRoomForSnapshot if is_disk_full(error) else SnapshotNotWritten
            raise kind(path, repr(error)) from error

    async def abandon(self, partial_file: PartialSnapshot) -> None:
        """Remove a partial file; report it if that fails."""
        if self._group_commit.is_closed:
            return
        error = await self._host.executor.run_disk(partial_file.abandon)
        if error is not None:
            _report(partial_file.path, error)

    def note_complete(self, digits: str, name: str) -> None:
        """Note that a snapshot became complete."""
        self._names_by_group.setdefault(digits, set()).add(name)

    async def _with_file(self, group: str, name: str, function: Callable[[File], T]) -> T | None:
        digits = group_digits(group)
        path = snapshot_path(self._directory, digits, name)

        def call() -> T | None:
            if not self._spared.exists(path):
                return None
            try:
                with contextlib.closing(self._spared.open(path)) as file:
                    return function(file)
            finally:
                self._spared.refill()

        self._check()
        if name not in self._names_by_group.get(digits, ()):  # so a name from elsewhere never becomes a path
            return None
        return await self.run(call, path)

    def _check(self) -> None:
        if self._group_commit.is_closed:
            raise StorageFailed(self._directory, "it was closed")
        self._group_commit.check()


class _FileWriter:
    """A `SnapshotWriter`."""

    def __init__(self, store: FileSnapshots, partial_file: PartialSnapshot) -> None:
        self._store = store
        self._partial_file = partial_file

    @property
    def size_bytes(self) -> int:
        """How many bytes were appended so far."""
        return self._partial_file.size_bytes

    async def append(self, data: bytes) -> None:
        """Append `data`."""
        await self._store.run(partial(self._partial_file.append, data), self._partial_file.path)

    async def digest(self) -> bytes:
        """Return the SHA-256 of everything appended so far."""
        return await self._store.run(self._partial_file.digest, self._partial_file.path)

    async def finish(self, name: str) -> None:
        """Make the snapshot complete and durable, as `name`."""
        check_name(name)
        written = self._partial_file
        await self._store.run(
            partial(written.finish, name), written.path, lambda _: self._store.note_complete(written.digits, name)
        )

    async def abandon(self) -> None:
        """Remove the partial file."""
        await self._store.abandon(self._partial_file)


def _report(path: str, error: OSError) -> None:
    logger("storage").warning("store.snapshot_not_removed", path=path, error=repr(error))
