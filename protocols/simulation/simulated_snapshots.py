"""`SimulatedSnapshots`: takes, keeps and transfers the snapshots of a simulated Raft group, as drivers do.

Each node has files that survive its crashes: complete ones, and one in which a snapshot arrives. A file is complete
only once it is whole and durable; a crash before loses it. Which bytes belong to which snapshot is known here, so a
file that is put together wrongly is found when it is complete, and a chunk in the wrong file at once.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import (
    ChunkLoaded,
    ChunkStored,
    LoadChunk,
    SnapshotStored,
    StoreChunk,
)
from coterie.protocols.replicated_log import LogIndex, LogPosition

__all__ = ["SimulatedSnapshots", "TakenSnapshot"]

CHUNK_BYTES = 2048
SIZES = (10, 9000)

KEEPS_OLD = 0.5
"""The probability that a node keeps its older snapshots: a follower may be fetching one."""


@dataclass(frozen=True, slots=True)
class TakenSnapshot:
    """One snapshot: `sessions` as `Deduplication.snapshot` gives them, `executed` as `SessionsChecker.taken` does."""

    snapshot_id: SnapshotId
    facts: GroupFacts
    sessions: tuple[bytes, ...]
    executed: dict[bytes, LogIndex]


class SimulatedSnapshots:
    """The snapshot files of all nodes of one group.

    Args:
        nodes: their names.
        context: of the run.
        rng: draws the contents.
        sizes: of the contents (bytes).
    """

    def __init__(
        self,
        nodes: tuple[NodeId, ...],
        context: ViolationContext,
        rng: random.Random,
        *,
        sizes: tuple[int, ...] = SIZES,
    ) -> None:
        self._context = context
        self._rng = rng
        self._sizes = sizes
        self._content_by_digest: dict[bytes, bytes] = {}
        self._taken_by_digest: dict[bytes, TakenSnapshot] = {}
        self._files: dict[NodeId, set[bytes]] = {node: set() for node in nodes}
        self._arriving: dict[NodeId, tuple[SnapshotId, bytes] | None] = dict.fromkeys(nodes)

    def take(
        self,
        node: NodeId,
        position: LogPosition,
        stamp_ms: int,
        facts: GroupFacts,
        sessions: tuple[bytes, ...],
        executed: dict[bytes, LogIndex],
    ) -> SnapshotId:
        """Begin a snapshot of what `node` has applied up to `position`; `finish` makes it durable."""
        content = b"%s at %d " % (node.encode(), position.index) + self._rng.randbytes(self._rng.choice(self._sizes))
        digest = hashlib.sha256(content).digest()
        snapshot = SnapshotId(position, stamp_ms, len(content), digest)
        self._content_by_digest[digest] = content
        self._taken_by_digest[digest] = TakenSnapshot(snapshot, facts, sessions, executed)
        return snapshot

    def finish(self, node: NodeId, snapshot: SnapshotId) -> None:
        """Make a snapshot that `node` has begun durable there."""
        self._files[node].add(snapshot.digest)

    def lose_unfinished(self, node: NodeId) -> None:
        """Lose the file in which a snapshot arrives: `node` has crashed."""
        self._arriving[node] = None

    def registered(self, node: NodeId, snapshot: SnapshotId) -> None:
        """Note that the durable register of `node` names `snapshot`; files of earlier positions may go."""
        if snapshot.digest not in self._files[node]:
            detail = f"the register names {snapshot}, which is not on the disk"
            self._context.fail("raft.snapshot_covers", node, detail)
        if self._rng.random() >= KEEPS_OLD:
            taken, index = self._taken_by_digest, snapshot.position.index
            self._files[node] = {each for each in self._files[node] if taken[each].snapshot_id.position.index >= index}

    def of(self, node: NodeId, snapshot: SnapshotId) -> TakenSnapshot:
        """Return the snapshot that `node` has on its disk."""
        if snapshot.digest not in self._files[node]:
            self._context.fail("raft.snapshot_covers", node, f"{snapshot} is not on the disk")
        return self._taken_by_digest[snapshot.digest]

    def load(self, node: NodeId, effect: LoadChunk) -> ChunkLoaded | None:
        """Return the answer to a `LoadChunk`; None if there is no such snapshot."""
        if effect.digest not in self._files[node]:
            return None
        data = self._content_by_digest[effect.digest][effect.offset : effect.offset + CHUNK_BYTES]
        return ChunkLoaded(effect.reader, effect.digest, effect.offset, data) if data else None

    def store(self, node: NodeId, effect: StoreChunk) -> Callable[[], ChunkStored | SnapshotStored]:
        """Carry out a `StoreChunk`: call the result when that has taken its time; it returns the answer."""
        snapshot, arrived = effect.snapshot, b""
        if effect.offset:
            file, arrived = self._arriving[node] or (None, b"")
            if file != snapshot or len(arrived) != effect.offset:
                self._context.fail("raft.snapshot_chunks", node, f"a chunk at {effect.offset} does not continue a file")
        content = self._content_by_digest[snapshot.digest]
        if content[effect.offset : effect.offset + len(effect.data)] != effect.data:
            self._context.fail("raft.snapshot_chunks", node, f"a chunk at {effect.offset} is of another snapshot")
        arrived += effect.data
        self._arriving[node] = (snapshot, arrived)
        return lambda: self._stored(node, snapshot, arrived)

    def _stored(self, node: NodeId, snapshot: SnapshotId, arrived: bytes) -> ChunkStored | SnapshotStored:
        if len(arrived) < snapshot.size_bytes:
            return ChunkStored(snapshot.digest, len(arrived))
        self._arriving[node] = None
        if hashlib.sha256(arrived).digest() != snapshot.digest:
            return SnapshotStored(snapshot, None)
        self.finish(node, snapshot)
        return SnapshotStored(snapshot, self._taken_by_digest[snapshot.digest].facts)
