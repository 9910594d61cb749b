"""Leadership is handed over without an election time-out (dissertation §3.10): to whom, when, and what ends it."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.raft import AppendEntries, AppendEntriesReply, RaftRole, RequestVote
from coterie.protocols.raft.raft_effects import TransferEnded
from coterie.protocols.raft.raft_messages import TimeoutNow
from coterie.protocols.replicated_log import Quarantine, Refusal, Reject, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")


def ended(group: DirectedGroup, name: str) -> list[TransferEnded]:
    return group.record(name).transfers


@pytest.mark.parametrize("target", ["n2", "n3", None])
def test_the_target_leads_at_once_and_no_time_passes(target: str | None) -> None:
    group = DirectedGroup.led_by("n1")
    before = group.now
    ref = group.transfer("n1", target)
    group.settle()
    (leader,) = [name for name in group.nodes if group[name].role is RaftRole.LEADER]
    assert leader == target or (target is None and leader != N1)
    assert group[leader].term == 2
    assert group.now == before
    assert ended(group, "n1") == [TransferEnded(ref, True, "")]


def test_a_target_that_lacks_entries_gets_them_first() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a", b"b")
    group.settle("n1", "n3")
    group.transfer("n1", "n2")
    assert not [flight for flight in group.network if isinstance(flight.message, TimeoutNow)]

    group.heartbeat("n1")

    assert group["n2"].role is RaftRole.LEADER
    assert group["n2"].commit_index == group["n2"].last_index


def test_commands_are_refused_definitely_meanwhile_and_taken_again_after_an_abort() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.transfer("n1", "n2")
    (during,) = group.propose("n1", b"a")
    assert group.record("n1").rejects == [Reject(during, Refusal.NOT_LEADER, N2)]
    end = group.now + group.config.election_timeout_max_s
    while group.now < end:  # the target hears nothing
        group.drop(to="n2")
        group.deliver(to="n3", kind=AppendEntries)
        group.deliver(to="n1", kind=AppendEntriesReply)
        group.tick("n1")
    (ending,) = ended(group, "n1")
    assert (ending.ref, ending.is_done) == (ref, False)
    assert "n2: it was not elected in time" in ending.reason

    (after,) = group.propose("n1", b"b")
    group.drop(to="n2")
    group.settle("n1", "n3")

    assert after in group.record("n1").answered_refs
    assert group["n1"].role is RaftRole.LEADER


def test_voters_vote_although_their_leader_is_active_and_only_for_such_a_candidate() -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n3", Received(N2, RequestVote(Term(2), group["n3"].last_index, Term(1))))
    assert group["n3"].term == 1
    group.handle("n3", Received(N2, RequestVote(Term(2), group["n3"].last_index, Term(1), is_transfer=True)))
    assert (group["n3"].term, group["n3"].voted_for) == (2, N2)


def test_a_candidate_of_a_transfer_needs_an_up_to_date_log_like_any_other() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.settle("n1", "n3")
    group.handle("n2", Received(N1, TimeoutNow(Term(1))))  # a leader that breaks the rules
    group.settle("n2", "n3")
    assert group["n2"].role is not RaftRole.LEADER


@pytest.mark.parametrize(("sender", "term"), [(N3, 1), (N1, 0), (N1, 2)])
def test_only_the_leader_of_the_present_term_makes_a_candidate(sender: NodeId, term: int) -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n2", Received(sender, TimeoutNow(Term(term))))
    assert group["n2"].role is RaftRole.FOLLOWER


def test_a_node_in_quarantine_does_not_become_a_candidate() -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n2", Quarantine("older code"))
    group.transfer("n1", "n2")
    group.settle()
    assert group["n2"].role is RaftRole.FOLLOWER
    assert group["n1"].role is RaftRole.LEADER


def test_what_cannot_be_is_refused_with_the_reason() -> None:
    group = DirectedGroup.led_by("n1")
    group.transfer("n2", "n3")
    group.transfer("n1", "n1")
    group.transfer("n1", "n9")
    group.transfer("n1", "n3")
    group.transfer("n1", "n2")
    assert [each.reason for each in ended(group, "n2")] == ["it does not lead"]
    assert [each.is_done for each in ended(group, "n1")] == [False] * 3
    assert "'n9' cannot lead next" in ended(group, "n1")[1].reason
    assert "a transfer to n3 is under way" in ended(group, "n1")[2].reason


def test_a_member_that_has_not_answered_lately_is_no_target() -> None:
    group = DirectedGroup.led_by("n1")
    for _ in range(20):
        group.drop(to="n2")
        group.deliver(to="n3", kind=AppendEntries)
        group.deliver(to="n1", kind=AppendEntriesReply)
        group.tick("n1")
    group.drop()
    group.transfer("n1", "n2")
    assert "must be another member, and answer" in ended(group, "n1")[0].reason
    group.transfer("n1")
    assert group["n1"]._transfer.target == N3


def test_a_leader_alone_has_nobody_to_hand_over_to() -> None:
    group = DirectedGroup.led_by("n1", 1)
    group.transfer("n1")
    assert not ended(group, "n1")[0].is_done


def test_reads_go_on_until_the_leader_steps_down() -> None:
    group = DirectedGroup.led_by("n1")
    group.transfer("n1", "n2")
    group.drop(kind=TimeoutNow)
    ref = group.read("n1")
    group.settle("n1", "n3")
    assert group.record("n1").readable == [ref]


def test_a_member_that_has_not_answered_this_leader_yet_is_no_target() -> None:
    group = DirectedGroup(3)
    group.nominate("n1")
    group.deliver(to="n2")
    group.sync("n2")
    group.deliver(to="n1")
    assert group["n1"].role is RaftRole.LEADER

    group.transfer("n1", "n3")

    assert "must be another member, and answer" in ended(group, "n1")[0].reason
