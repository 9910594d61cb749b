"""`SegmentedLog`: stores the logs of all groups of one node on disk, in one shared write-ahead log.

    write ──▶ GroupTail (check) ──▶ WriteBatch (bytes) ──▶ GroupCommit (disk) ──▶ GroupIndex (memory) ──▶ done
    read  ──▶ GroupIndex (places) ──▶ record reader (disk, checksums)

The files: `meta` (identity of the store), `lock`, `reserve`, `high-water` (`history/high_water.py`),
`segment-0000000001.log` and so on (`segment_format.py`), and those of snapshots (`snapshots/snapshot_files.py`).

A store that went back in time. Decided here, in `open`, by `history/high_water.py` (`loss_evidence`), and by peers that
remember a later `generation`. Carried out by the owners of its groups: with `lost_promises` they neither vote, count
nor lead.
"""

from __future__ import annotations

import contextlib
import os.path
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from coterie.errors import StorageError, StorageFailed
from coterie.runtime.hosts.disk_with_spares import DiskWithSpares, is_out_of_descriptors
from coterie.runtime.hosts.host import Disk, Host
from coterie.runtime.observing.loggers import logger
from coterie.runtime.storage.data_directory import StoreMeta, check_owner, lock_store, meta_path, read_meta
from coterie.runtime.storage.group_commit import GroupCommit
from coterie.runtime.storage.group_tail import GroupTail
from coterie.runtime.storage.history.generation import NEVER_OPENED, Generation
from coterie.runtime.storage.history.high_water import HIGH_WATER_NAME, HighWaterFile, loss_evidence
from coterie.runtime.storage.log_recovery import RecoveredLog, recover
from coterie.runtime.storage.log_store import DoneCallback, GroupState, Record, Write
from coterie.runtime.storage.record_index import GroupIndex, offset_of, segment_of
from coterie.runtime.storage.snapshots.file_snapshots import FileSnapshots
from coterie.runtime.storage.snapshots.snapshot_files import note_sizes, open_snapshots
from coterie.runtime.storage.space.disk_reserve import ensure_reserve
from coterie.runtime.storage.space.free_space import FreeSpace
from coterie.runtime.storage.space.space_reclaim import SpaceReclaimer
from coterie.runtime.storage.storage_config import StorageConfig

__all__ = ["SegmentedLog"]

NO_DESCRIPTOR: Final = (
    "the process has no file descriptor left for its files, one for each segment: raise its limit (ulimit -n)"
)
_NO_HIGH_WATER: Final = (
    "the file is missing or does not decode: it was made anew, and whether the log was cut before cannot be told; "
    "nothing is to be done if no disk was changed and no copy was put back"
)
_LAST_POSITION = 2**63  # positions have 64 bits on the disk; this leaves room for the records that follow


class SegmentedLog:
    """A durable `LogStore` in one directory. Created by `SegmentedLog.open`, after `format_store` was run once."""

    def __init__(
        self,
        host: Host,
        group_commit: GroupCommit,
        config: StorageConfig,
        opened: _OpenedFiles,
    ) -> None:
        recovered = opened.recovered
        self._host = host
        self._store_id = opened.meta.store_id
        self.joins = opened.meta.joins
        """Whether it was formatted for a node that joins its groups, see `StoreMeta`."""
        self._group_commit = group_commit
        self._max_write_bytes = config.max_write_bytes
        self._cut_bytes = recovered.cut_bytes
        self._spares = opened.disk
        self._unlock = opened.unlock
        self._tails = {
            each.name: GroupTail(each.name, each.first, each.last, is_known=True) for each in recovered.groups
        }
        self._next_number = max((each.number for each in recovered.groups), default=0) + 1
        self._reclaimer = SpaceReclaimer(group_commit, config.reclaim_below)
        self._snapshots = FileSnapshots(host, opened.disk, group_commit, opened.snapshot_names)
        group_commit.on_batch = self._reclaimer.start_if_needed

    @classmethod
    async def open(
        cls,
        host: Host,
        path: str,
        *,
        cluster: str,
        node: str,
        config: StorageConfig | None = None,
        on_failure: Callable[[Exception], None] | None = None,
    ) -> SegmentedLog:
        """Open the store in directory `path`, which `format_store` made for this node of this cluster.

        `on_failure` is called once, on the event loop, with the `failure`; it should stop the node.

        Raises:
            NotFormatted: There is no store.
            MetaFileMissing: There are its segments without their meta file.
            UnsupportedFormat: It was written by a release with another format.
            WrongStore: It belongs to another cluster or node.
            DataDirectoryInUse: It is open already.
            StorageDamaged: Durable bytes do not read back; nothing was changed.
            StorageFailed: The disk cannot be written, or is full.

        A store that went back in time opens, and says so: see `lost_promises`.
        """
        config = config or StorageConfig()
        space = FreeSpace(host, path, config.free_bytes_min)
        opened = await host.executor.run_disk(lambda: _open(host.disk, path, cluster, node, space))
        opened.report(node)
        recovered, water = opened.recovered, opened.high_water
        salt = opened.meta.salt
        group_commit = GroupCommit(
            host, opened.disk, path, salt, config, recovered.segments, recovered.groups, water, space, on_failure
        )
        log = cls(host, group_commit, config, opened)
        try:
            await log._begin_generation(opened.last_generation.next(host.random))
            group_commit.waits_for_space = True
        except BaseException:
            await log.close()
            raise
        return log

    @property
    def store_id(self) -> str:
        """32 hex digits, drawn when the store was formatted."""
        return self._store_id

    @property
    def generation(self) -> Generation:
        """This opening of the store; it is durable."""
        return self._group_commit.generation

    @property
    def lost_promises(self) -> str | None:
        """Why this store went back in time, with file and bytes; None: as far as is known, it did not."""
        return self._group_commit.high_water.latest.lost_promises

    async def mark_lost(self, evidence: str) -> None:
        """Make durable that peers have found this store to have gone back in time; the first evidence stays."""
        await self._group_commit.run_disk(lambda: self._group_commit.high_water.mark_lost(evidence))

    @property
    def max_write_bytes(self) -> int:
        """The largest `Write`, with its headers; see `StorageConfig`."""
        return self._max_write_bytes

    @property
    def is_short_of_space(self) -> bool:
        """Whether too little disk space is free: see `StorageConfig.free_bytes_min`. Known a second later at most."""
        return self._group_commit.free_space.is_short

    @property
    def is_full(self) -> bool:
        """Whether a write waits for disk space."""
        return self._group_commit.free_space.is_full

    @property
    def full_for_s(self) -> float | None:
        """For how many seconds writes wait for disk space; None: they do not."""
        return self._group_commit.free_space.full_for_s

    @property
    def waiting_bytes_max(self) -> int | None:
        """The most that the entries of a group should take that wait for a disk that is short; None: no matter."""
        return self._group_commit.free_space.waiting_bytes_max

    @property
    def failure(self) -> Exception | None:
        """Why this store stopped, or None."""
        return self._group_commit.failure

    @property
    def syncs(self) -> int:
        """Number of fdatasyncs since the store was opened."""
        return self._group_commit.syncs

    @property
    def cut_bytes(self) -> int:
        """Bytes of a torn tail that were cut at open; they were never acknowledged."""
        return self._cut_bytes

    @property
    def snapshots(self) -> FileSnapshots:
        """The snapshots of the groups."""
        return self._snapshots

    def groups(self) -> tuple[str, ...]:
        """Return the names of all groups in the store, sorted."""
        return tuple(sorted(self._tails))

    async def state(self, group: str) -> GroupState:
        """Return the durable state of `group`, after everything submitted before this call."""
        self._check_open()
        await self._group_commit.wait_until_durable()
        index = self._group_commit.groups.get(group)
        return GroupState(None, 1, 0, ()) if index is None else index.state()

    def write(self, write: Write, done: DoneCallback) -> None:
        """Submit `write`; `done()` is called on the event loop once it is durable.

        ValueError for a gap, a bad truncation, a tag or a size out of range. After a failure the call has no effect.
        """
        if self._group_commit.failure is not None:
            return
        self._check_open()
        tail = self._tails.get(write.group) or GroupTail(write.group)
        tail.check(write)
        index = self._index_of(tail)
        batch = self._group_commit.batch
        batch.add_write(index, write, is_new=not tail.is_known, max_bytes=self._max_write_bytes)
        self._remember(tail, index)
        tail.advance(write)
        if write.truncate_from is not None:  # noted once it is garbage: the batch before must not look for it in vain
            batch.done_callbacks.append(self._reclaimer.note_garbage)
        self._group_commit.submit(batch, done)

    def drop_before(self, group: str, position: int, done: DoneCallback | None = None) -> None:
        """Drop the records of `group` before `position`, because a snapshot covers them.

        `position` is the first from now on, even if it is beyond the last: then the log is empty and continues there.
        No effect if it is at or before the first. ValueError for a position out of range.
        """
        if self._group_commit.failure is not None:
            return
        self._check_open()
        if not 1 <= position <= _LAST_POSITION:
            raise ValueError(f"group {group!r}: the first position must be within 1 … 2**63, not {position}")
        tail = self._tails.get(group) or GroupTail(group)
        batch = self._group_commit.batch
        if position > tail.first:
            index = self._index_of(tail)
            batch.add_drop(index, position, is_new=not tail.is_known)
            self._remember(tail, index)
            tail.drop_before(position)
            batch.done_callbacks.append(self._reclaimer.note_garbage)
        self._group_commit.submit(batch, done)

    async def forget(self, group: str) -> None:
        """Remove all records, the metadata and the snapshots of `group` durably; no effect if there is no such group.

        Nothing may be written to the group before it returns.
        """
        self._check_open()
        await self._group_commit.wait_until_durable()
        index = self._group_commit.groups.get(group)
        if index is not None:
            batch = self._group_commit.batch
            batch.add_forget(index, lambda: self._forgotten(group))
            self._group_commit.submit(batch)
            await self._group_commit.wait_until_durable()
        await self._snapshots.forget(group)  # after a crash in between the next open does it

    def _forgotten(self, group: str) -> None:
        del self._group_commit.groups[group], self._tails[group]
        self._reclaimer.note_garbage()

    async def read(self, group: str, first: int, last: int, max_bytes: int) -> list[Record]:
        """Return the durable records `first`..`last` that exist, cut after `max_bytes` but not before the first.

        [] if `first` itself is not held. `StorageDamaged` (and `failure`) if a record is not as written.
        """
        self._check_open()
        self._group_commit.check()
        index = self._group_commit.groups.get(group)
        while index is not None and (places := index.places(first, last)):
            by_number = {segment.number: segment for segment in self._group_commit.segments}
            targets = [(at, by_number[segment_of(each)], offset_of(each)) for at, each in enumerate(places, first)]
            records = await self._group_commit.read(index, targets, max_bytes)
            if index.places(first, first + len(records) - 1) == places[: len(records)]:
                return records
            # Truncated, overwritten or moved meanwhile: read again.
        return []

    async def close(self) -> None:
        """Finish the submitted writes and release the lock. Calling it twice is harmless."""
        if self._group_commit.is_closed:
            return
        self._group_commit.is_closed = True
        self._group_commit.cancel_timers()
        try:
            with contextlib.suppress(StorageError):  # reported already by `failure` and `on_failure`
                await self._reclaimer.stop()
                await self._group_commit.write_sync_marker()
        finally:
            await self._host.executor.run_disk(self._release)

    async def _begin_generation(self, generation: Generation) -> None:
        """Write the generation; the batch also proves that the recovered bytes are durable."""
        commit = self._group_commit
        commit.batch.add_generation(generation)
        await commit.wait_until_durable()
        last = commit.segments[-1]
        latest = replace(
            commit.high_water.latest, generation=generation, segment=last.number, size_bytes=last.size_bytes
        )
        await commit.run_disk(lambda: commit.high_water.write(latest))

    def _index_of(self, tail: GroupTail) -> GroupIndex:
        return self._group_commit.groups.get(tail.group) or GroupIndex(tail.group, self._next_number)

    def _remember(self, tail: GroupTail, index: GroupIndex) -> None:
        if not tail.is_known:
            self._next_number += 1
            self._tails[tail.group] = tail
            self._group_commit.groups[tail.group] = index

    def _check_open(self) -> None:
        if self._group_commit.is_closed:
            raise StorageFailed(self._group_commit.path, "it was closed")

    def _release(self) -> None:
        self._snapshots.release()
        self._group_commit.release()
        self._spares.close()
        self._unlock()


@dataclass(frozen=True, slots=True)
class _OpenedFiles:
    """The files of a store after recovery, and its lock."""

    path: str
    disk: DiskWithSpares
    meta: StoreMeta
    recovered: RecoveredLog
    high_water: HighWaterFile
    snapshot_names: dict[str, set[str]]
    unlock: Callable[[], None]

    @property
    def last_generation(self) -> Generation:
        """The latest generation that the log or the high-water file knows."""
        both = (self.recovered.generation, self.high_water.latest.generation)
        return max(both, key=lambda each: each.counter)

    def report(self, node: str) -> None:
        """Log what was lost, and what was cut without a loss."""
        log, recovered = logger("storage").bind(node=node), self.recovered
        if not self.disk.is_private(self.path):
            log.warning("store.readable_by_others", path=self.path, advice="chmod 700")
        if self.high_water.latest.lost_promises is not None:
            log.error("store.went_back", path=self.path, evidence=self.high_water.latest.lost_promises)
        elif recovered.cut_bytes:
            log.info("store.torn_tail_cut", path=recovered.segments[-1].path, bytes=recovered.cut_bytes)
        if not self.high_water.is_readable and recovered.generation != NEVER_OPENED:
            log.warning(
                "store.high_water_missing", path=os.path.join(self.path, HIGH_WATER_NAME), advice=_NO_HIGH_WATER
            )


def _open(disk: Disk, path: str, cluster: str, node: str, free_space: FreeSpace) -> _OpenedFiles:
    meta = read_meta(disk, path)
    check_owner(meta, path, cluster=cluster, node=node)
    unlock = lock_store(disk, path)
    try:
        recovered = recover(disk, path, meta.salt)
        ensure_reserve(disk, path)
        water = HighWaterFile.open(disk, path, meta.salt)
        evidence = loss_evidence(water.latest, recovered.generation, recovered.segments)
        if evidence is not None:
            water.mark_lost(evidence)
        groups, has_lost = (each.name for each in recovered.groups), water.latest.lost_promises is not None
        names = open_snapshots(disk, path, groups, keeps_others=has_lost)
        note_sizes(disk, path, free_space.snapshots)
        free_space.look()
        return _OpenedFiles(path, DiskWithSpares(disk, meta_path(path)), meta, recovered, water, names, unlock)
    except OSError as error:
        unlock()
        if is_out_of_descriptors(error):
            raise StorageFailed(path, NO_DESCRIPTOR) from error
        raise
    except BaseException:
        unlock()
        raise
