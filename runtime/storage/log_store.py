"""The contract of a log store: opaque records by (group, position), one small register per group.

Two keep it: `SegmentedLog` (one write-ahead log per node, shared by all its groups) and `MemoryLog` (the same, for
one process life). One test suite holds both to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = ["GroupState", "LogStore", "Record", "Write"]


class Record(NamedTuple):
    """One record: `body` is opaque; `tag` (0 … 2**64-1) is the owner's, and comes back as runs in `GroupState.tags`.

    A NamedTuple, because a busy node makes tens of thousands a second.
    """

    tag: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Write:
    """One atomic write to one group, carried out in this order: register, truncation, append.

    `register`: replaces the group's register (None: unchanged). `truncate_from`: drop this position and all after it
    (None: nothing). `records`: appended from `first` on, which must continue the group's log without a gap.
    A crash keeps all of a Write or nothing of it.
    """

    group: str
    register: bytes | None = None
    truncate_from: int | None = None
    first: int = 0
    records: Sequence[Record] = ()


@dataclass(frozen=True, slots=True)
class GroupState:
    """What is durable of one group.

    `register`: None if never written. `first`, `last`: positions held (first 1; `last` = `first` - 1 when empty).
    `tags`: where each run of equal tags begins, as (first position, tag), ascending.
    """

    register: bytes | None
    first: int
    last: int
    tags: tuple[tuple[int, int], ...]


class LogStore(Protocol):
    """One per node. Every method is called on the event loop; the disk is touched on the disk thread only."""

    @property
    def store_id(self) -> str:
        """32 hex digits, drawn when the store was formatted: who this store is, whatever name it goes by."""
        ...

    async def state(self, group: str) -> GroupState:
        """Return what is durable of `group`, after every write that was submitted before this call is done."""
        ...

    def write(self, write: Write, done: DoneCallback) -> None:
        """Submit `write`; call `done()` on the event loop once it is durable. Never blocks.

        Writes become durable in the order of submission, and `done`s are called in that order. Those that wait
        together share one write and one fdatasync (group commit). ValueError at once for a gap or a bad truncation.
        After a failed write or sync no `done` is ever called again and `failure` is set.
        """
        ...

    async def read(self, group: str, first: int, last: int, max_bytes: int) -> list[Record]:
        """Return the records `first`..`last` that exist, cut after `max_bytes` of bodies but not before the first.

        Only durable records are promised; a range that is (partly) truncated meanwhile returns what is left of its
        head. `StorageDamaged` if a checksum does not match.
        """
        ...

    @property
    def failure(self) -> Exception | None:
        """Why this store stopped (a failed write, sync or checksum), or None. It never recovers within this life."""
        ...

    @property
    def syncs(self) -> int:
        """How many fdatasyncs have been done in this life (0 for memory)."""
        ...

    async def close(self) -> None:
        """Finish the submitted writes, release the lock. Twice is harmless."""
        ...


class DoneCallback(Protocol):
    """What `write` calls when a write is durable."""

    def __call__(self) -> None:
        """Take note."""
        ...
