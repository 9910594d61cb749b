"""Linearizable reads that are no entries (dissertation §6.4): who confirms them, from when, and what ends them."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.raft import AppendEntries, AppendEntriesReply, RaftConfig, RaftRole
from coterie.protocols.raft.raft_messages import ReadIndex, ReadIndexReply, Round
from coterie.protocols.replicated_log import LogIndex, Quarantine, Read, Refusal, Reject, Term
from coterie.protocols.simulation.directed.directed_group import DirectedGroup

N1, N2, N3 = NodeId("n1"), NodeId("n2"), NodeId("n3")


def readable(group: DirectedGroup, name: str) -> list[int]:
    return group.record(name).readable


def rejects(group: DirectedGroup, name: str) -> list[Reject]:
    return group.record(name).rejects


def test_a_leader_answers_once_a_majority_has_answered_a_round_begun_after_the_read() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.read("n1")
    assert readable(group, "n1") == []
    assert [type(flight.message) for flight in group.network] == [AppendEntries] * 2

    group.deliver(to="n2", kind=AppendEntries)
    group.deliver(sender="n2", kind=AppendEntriesReply)

    assert readable(group, "n1") == [ref]


def test_no_answer_to_a_message_that_was_sent_before_the_read_confirms_it() -> None:
    group = DirectedGroup.led_by("n1")
    group.tick("n1")  # a heartbeat is on its way
    group.deliver(to="n2", kind=AppendEntries)
    group.deliver(to="n3", kind=AppendEntries)
    group.propose("n1", b"a")  # and so are entries
    before, group.network = group.network, []

    group.read("n1")
    group.drop(sender="n1")
    group.network += before
    group.settle()

    assert readable(group, "n1") == []


def test_a_follower_whose_own_disk_stalls_confirms_reads() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.deliver(to="n2")  # which does not sync
    ref = group.read("n1")
    group.deliver(to="n2")
    group.deliver(sender="n2")
    assert readable(group, "n1") == [ref]
    assert group["n1"].commit_index < group["n1"].last_index


def test_reads_that_come_together_share_one_round_and_those_after_them_the_next() -> None:
    group = DirectedGroup.led_by("n1")
    first = [group.read("n1") for _ in range(3)]
    assert len(group.network) == 2
    group.deliver(to="n2")
    group.deliver(sender="n2")
    assert readable(group, "n1") == first[:1]  # it began before the others came
    group.settle()
    assert readable(group, "n1") == first

    group.handle("n1", *map(Read, range(100, 200)))
    assert len(group.network) == 2


def test_a_single_node_confirms_at_once() -> None:
    group = DirectedGroup.led_by("n1", 1)
    assert readable(group, "n1") == [group.read("n1"), group.read("n1")][:2]


def test_a_new_leader_answers_nothing_until_an_entry_of_its_own_term_is_committed() -> None:
    """Its commit index may lie behind what the leader before it has acknowledged."""
    group = _elected_only()
    ref = group.read("n2")
    group.deliver(sender="n2", kind=AppendEntries)
    group.deliver(to="n2", kind=AppendEntriesReply)
    group.settle()
    assert readable(group, "n2") == []
    assert group["n2"].commit_index < group["n1"].commit_index

    group.heartbeat("n2")  # which finds that the first entry was lost

    assert readable(group, "n2") == [ref]
    assert group["n2"].applied_index == group["n2"].commit_index > 2


def _elected_only() -> DirectedGroup:
    """A group whose leader n2 has been elected, and whose first entry is not durable anywhere."""
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.settle("n1", "n2")
    group.expire_leaders()
    group.nominate("n2")
    group.deliver(sender="n2")
    group.sync("n3")
    group.deliver(to="n2")
    assert group["n2"].role is RaftRole.LEADER
    group.network = []
    return group


def test_a_leader_that_was_deposed_unnoticed_answers_nothing() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.read("n1")
    group.elect("n2", "n3")  # n1 is cut off, and does not know
    group.propose("n2", b"new")
    group.settle("n2", "n3")
    assert readable(group, "n1") == []

    group.heartbeat("n2")  # now it hears

    assert readable(group, "n1") == []
    assert rejects(group, "n1") == [Reject(ref, Refusal.NOT_LEADER, N2)]


def test_a_leader_that_steps_down_without_quorum_rejects_its_reads() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.read("n1")
    while group["n1"].role is RaftRole.LEADER:
        group.drop()
        group.tick("n1")
    assert rejects(group, "n1") == [Reject(ref, Refusal.NOT_LEADER, None)]


# --- followers


def test_a_follower_answers_once_it_has_applied_what_the_leader_had_committed() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.settle("n1", "n3")  # committed without n2
    ref = group.read("n2")
    group.deliver(to="n1", kind=ReadIndex)
    group.deliver(to="n3", kind=AppendEntries)
    group.deliver(to="n1", kind=AppendEntriesReply)
    (reply,) = group.deliver(to="n2", kind=ReadIndexReply)
    assert isinstance(reply, ReadIndexReply)
    assert reply.index is not None
    assert reply.index == group["n1"].commit_index
    assert readable(group, "n2") == []  # it does not have the entry yet

    group.heartbeat("n1")

    assert readable(group, "n2") == [ref]
    assert group["n2"].applied_index >= reply.index


def test_reads_of_several_followers_and_the_leader_share_a_round() -> None:
    group = DirectedGroup.led_by("n1", 5)
    refs = {name: group.read(name) for name in ("n2", "n3", "n4")}
    group.deliver(to="n1", kind=ReadIndex)
    sent = [flight for flight in group.network if isinstance(flight.message, AppendEntries)]
    assert len(sent) == 4  # the first question began a round; the others share the next
    begun = group["n1"]._role_state.leadership
    assert begun is not None
    first_round = begun.round
    group.settle()
    assert begun.round == first_round + 1
    assert {name: [ref] for name, ref in refs.items()} == {name: readable(group, name) for name in refs}


def test_a_follower_asks_again_if_the_answer_is_lost() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.read("n2")
    group.drop(sender="n2", kind=ReadIndex)
    group.settle()
    assert readable(group, "n2") == []
    group.heartbeat("n1")
    assert readable(group, "n2") == [ref]


def test_a_node_without_a_leader_rejects_reads() -> None:
    group = DirectedGroup(3)
    ref = group.read("n1")
    assert rejects(group, "n1") == [Reject(ref, Refusal.NOT_LEADER, None)]


def test_a_follower_rejects_its_reads_when_the_leader_changes() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.read("n3")
    group.elect("n2", "n3")
    assert [reject.ref for reject in rejects(group, "n3")] == [ref]
    assert readable(group, "n3") == []


def test_who_does_not_lead_says_so_and_the_read_is_rejected() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.read("n2")
    while group["n1"].role is RaftRole.LEADER:
        group.drop(sender="n1", kind=AppendEntries)
        group.tick("n1")
    group.deliver(to="n1", kind=ReadIndex)
    group.deliver(to="n2", kind=ReadIndexReply)
    assert [reject.ref for reject in rejects(group, "n2")] == [ref]


def test_an_answer_to_a_question_of_an_earlier_life_answers_nothing() -> None:
    group = DirectedGroup.led_by("n1")
    group.read("n2")
    group.deliver(to="n1")
    group.deliver(to="n3", kind=AppendEntries)
    group.deliver(sender="n3")
    late = [flight for flight in group.network if isinstance(flight.message, ReadIndexReply)]
    assert late
    group.propose("n1", b"written since")
    group.settle("n1", "n3")
    group.crash("n2")
    group.restart("n2")
    one = LogIndex(1)
    group.send("n1", "n2", AppendEntries(group["n1"].term, Round(9), one, Term(1), one, ()))
    group.deliver(to="n2", kind=AppendEntries)  # it follows again, and has applied what it had
    group.work("n2")
    group.work("n2")
    assert group["n2"].applied_index == 1 < group["n1"].commit_index

    group.read("n2")
    group.network += late
    group.deliver(to="n2", kind=ReadIndexReply)

    assert readable(group, "n2") == []


def test_an_answer_of_another_node_answers_nothing() -> None:
    group = DirectedGroup.led_by("n1")
    group.read("n2")
    (question,) = [flight.message for flight in group.network if isinstance(flight.message, ReadIndex)]
    group.send("n3", "n2", ReadIndexReply(question.term, question.number, LogIndex(0)))
    group.deliver(sender="n3", to="n2")
    assert readable(group, "n2") == []


@pytest.mark.parametrize("message", [ReadIndex(Term(9), 1), ReadIndexReply(Term(9), 1)])
def test_a_newer_term_in_such_a_message_ends_a_leadership_as_in_any_other(
    message: ReadIndex | ReadIndexReply,
) -> None:
    group = DirectedGroup.led_by("n1")
    group.handle("n1", Received(N2, message))
    assert group["n1"].role is RaftRole.FOLLOWER
    assert group["n1"].term == 9


# --- limits


def test_a_node_in_quarantine_answers_no_read() -> None:
    group = DirectedGroup.led_by("n1")
    before = group.read("n2")
    group.handle("n2", Quarantine("its code is older"))
    after = group.read("n2")
    group.settle()
    assert readable(group, "n2") == []
    assert [reject.ref for reject in rejects(group, "n2")] == [before, after]


def test_no_more_reads_wait_than_proposals_may() -> None:
    group = DirectedGroup.led_by("n1", config=lambda voters: RaftConfig(voters, max_uncommitted_entries=3))
    refs = [group.read("n1") for _ in range(4)]
    assert rejects(group, "n1") == [Reject(refs[-1], Refusal.OVERLOADED, N1)]
    group.settle()
    assert readable(group, "n1") == refs[:-1]
    group.read("n1")
    assert len(rejects(group, "n1")) == 1


def test_questions_of_one_member_take_one_place() -> None:
    group = DirectedGroup.led_by("n1")
    for number in range(1000):
        group.handle("n1", Received(N2, ReadIndex(group["n1"].term, number)))
    group.deliver(to="n3", kind=AppendEntries)
    group.deliver(to="n1", kind=AppendEntriesReply)
    group.deliver(to="n3", kind=AppendEntries)
    group.deliver(to="n1", kind=AppendEntriesReply)
    replies = [flight.message for flight in group.network if isinstance(flight.message, ReadIndexReply)]
    assert [reply.number for reply in replies] == [0, 999]


def test_reads_keep_the_heartbeats_going() -> None:
    group = DirectedGroup.led_by("n1")
    due = group["n1"].deadline
    group.now += 0.01
    group.read("n1")
    assert due is not None
    assert (group["n1"].deadline or 0.0) > due - 0.05
    rounds = [flight.message.round for flight in group.network if isinstance(flight.message, AppendEntries)]
    assert len(set(rounds)) == 1
    assert rounds[0] > Round(1)
