"""`SnapshotFetch`: fetches the snapshot that the leader offers, chunk by chunk (Raft §7, Figure 13).

One chunk is asked for at a time, once the last one is in the file. If an offer comes again and nothing has arrived
since the last one, a message was lost: the chunk is asked for again. If that offer is of a newer snapshot, the old one
may be gone at the leader, and the newer one is fetched instead; as long as chunks arrive, the old one is fetched on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_messages import AppendEntriesReply, Round
from coterie.protocols.raft.raft_observations import MESSAGE_DISCARDED, SNAPSHOT_FETCH_STARTED
from coterie.protocols.raft.role import RoleState
from coterie.protocols.raft.snapshots.snapshot_id import SNAPSHOT_DIGEST_BYTES, SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import (
    Chunk,
    ChunkLoaded,
    ChunkStored,
    InstallSnapshot,
    LoadChunk,
    ReadChunk,
    SnapshotStored,
    StoreChunk,
)
from coterie.protocols.replicated_log import LogIndex, Term

__all__ = ["SnapshotFetch", "is_well_formed"]


def is_well_formed(message: InstallSnapshot) -> bool:
    """Return whether a leader can offer this: an entry of its term or an earlier one, and some content."""
    position, digest = message.snapshot.position, message.snapshot.digest
    return (
        position.index > 0
        and 0 < position.term <= message.term
        and message.snapshot.size_bytes > 0
        and message.snapshot.stamp_ms >= 0
        and len(digest) == SNAPSHOT_DIGEST_BYTES
    )


@dataclass(slots=True)
class _UnderWay:
    """`size_bytes`: so much is in the file. `has_moved`: whether anything arrived since the last offer."""

    leader: NodeId
    snapshot: SnapshotId
    term: Term
    round: Round
    size_bytes: int = 0
    is_storing: bool = False
    has_moved: bool = False


class SnapshotFetch:
    """The snapshot that this follower fetches: at most one.

    Args:
        role_state: of this node.
    """

    __slots__ = ("_role_state", "_under_way")

    def __init__(self, role_state: RoleState) -> None:
        self._role_state = role_state
        self._under_way: _UnderWay | None = None

    @property
    def progress(self) -> tuple[SnapshotId, int] | None:
        """What is being fetched, and how many bytes of it are here; None: nothing."""
        under_way = self._under_way
        return None if under_way is None else (under_way.snapshot, under_way.size_bytes)

    def handle(self, sender: NodeId, message: InstallSnapshot | ReadChunk | Chunk) -> None:
        """Take a message about a snapshot: as the follower that fetches it, or as the one that gives it."""
        match message:
            case InstallSnapshot():
                self.handle_offer(sender, message)
            case ReadChunk():
                self.handle_request(sender, message)
            case Chunk():
                self.handle_chunk(sender, message)
            case _:
                assert_never(message)

    def handle_offer(self, leader: NodeId, message: InstallSnapshot) -> None:
        """Ask for the next chunk of what `leader` offers, unless it is on its way, or this log has all of it."""
        state, snapshot = self._role_state, message.snapshot
        if message.term < state.term:
            return  # the answers to its heartbeats tell it so
        if not is_well_formed(message):
            state.outbox.observe(MESSAGE_DISCARDED, sender=leader, term=message.term)
            return
        if message.term > state.term:
            state.adopt_term(message.term, leader=leader)
        state.follow(leader)
        if snapshot.position.index <= state.log.commit_index:
            self._under_way = None
            self.acknowledge(leader, message.term, Round(message.round), snapshot)
            return
        under_way = self._under_way
        if under_way is None or under_way.leader != leader or self._must_change(under_way, snapshot):
            under_way = self._begin(leader, message)
        under_way.term, under_way.round = message.term, Round(message.round)
        is_moving, under_way.has_moved = under_way.has_moved, False
        if not under_way.is_storing and not is_moving:
            self._ask(under_way)

    def handle_chunk(self, sender: NodeId, chunk: Chunk) -> None:
        """Store the chunk that was asked for; any other is ignored."""
        under_way, outbox = self._under_way, self._role_state.outbox
        if under_way is None or under_way.is_storing or not self.is_next(under_way.snapshot, sender, chunk):
            return
        if not 0 < len(chunk.data) <= under_way.snapshot.size_bytes - chunk.offset:
            outbox.observe(MESSAGE_DISCARDED, sender=sender, term=chunk.term)
            return
        under_way.is_storing = under_way.has_moved = True
        outbox.add(StoreChunk(under_way.snapshot, chunk.offset, chunk.data))

    def is_next(self, snapshot: SnapshotId, sender: NodeId, chunk: Chunk) -> bool:
        """Return whether `chunk` continues the file: of this snapshot, from this leader, at this place."""
        under_way = self._under_way
        return (
            under_way is not None
            and sender == under_way.leader
            and chunk.digest == snapshot.digest
            and chunk.offset == under_way.size_bytes
        )

    def handle_disk(self, event: ChunkStored | ChunkLoaded) -> None:
        """Take what the disk has done."""
        if isinstance(event, ChunkStored):
            self.stored(event)
        else:
            self.loaded(event)

    def stored(self, event: ChunkStored) -> None:
        """Ask for the next chunk."""
        under_way = self._under_way
        if under_way is None or not under_way.is_storing or event.digest != under_way.snapshot.digest:
            return
        under_way.size_bytes, under_way.is_storing = event.size_bytes, False
        if event.size_bytes < under_way.snapshot.size_bytes:
            self._ask(under_way)

    def handle_request(self, reader: NodeId, message: ReadChunk) -> None:
        """Load the chunk for which another node asks."""
        if (leadership := self._role_state.leadership) is not None:
            leadership.asked_for_chunk(reader, message.digest, message.offset)
        self._role_state.outbox.add(LoadChunk(reader, message.digest, message.offset))

    def loaded(self, event: ChunkLoaded) -> None:
        """Send the chunk that was loaded."""
        state = self._role_state
        chunk = Chunk(state.term, event.digest, event.offset, event.data)
        state.outbox.send(event.reader, chunk, state.durability.after_hard_state())

    def take(self, event: SnapshotStored) -> tuple[NodeId, Term, Round] | None:
        """End the fetch of this snapshot; return who offered it, in which term and round; None: it was given up."""
        under_way = self._under_way
        if under_way is None or under_way.snapshot != event.snapshot:
            return None
        self._under_way = None
        return under_way.leader, under_way.term, under_way.round

    def acknowledge(self, leader: NodeId, term: Term, round_: Round, snapshot: SnapshotId) -> None:
        """Tell the leader that this log agrees with its own up to the snapshot, once that is durable.

        The answer has the index of the snapshot, never the end of this log.
        """
        state = self._role_state
        if leader != state.leader or term != state.term:
            return
        index = self.acknowledged_index(snapshot)
        reply = AppendEntriesReply(term, round_, True, index, index, is_short=state.is_short)
        state.outbox.send(leader, reply, state.durability.after_entries(index))

    def acknowledged_index(self, snapshot: SnapshotId) -> LogIndex:
        """Return how far this log agrees with that of the leader which offered `snapshot`."""
        return snapshot.position.index

    def _must_change(self, under_way: _UnderWay, offered: SnapshotId) -> bool:
        """Return whether to fetch what is offered instead of what is under way: only if that does not move any more.

        A leader that takes snapshots faster than they are fetched would have each begun, and none ended.
        """
        return under_way.snapshot != offered and not (under_way.is_storing or under_way.has_moved)

    def _begin(self, leader: NodeId, message: InstallSnapshot) -> _UnderWay:
        snapshot = message.snapshot
        self._role_state.outbox.observe(
            SNAPSHOT_FETCH_STARTED,
            term=message.term,
            leader=leader,
            index=snapshot.position.index,
            size_bytes=snapshot.size_bytes,
        )
        self._under_way = _UnderWay(leader, snapshot, message.term, Round(message.round))
        return self._under_way

    def _ask(self, under_way: _UnderWay) -> None:
        state = self._role_state
        request = ReadChunk(state.term, under_way.snapshot.digest, under_way.size_bytes)
        state.outbox.send(under_way.leader, request, state.durability.after_hard_state())
