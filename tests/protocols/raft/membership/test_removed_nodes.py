"""Removed nodes leave: a leader steps down (dissertation §4.2.2), and none disturbs the others (§4.2.3)."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import AppendEntries, RaftRole
from coterie.protocols.raft.membership.member_changes import AddVoter, Remove
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft_messages import TimeoutNow
from coterie.protocols.replicated_log import Refusal
from coterie.protocols.simulation.directed import member_trials
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.member_groups import last_for
from coterie.protocols.simulation.directed.raft_shorthand import pre_vote, received, request_vote

N1, N2, N3 = map(NodeId, ("n1", "n2", "n3"))


def names_of(group: DirectedGroup, event: str) -> list[object]:
    return [observed.facts["node"] for observed in group.observed if observed.event == event]


def leaders(group: DirectedGroup) -> list[str]:
    return [name for name in group.nodes if group[name].role is RaftRole.LEADER]


# §4.2.2


def test_a_leader_that_is_not_among_the_new_voters_does_not_count_itself() -> None:
    member_trials.removed_leader_counts()


def test_a_leader_that_removes_itself_leads_until_that_is_committed_then_hands_over() -> None:
    """§4.2.2: until then it manages a group that does not include itself; §3.10 spares the others a time-out."""
    group = DirectedGroup.led_by("n1")
    before = group.now
    group.change("n1", Remove(N1))
    group.sync("n1")
    assert leaders(group) == ["n1"]

    group.settle()

    assert group.now == before
    assert leaders(group) in (["n2"], ["n3"])
    assert [ended.is_done for ended in group.record("n1").changes] == [True]
    group.tick("n1")
    assert names_of(group, "raft.member_removed") == ["n1"]
    assert (group["n1"].is_member, group["n2"].quorum.members) == (False, (N2, N3))


def test_a_leader_that_leaves_refuses_commands_and_lets_those_that_it_took_be_answered() -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N1))
    (taken,) = group.propose("n1", b"a")
    group.settle()
    (refused,) = group.propose("n1", b"b")

    record = group.record("n1")
    assert [(reject.ref, reject.reason) for reject in record.rejects] == [(refused, Refusal.NOT_LEADER)]
    assert taken in record.answered_refs


def test_a_leader_that_leaves_steps_down_although_nobody_takes_over() -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N1))
    for _ in range(20):
        group.work("n1")
        group.work("n2")
        group.work("n3")
        group.drop(kind=TimeoutNow)
        group.deliver()
    assert group["n1"].role is RaftRole.FOLLOWER

    group.elect("n3", "n2")

    assert group["n3"].role is RaftRole.LEADER


def test_a_leader_that_was_deposed_before_its_removal_was_committed_finishes_it() -> None:
    """§4.2.2: "a server that is not part of its own latest configuration should still start new elections"."""
    member_trials.removal_that_only_the_removed_leader_has()


def test_the_last_of_two_voters_goes_on_alone() -> None:
    group = DirectedGroup.led_by("n1", 2)
    group.change("n1", Remove(N1))
    group.settle()
    assert group["n2"].role is RaftRole.LEADER
    group.propose("n2", b"a")
    group.settle()
    assert group["n2"].commit_index == group["n2"].last_index


# §4.2.3


def test_a_removed_node_asks_for_no_votes() -> None:
    member_trials.removed_node_asks_for_votes()


def test_a_removed_node_is_told_and_then_left_alone() -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N3))
    group.settle()
    for _ in range(3):
        group.heartbeat("n1")
    assert names_of(group, "raft.member_removed") == ["n3"]
    assert not group["n3"].is_member

    group.tick("n1")

    assert [flight.to for flight in group.network] == [N2]


def test_a_removed_node_that_does_not_answer_is_sent_to_for_an_election_time_out() -> None:
    group = DirectedGroup.led_by("n1")
    last_for(group, "n1", 3, "n2")  # n3 is silent
    group.change("n1", Remove(N3))
    group.settle("n1", "n2")
    group.tick("n1")
    assert N3 in [flight.to for flight in group.network]

    last_for(group, "n1", 2, "n2")
    group.tick("n1")

    assert [flight.to for flight in group.network] == [N2]


def test_a_removed_node_that_was_never_told_cannot_disturb_the_others() -> None:
    """§4.2.3: it gets no votes from nodes that hear a leader, and raises no term before it has a quorum (§9.6)."""
    group = DirectedGroup.led_by("n1")
    last_for(group, "n1", 3, "n2")
    group.change("n1", Remove(N3))
    last_for(group, "n1", 3, "n2")
    term = group["n1"].term

    for _ in range(5):
        group.tick("n3")
        group.settle("n2", "n3")
        group.handle(
            "n1", received("n3", pre_vote(term + 9, 99, term)), received("n3", request_vote(term + 9, 99, term))
        )
        group.now += 0.01
        group.tick("n1")
        group.settle("n1", "n2")

    assert (group["n1"].role, group["n1"].term, group["n2"].term) == (RaftRole.LEADER, term, term)


def members_of(group: DirectedGroup) -> list[str]:
    """Return the nodes that take themselves for members."""
    return [node for node in ("n1", "n2", "n3") if group[node].is_member]


def test_a_removed_node_that_was_never_told_is_told_when_it_asks_for_votes() -> None:
    group = DirectedGroup.led_by("n1")
    last_for(group, "n1", 3, "n2")  # n3 is silent
    group.change("n1", Remove(N3))
    last_for(group, "n1", 3, "n2")
    assert "n3" in members_of(group)

    group.now += 1.0
    group.tick("n3")
    group.settle()
    for _ in range(3):
        group.heartbeat("n1")

    assert "n3" not in members_of(group)
    assert names_of(group, "raft.member_removed") == ["n3"]
    group.tick("n1")
    assert [flight.to for flight in group.network] == [N2]


def test_a_removed_node_that_lacks_dropped_entries_is_told_by_a_snapshot() -> None:
    group = DirectedGroup.led_by("n1")
    last_for(group, "n1", 3, "n2")
    group.change("n1", Remove(N3))
    last_for(group, "n1", 3, "n2")
    group.take_snapshot("n1")
    last_for(group, "n1", 1, "n2")

    group.now += 1.0
    group.tick("n3")
    group.settle()
    for _ in range(6):
        group.heartbeat("n1")

    assert not group["n3"].is_member


def test_a_member_that_asks_for_votes_is_sent_to_as_before() -> None:
    group = DirectedGroup.led_by("n1")
    before = group["n1"].term

    group.handle("n1", received("n3", pre_vote(before + 1, 99, before)))
    group.settle()
    group.change("n1", Remove(N2))
    group.settle()

    assert group["n3"].is_voter
    assert group["n1"].change_status is None


def test_a_removed_node_may_come_back_with_the_same_store() -> None:
    group = DirectedGroup.led_by("n1")
    for change in (Remove(N3), AddVoter(N3, StoreId("n3"), None)):
        group.change("n1", change)
        for _ in range(3):
            group.heartbeat("n1")

    assert [ended.is_done for ended in group.record("n1").changes] == [True, True]
    assert group["n3"].is_voter
    group.propose("n1", b"a")
    group.settle("n1", "n3")
    assert group["n1"].commit_index == group["n1"].last_index


def test_reads_that_a_removed_node_holds_are_refused() -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N3))
    ref = group.read("n3")
    group.settle()
    group.heartbeat("n1")
    record = group.record("n3")
    assert ref in [*record.readable, *[reject.ref for reject in record.rejects]]


@pytest.mark.parametrize("target", ["n3", None])
def test_leadership_is_not_handed_to_a_node_on_its_way_out(target: str | None) -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", Remove(N3))
    group.deliver(to="n3", kind=AppendEntries)
    group.transfer("n1", target)
    assert group["n1"]._transfer.target in (None, N2)
