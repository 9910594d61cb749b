"""Snapshot messages: what members say to each other about snapshots, and what a node and its driver say.

    leader                        follower                            follower's driver
      │ ── InstallSnapshot ────────▶ │                                      │
      │ ◀── ReadChunk(offset) ────── │                                      │
      │ ── Chunk(offset, data) ────▶ │ ── StoreChunk(offset, data) ───────▶ │ appends it to a file
      │ ◀── ReadChunk(offset) ────── │ ◀── ChunkStored(offset) ──────────── │
      │            …                 │            …                         │
      │ ── Chunk ──────────────────▶ │ ── StoreChunk ─────────────────────▶ │ appends, checks, makes it durable
      │                              │ ◀── SnapshotStored(facts) ────────── │
      │ ◀── AppendEntriesReply ───── │ ── LogWrite(drop_before), durable ─▶ │
      │                              │ ── RestoreMachine ─────────────────▶ │ loads the state machine from the file

The leader repeats its offer with each heartbeat as long as the follower needs it, so a lost message is asked for
again. The leader keeps nothing about a transfer, and the follower a file: only chunks of one snapshot from one leader
are put together, and what has arrived is not sent again.
"""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import LogIndex, Term

__all__ = [
    "Chunk",
    "ChunkLoaded",
    "ChunkStored",
    "InstallSnapshot",
    "LoadChunk",
    "ReadChunk",
    "RestoreMachine",
    "SnapshotStored",
    "SnapshotTaken",
    "StoreChunk",
]


# Messages.


@dataclass(frozen=True, slots=True)
class InstallSnapshot:
    """Raft §7, without the data: the leader of `term` no longer has the entries that the receiver lacks.

    `round` is that of the leader's AppendEntries. The receiver asks for the chunks.
    """

    term: Term
    round: int
    snapshot: SnapshotId


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """Asks for the chunk that begins at `offset` of the snapshot with `digest`. `term` is the sender's."""

    term: Term
    digest: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """The bytes from `offset` on of the snapshot with `digest`. `term` is the sender's."""

    term: Term
    digest: bytes
    offset: int
    data: bytes


# Effects.


@dataclass(frozen=True, slots=True)
class LoadChunk:
    """Effect: read a chunk of an own snapshot for `reader`, from `offset` on; answer `ChunkLoaded`, if it is there."""

    reader: NodeId
    digest: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class StoreChunk:
    """Effect: append `data` to the file in which `snapshot` arrives; a new file if `offset` is 0.

    Answer `ChunkStored`; after the last chunk check the digest, make the file durable, and answer `SnapshotStored`. At
    most one StoreChunk is open. One that begins a new file ends the last one.
    """

    snapshot: SnapshotId
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RestoreMachine:
    """Effect: let the state machine begin anew from the own, durable `snapshot`; answer `Applied` with its index."""

    snapshot: SnapshotId


# Events.


@dataclass(frozen=True, slots=True)
class ChunkLoaded:
    """Event: the answer to a `LoadChunk`."""

    reader: NodeId
    digest: bytes
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ChunkStored:
    """Event: the answer to a `StoreChunk`, except the last one: the file has the first `size_bytes` bytes."""

    digest: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SnapshotStored:
    """Event: all of `snapshot` has arrived. `facts`: of the group as of its position; None: it cannot be used.

    `is_damaged`: then, whether its bytes are not right; else the disk could not take them, and it is fetched again.
    """

    snapshot: SnapshotId
    facts: GroupFacts | None
    is_damaged: bool = True


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """Event: an own snapshot is durable, and a quorum has confirmed the state in it.

    `base_index`: entries up to here may go; those from there to the position are kept for followers that are a little
    behind.
    """

    snapshot: SnapshotId
    base_index: LogIndex
