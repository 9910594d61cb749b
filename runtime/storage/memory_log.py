"""`MemoryLog`: stores logs in memory only; they are lost when the process ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from coterie.errors import StorageFailed
from coterie.runtime.hosts.host import Host
from coterie.runtime.storage.data_directory import new_store_id
from coterie.runtime.storage.group_tail import GroupTail
from coterie.runtime.storage.history.generation import Generation
from coterie.runtime.storage.log_store import DoneCallback, GroupState, Record, Write
from coterie.runtime.storage.record_index import TagRuns
from coterie.runtime.storage.snapshots.memory_snapshots import MemorySnapshots
from coterie.runtime.storage.storage_config import StorageConfig

__all__ = ["MemoryLog"]


class MemoryLog:
    """A `LogStore` without a disk: it survives a restart of its actors, not of its process.

    Each instance has a new store id: a voter that restarts with it is not taken for the old one, which lost its state.
    A write is "durable" at once; `done` is called in the next turn of the event loop, never within `write`.
    """

    def __init__(self, host: Host) -> None:
        self._store_id = new_store_id(host)
        self._generation = Generation(1, int(self._store_id[:16], 16))
        self._lost_promises: str | None = None
        self._groups: dict[str, _Group] = {}
        self._snapshots = MemorySnapshots()
        self._is_closed = False

    @property
    def store_id(self) -> str:
        """32 hex digits, drawn for each instance."""
        return self._store_id

    @property
    def max_write_bytes(self) -> int:
        """The largest `Write` of a `SegmentedLog` with default settings, although memory has no limit of its own."""
        return StorageConfig().max_write_bytes

    @property
    def generation(self) -> Generation:
        """The first and only one of each instance."""
        return self._generation

    @property
    def lost_promises(self) -> str | None:
        """What `mark_lost` was given first; None: nothing."""
        return self._lost_promises

    async def mark_lost(self, evidence: str) -> None:
        """Note that peers have found this store to have lost promises."""
        self._lost_promises = self._lost_promises or evidence

    @property
    def is_short_of_space(self) -> bool:
        """False: it has no disk."""
        return False

    @property
    def is_full(self) -> bool:
        """False: it has no disk."""
        return False

    @property
    def full_for_s(self) -> float | None:
        """None: it is never full."""
        return None

    @property
    def waiting_bytes_max(self) -> int | None:
        """None: it is never short."""
        return None

    @property
    def failure(self) -> Exception | None:
        """None: memory does not fail."""
        return None

    @property
    def syncs(self) -> int:
        """0: memory does not sync."""
        return 0

    @property
    def snapshots(self) -> MemorySnapshots:
        """The snapshots of the groups."""
        return self._snapshots

    def groups(self) -> tuple[str, ...]:
        """Return the names of all groups, sorted."""
        return tuple(sorted(self._groups))

    async def forget(self, group: str) -> None:
        """Remove `group` and its snapshots."""
        self._check_open()
        await self._turn()
        self._groups.pop(group, None)
        await self._snapshots.forget(group)

    async def state(self, group: str) -> GroupState:
        """Return the state of `group`, after everything submitted before this call."""
        self._check_open()
        await self._turn()
        held = self._groups.get(group)
        if held is None:
            return GroupState(None, 1, 0, ())
        return GroupState(held.metadata, held.tail.first, held.tail.last, held.tags.pairs())

    def write(self, write: Write, done: DoneCallback) -> None:
        """Apply `write`; `done()` is called in the next turn. ValueError for a gap or a bad truncation."""
        self._check_open()
        group = self._groups.get(write.group) or _Group(GroupTail(write.group))
        group.tail.check(write)
        if write.metadata is not None:
            group.metadata = write.metadata
        if write.truncate_from is not None:
            del group.records[write.truncate_from - group.tail.first :]
            group.tags.truncate(write.truncate_from)
        group.records.extend(write.records)
        group.tags.extend(write.first, [record.tag for record in write.records])
        group.tail.advance(write)
        self._groups[write.group] = group
        asyncio.get_running_loop().call_soon(done)

    def drop_before(self, group: str, position: int, done: DoneCallback | None = None) -> None:
        """Drop the records of `group` before `position`, which is the first from now on."""
        self._check_open()
        held = self._groups.get(group) or _Group(GroupTail(group))
        first = held.tail.first
        if held.tail.drop_before(position):
            del held.records[: position - first]
            held.tags.drop_before(position, held.tail.last)
            self._groups[group] = held
        if done is not None:
            asyncio.get_running_loop().call_soon(done)

    async def read(self, group: str, first: int, last: int, max_bytes: int) -> list[Record]:
        """Return the records `first`..`last` that exist, cut after `max_bytes` but not before the first."""
        self._check_open()
        await self._turn()
        held = self._groups.get(group)
        if held is None or first < held.tail.first:
            return []
        found: list[Record] = []
        for record in held.records[first - held.tail.first : max(last - held.tail.first + 1, 0)]:
            max_bytes -= len(record.body)
            if found and max_bytes < 0:
                break
            found.append(record)
        return found

    async def close(self) -> None:
        """Finish the submitted writes. Calling it twice is harmless."""
        self._is_closed = True
        self._snapshots.close()
        await self._turn()

    async def _turn(self) -> None:
        """Wait until the pending `done`s have been called."""
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        loop.call_soon(_resolve, turn)
        await turn

    def _check_open(self) -> None:
        if self._is_closed:
            raise StorageFailed("memory", "it was closed")


@dataclass(slots=True)
class _Group:
    tail: GroupTail
    metadata: bytes | None = None
    records: list[Record] = field(default_factory=list)
    tags: TagRuns = field(default_factory=TagRuns)


def _resolve(turn: asyncio.Future[None]) -> None:
    if not turn.done():  # the waiting call may have been cancelled
        turn.set_result(None)
