"""Removed nodes leave: a leader steps down (dissertation §4.2.2), and none disturbs the others (§4.2.3)."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import AppendEntries, RaftRole
from coterie.protocols.raft.membership.member_changes import AddVoter, Remove
from coterie.protocols.raft.membership.membership import Membership, StoreId
from coterie.protocols.raft.raft_effects import StoreKnown
from coterie.protocols.raft.raft_messages import NotAMember, TimeoutNow
from coterie.protocols.replicated_log import LogIndex, Refusal
from coterie.protocols.simulation.directed import member_groups, member_trials
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.member_groups import last_for
from coterie.protocols.simulation.directed.raft_shorthand import append, pre_vote, received, request_vote

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


# A removed node that knows no present leader: `RemovalNotices`.


def without_n3_that_was_away() -> DirectedGroup:
    """Return a group from which n3 was removed while it was away."""
    group = DirectedGroup.led_by("n1", 3)
    last_for(group, "n1", 3, "n2")  # n3 is silent
    group.change("n1", Remove(N3))
    last_for(group, "n1", 3, "n2")
    return group


def asks_n2(group: DirectedGroup) -> None:
    """Let n3 ask for votes, and n2 alone answer."""
    group.network = []
    group.now += 1.0
    group.tick("n3")
    group.settle("n2", "n3")


def test_a_removed_node_is_told_by_any_member_and_asks_for_no_more_votes() -> None:
    group = without_n3_that_was_away()
    assert "n3" in members_of(group)

    asks_n2(group)

    assert "n3" not in members_of(group)
    assert names_of(group, "raft.member_removed") == ["n3"]
    for _ in range(5):
        group.now += 1.0
        group.tick("n3")
    assert [flight.message for flight in group.network if flight.sender == N3] == []
    assert group["n3"].facts.membership_index < group["n2"].facts.membership_index  # nothing durable has changed


def test_a_removed_learner_is_told_by_any_member_although_it_asks_for_no_votes() -> None:
    members = member_groups.members_of(n1="voter", n2="voter", n3="learner")
    group = member_groups.group_of(members)
    group.elect("n1", "n2")
    group.settle()
    last_for(group, "n1", 3, "n2")  # n3 is silent
    asks_n2(group)
    assert "n3" in members_of(group)
    group.change("n1", Remove(N3))
    last_for(group, "n1", 3, "n2")

    asks_n2(group)

    assert "n3" not in members_of(group)
    assert names_of(group, "raft.member_removed") == ["n3"]
    group.network = []
    for _ in range(5):
        group.now += 1.0
        group.tick("n3")
    assert group.network == []


def test_a_member_is_told_nothing_although_it_asks_for_votes() -> None:
    group = DirectedGroup.led_by("n1")
    last_for(group, "n1", 3, "n2")

    asks_n2(group)

    assert "n3" in members_of(group)


def told_by(group: DirectedGroup, name: str, asking: str) -> bool:
    """Return whether node `name` tells the store `asking`, which asks it for a vote, that it is no member."""
    group.network = []
    term = group[name].term
    group.handle(name, StoreKnown(NodeId(asking), StoreId(asking)), received(asking, pre_vote(term + 1, 99, term)))
    group.work(name)
    return any(isinstance(flight.message, NotAMember) for flight in group.network)


def test_a_removal_that_is_not_known_to_be_committed_is_not_told() -> None:
    group = DirectedGroup.led_by("n1")
    last, term = group["n2"].last_index, group["n1"].term
    entry = member_groups.membership_entry(last + 1, term, TWO)
    group.handle("n2", received("n1", append(term, last, term, entry, commit=last)))
    assert (group["n2"].facts.membership_index, group["n2"].commit_index) == (last + 1, last)
    assert not told_by(group, "n2", "n3")

    group.handle("n2", received("n1", append(term, last + 1, term, commit=last + 1)))

    assert told_by(group, "n2", "n3")


def test_a_node_that_is_no_member_itself_tells_nobody() -> None:
    group = DirectedGroup.led_by("n1")
    assert told_by(group, "n2", "n9")
    group.change("n1", Remove(N2))
    group.settle()
    for _ in range(3):
        group.heartbeat("n1")
    assert not group["n2"].is_member

    assert not told_by(group, "n2", "n9")


def notice(group: DirectedGroup, members: Membership, index: int) -> NotAMember:
    return NotAMember(group["n3"].term, LogIndex(index), members.encode())


THREE = member_groups.members_of(n1="voter", n2="voter", n3="voter")
TWO = member_groups.members_of(n1="voter", n2="voter")


@pytest.mark.parametrize(
    ("sender", "members", "index"),
    [
        ("n2", THREE, 9),  # it is a member
        ("n2", TWO, 0),  # not later than what it knows
        ("n4", TWO, 9),  # the sender is no member itself
    ],
)
def test_a_notice_that_proves_nothing_is_not_believed(sender: str, members: Membership, index: int) -> None:
    group = DirectedGroup.led_by("n1")

    group.handle("n3", StoreKnown(NodeId(sender), StoreId(sender)), received(sender, notice(group, members, index)))

    assert group["n3"].is_member
    group.now += 1.0
    group.tick("n3")
    assert [flight.message for flight in group.network if flight.sender == N3]


def test_a_notice_that_cannot_be_read_is_discarded() -> None:
    group = DirectedGroup.led_by("n1")

    group.handle("n3", received("n2", NotAMember(group["n3"].term, LogIndex(9), b"?")))

    assert group["n3"].is_member
    assert names_of(group, "raft.message_discarded") == ["n3"]


def test_a_leader_believes_no_notice() -> None:
    group = DirectedGroup.led_by("n1")
    two = member_groups.members_of(n2="voter", n3="voter")

    group.handle("n1", received("n2", notice(group, two, 9)))

    assert group["n1"].role is RaftRole.LEADER
    assert group["n1"].is_member


def test_a_node_that_was_told_grants_votes_on() -> None:
    group = without_n3_that_was_away()
    asks_n2(group)
    group.now += 1.0

    group.handle("n3", received("n2", request_vote(group["n3"].term + 1, 99, group["n3"].term)))

    assert group["n3"].voted_for == N2


def test_a_node_that_was_told_is_a_member_again_once_its_log_says_so() -> None:
    group = without_n3_that_was_away()
    asks_n2(group)
    group.elect("n1", "n2")
    group.change("n1", AddVoter(N3, StoreId("n3"), None))
    for _ in range(10):
        group.heartbeat("n1")

    assert group["n3"].is_voter
    assert "n3" in members_of(group)
    group.now += 1.0
    group.tick("n3")
    assert group["n3"].role is RaftRole.PRE_CANDIDATE
