"""A change that cannot be made, or that would stop the group, is refused at once, and one that is lost is told so."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.quorums import Weighted
from coterie.protocols.raft import RaftConfig
from coterie.protocols.raft.membership.member_changes import (
    AddLearner,
    AddVoter,
    MemberChange,
    Promote,
    Remove,
    ReplaceStore,
)
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft_effects import ChangeEnded
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.member_groups import group_of, last_for, members_of

N1, N2, N3, N4 = map(NodeId, ("n1", "n2", "n3", "n4"))
S4 = StoreId("n4")


def refused(group: DirectedGroup, change: MemberChange, leader: str = "n1") -> str:
    """Ask for `change`, which must be refused at once with nothing changed; return the reason."""
    before = (group[leader].last_index, group[leader].facts)
    ref = group.change(leader, change)
    ended = group.record(leader).changes[-1]
    assert (ended.ref, ended.is_done) == (ref, False)
    assert (group[leader].last_index, group[leader].facts) == before
    return ended.reason


def test_only_the_leader_changes_members() -> None:
    group = DirectedGroup.led_by("n1")
    assert refused(group, Remove(N3), "n2") == "n2 does not lead"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (AddVoter(N3, S4, None), "n3 is a member with the store n3"),
        (AddVoter(N4, StoreId("n3"), None), "the store n3 is that of the member n3"),
        (Promote(N4), "n4 is no member"),
        (Remove(N4), "n4 is no member"),
        (ReplaceStore(N4, S4), "n4 is no member"),
    ],
)
def test_what_makes_no_sense_is_refused(change: MemberChange, reason: str) -> None:
    assert reason in refused(DirectedGroup.led_by("n1"), change)


def test_the_last_voter_is_not_removed() -> None:
    assert "n1 is the last voter" in refused(DirectedGroup.led_by("n1", 1), Remove(N1))


def test_a_group_with_weights_is_not_changed() -> None:
    group = DirectedGroup.led_by("n1", config=lambda voters: RaftConfig(voters, Weighted({N1: 2, N2: 1, N3: 1})))
    assert "cannot be changed" in refused(group, AddLearner(N4, S4, None))


def test_a_removal_that_would_leave_no_quorum_of_voters_that_answer_is_refused() -> None:
    group = DirectedGroup.led_by("n1")
    last_for(group, "n1", 3, "n2")  # n3 is silent

    reason = refused(group, Remove(N2))

    assert reason.startswith("n3 did not answer lately: with these members the group could not decide any more")
    group.change("n1", Remove(N3))  # what is down may go
    group.settle("n1", "n2")
    assert group.record("n1").changes[-1].is_done


def test_a_leader_that_would_leave_a_group_without_a_quorum_stays() -> None:
    group = DirectedGroup.led_by("n1")
    last_for(group, "n1", 3, "n2")
    assert "n3 did not answer lately" in refused(group, Remove(N1))


def test_nothing_is_changed_while_leadership_is_handed_over() -> None:
    group = DirectedGroup.led_by("n1")
    group.transfer("n1", "n2")
    assert "leadership is being handed over" in refused(group, Remove(N3))


def test_one_change_at_a_time() -> None:
    group = DirectedGroup.led_by("n1")
    group.change("n1", AddLearner(N4, S4, None))
    assert "another change is under way: add the learner n4" in refused(group, Remove(N3))


def test_what_an_earlier_leader_began_is_completed_first() -> None:
    group = group_of(members_of(n1="voter", n2="voter", n3="outgoing"))
    group.expire_leaders()
    group.nominate("n1")
    for name in ("n2", "n3"):
        group.deliver(to=name)
        group.sync(name)
    group.deliver(to="n1")
    assert "being completed" in refused(group, AddLearner(N4, S4, None))


def test_a_change_whose_leader_is_deposed_has_an_unknown_end() -> None:
    group = DirectedGroup.led_by("n1")
    ref = group.change("n1", Remove(N3))
    group.network = []

    group.elect("n2", "n3")
    group.heartbeat("n2")

    (ended,) = group.record("n1").changes
    assert (ended.ref, ended.is_done) == (ref, False)
    assert ended.reason.startswith("unknown: this node leads no more")
    assert not group["n1"].facts.membership.is_joint


def test_a_change_that_had_begun_nothing_says_so() -> None:
    group = DirectedGroup.led_by("n1")
    group.join("n4")
    group.change("n1", AddLearner(N4, S4, None))
    group.settle()
    group.change("n1", Promote(N4), may_promote=False)

    group.elect("n2", "n3")
    group.heartbeat("n2")

    assert group.record("n1").changes[-1] == ChangeEnded(
        2, False, "this node leads no more; nothing was changed: repeat the command", is_passing=True
    )
