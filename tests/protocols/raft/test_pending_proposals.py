"""`PendingProposals`: each is answered exactly once, and not too many are held."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.pending_proposals import PendingProposals
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.replicated_log import LogIndex, Refusal, Reject


def proposals(*indexes: int, max_entries: int = 3, max_bytes: int = 10) -> PendingProposals:
    pending = PendingProposals(max_entries=max_entries, max_bytes=max_bytes)
    for index in indexes:
        pending.add(LogIndex(index), 100 + index, 1)
    return pending


def test_refs_come_back_by_index_and_once() -> None:
    pending = proposals(3, 4, 6)

    assert pending.take(LogIndex(4)) == {3: 103, 4: 104}
    assert pending.take(LogIndex(5)) == {}
    assert pending.take(LogIndex(9)) == {6: 106}


def test_lost_proposals_are_rejected_once() -> None:
    pending = proposals(3, 4)
    outbox = Outbox(NodeId("a"))

    pending.lose(outbox, NodeId("b"))
    pending.lose(outbox, NodeId("b"))

    assert outbox.empty([]) == [Reject(ref, Refusal.LEADERSHIP_LOST, NodeId("b")) for ref in (103, 104)]
    assert pending.take(LogIndex(9)) == {}


def test_room_is_bounded_by_entries_and_comes_back() -> None:
    pending = proposals(1, 2, 3)
    assert not pending.has_room(1)

    pending.take(LogIndex(1))

    assert pending.has_room(1)


def test_room_is_bounded_by_bytes_and_comes_back() -> None:
    pending = proposals(1)
    assert pending.has_room(9)
    assert not pending.has_room(10)

    pending.lose(Outbox(NodeId("a")), None)

    assert pending.has_room(10)


def test_a_single_large_command_is_taken() -> None:
    assert proposals().has_room(1000)
