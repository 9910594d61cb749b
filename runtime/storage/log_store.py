"""`LogStore`: defines the interface to stored logs: opaque records by group and position, and metadata per group.

Implemented by `SegmentedLog` (one write-ahead log per node, shared by all its groups) and `MemoryLog` (lost with its
process). One test suite checks both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from coterie.runtime.storage.history.generation import Generation
from coterie.runtime.storage.snapshots.snapshot_store import SnapshotStore

__all__ = ["GroupState", "LogStore", "Record", "Write"]


class Record(NamedTuple):
    """One record: `body` is opaque; `tag` (0 … 2**64-1) is set by the owner and returned as runs in `GroupState.tags`.

    A NamedTuple, because a busy node creates tens of thousands a second.
    """

    tag: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Write:
    """One atomic write to one group, applied in this order: metadata, truncation, append.

    `metadata`: replaces the group's metadata (None: unchanged). `truncate_from`: drop this position and all after it
    (None: nothing). `records`: appended from `first` on, which must continue the group's log without a gap.
    After a crash all of a Write is kept or nothing of it.
    """

    group: str
    metadata: bytes | None = None
    truncate_from: int | None = None
    first: int = 0
    records: Sequence[Record] = ()


@dataclass(frozen=True, slots=True)
class GroupState:
    """Durable state of one group.

    `metadata`: None if never written. `first`, `last`: positions held (first 1; `last` = `first` - 1 when empty).
    `tags`: where each run of equal tags begins, as (first position, tag), ascending.
    """

    metadata: bytes | None
    first: int
    last: int
    tags: tuple[tuple[int, int], ...]


class LogStore(Protocol):
    """One per node. Every method is called on the event loop; the disk is touched on the disk thread only."""

    @property
    def store_id(self) -> str:
        """32 hex digits, drawn when the store was formatted: identifies the store independently of its node's name."""
        ...

    @property
    def generation(self) -> Generation:
        """This opening of the store. A peer that remembers a later one, or another of its number, knows of a loss."""
        ...

    @property
    def lost_promises(self) -> str | None:
        """Why this store has lost what it had acknowledged, with file and bytes; None: as far as is known, it has not.

        Then its groups must not vote, count or lead, in this life and all later ones.
        """
        ...

    async def mark_lost(self, evidence: str) -> None:
        """Make durable that peers have found this store to have lost promises; the first evidence stays."""
        ...

    @property
    def snapshots(self) -> SnapshotStore:
        """The snapshots of the groups."""
        ...

    def groups(self) -> tuple[str, ...]:
        """Return the names of all groups in the store, sorted."""
        ...

    async def forget(self, group: str) -> None:
        """Remove all records, the metadata and the snapshots of `group` durably; no effect if there is no such group.

        Nothing may be written to the group before it returns, and open writers of its snapshots fail from then on.
        """
        ...

    async def state(self, group: str) -> GroupState:
        """Return the durable state of `group`, after every write that was submitted before this call."""
        ...

    def write(self, write: Write, done: DoneCallback) -> None:
        """Submit `write`; call `done()` on the event loop once it is durable. Never blocks.

        Writes become durable in the order of submission, and `done`s are called in that order. Writes that wait
        together share one write and one fdatasync (group commit). ValueError at once for a gap or a bad truncation.
        A write for which the disk has no space waits until it has, and so do all later ones (`is_full`). After any
        other failed write or sync no `done` is ever called again and `failure` is set.
        """
        ...

    def drop_before(self, group: str, position: int, done: DoneCallback | None = None) -> None:
        """Drop the records of `group` before `position`; call `done()` once that is durable. Never blocks.

        `position` is the first from now on, even if it is beyond the last: then the log is empty and continues there.
        No effect if it is at or before the first. ValueError for a position out of range.
        """
        ...

    async def read(self, group: str, first: int, last: int, max_bytes: int) -> list[Record]:
        """Return the records `first`..`last` that exist, cut after `max_bytes` of bodies but not before the first.

        Only durable records are guaranteed; of a range that is truncated meanwhile, the remaining head is returned.
        `StorageDamaged` if a checksum does not match.
        """
        ...

    @property
    def max_write_bytes(self) -> int:
        """The largest `Write`, with its headers; `write` raises ValueError for a larger one."""
        ...

    @property
    def is_short_of_space(self) -> bool:
        """Whether so little disk space is free that no more commands should be taken; costs nothing to ask.

        It takes every write nevertheless: votes, the entries of other leaders and those of the group itself go on.
        """
        ...

    @property
    def is_full(self) -> bool:
        """Whether a write waits for disk space: it and all later ones are done once there is some; see `write`."""
        ...

    @property
    def full_for_s(self) -> float | None:
        """For how many seconds writes wait for disk space; None: they do not."""
        ...

    @property
    def waiting_bytes_max(self) -> int | None:
        """The most that the entries of a group should take that wait for a disk that is short of space.

        What waits is written before the drop that lets go of the log, with the last space. None: no matter.
        """
        ...

    @property
    def failure(self) -> Exception | None:
        """Why this store stopped (a failed write, sync or checksum), or None. It stays stopped until it is reopened."""
        ...

    @property
    def syncs(self) -> int:
        """Number of fdatasyncs of the log's segments since the store was opened (0 for memory)."""
        ...

    async def close(self) -> None:
        """Finish the submitted writes and release the lock. Calling it twice is harmless."""
        ...


class DoneCallback(Protocol):
    """Callback of `write`."""

    def __call__(self) -> None:
        """Called when the write is durable."""
        ...
