"""Learners get every entry and count for nothing (dissertation §4.2.1), and become voters once they have caught up."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft import AppendEntries, PreVote, PreVoteReply, RaftRole, RequestVote
from coterie.protocols.raft.membership.catch_up import SILENCES_MAX
from coterie.protocols.raft.membership.member_changes import AddLearner, AddVoter, Promote
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.membership.reconfiguration import ChangePhase
from coterie.protocols.raft.raft_effects import MayPromote
from coterie.protocols.simulation.directed import member_trials
from coterie.protocols.simulation.directed.directed_group import DirectedGroup
from coterie.protocols.simulation.directed.member_groups import group_of, last_for, members_of
from coterie.protocols.simulation.directed.raft_shorthand import received

N1, N2, N3, N4 = map(NodeId, ("n1", "n2", "n3", "n4"))
MEMBERS = members_of(n1="voter", n2="voter", n3="voter", n4="learner")


def led() -> DirectedGroup:
    """Return a group with the learner n4, which n1 leads."""
    group = group_of(MEMBERS)
    group.elect("n1")
    group.heartbeat("n1")
    return group


def test_learners_count_neither_for_elections_nor_to_commit() -> None:
    member_trials.learners_acknowledge()


def test_a_learner_gets_and_applies_every_entry() -> None:
    group = led()
    group.propose("n1", b"a")
    group.settle()
    group.heartbeat("n1")

    assert group["n4"].applied_index == group["n1"].last_index == 2


def test_a_learner_asks_for_no_votes_and_is_asked_for_none() -> None:
    group = led()
    group.network = []
    term = group["n4"].term
    for _ in range(5):
        group.now += 1.0
        group.tick("n4")
    assert group["n4"].leader is None
    # What it sends at a time-out asks for its own term, which no vote is left for: only whether it is a member still.
    asked = {(flight.sender, type(flight.message), flight.message.term) for flight in group.network}
    assert asked == {(N4, PreVote, term)}
    group.handle("n4", *(received(voter, PreVoteReply(term, granted=True)) for voter in ("n1", "n2", "n3")))
    assert (group["n4"].role, group["n4"].term) == (RaftRole.FOLLOWER, term)

    group.network = []
    group.expire_leaders()
    group.tick("n2")
    assert [flight.to for flight in group.network if isinstance(flight.message, PreVote | RequestVote)] == [N1, N3]


def test_a_learner_votes_when_it_is_asked_since_others_may_know_that_it_is_a_voter() -> None:
    group = led()
    joint = members_of(n1="voter", n2="voter", n3="voter", n4="incoming")
    group = group_of(joint)
    assert group["n4"].is_voter
    group.elect("n1", "n2", "n4")
    assert group["n1"].role is RaftRole.LEADER


def test_the_answers_of_learners_do_not_keep_a_leader_that_no_quorum_answers() -> None:
    group = led()

    last_for(group, "n1", 3, "n4")

    assert group["n1"].role is not RaftRole.LEADER


def test_learners_confirm_no_reads_and_may_read_themselves() -> None:
    group = led()
    ref = group.read("n1")
    group.settle("n1", "n4")
    assert group.record("n1").readable == []
    group.heartbeat("n1", "n1", "n2")
    assert group.record("n1").readable == [ref]

    own = group.read("n4")
    group.settle()
    group.heartbeat("n1")
    assert group.record("n4").readable == [own]


def test_a_learner_does_not_take_over_the_leadership() -> None:
    group = led()
    group.transfer("n1", "n4")
    group.transfer("n1")
    first, *_ = group.record("n1").transfers
    assert (first.is_done, "'n4' cannot lead next" in first.reason) == (False, True)
    group.settle()
    assert group["n4"].role is RaftRole.FOLLOWER


def test_a_learner_that_has_caught_up_is_promoted() -> None:
    group = led()
    group.change("n1", Promote(N4))
    group.settle()
    group.heartbeat("n1")
    assert [ended.is_done for ended in group.record("n1").changes] == [True]
    assert group["n4"].is_voter


def test_a_learner_that_is_behind_is_not_promoted() -> None:
    member_trials.promotion_of_a_learner_that_is_behind()


def test_a_learner_that_stays_silent_remains_one_and_the_change_can_be_repeated() -> None:
    group = DirectedGroup.led_by("n1")
    change = AddVoter(N4, StoreId("n4"), None)
    group.change("n1", change)
    last_for(group, "n1", SILENCES_MAX + 1, "n2", "n3")
    (ended,) = group.record("n1").changes
    assert not ended.is_done
    assert ended.reason.startswith("n4 does not answer: start it")
    assert group["n1"].facts.membership == MEMBERS

    group.join("n4")
    group.change("n1", change)
    for _ in range(3):
        group.heartbeat("n1")

    assert group.record("n1").changes[1].is_done


def test_a_learner_that_held_everything_and_went_silent_is_not_promoted() -> None:
    group = led()
    last_for(group, "n1", 3, "n2", "n3")

    group.change("n1", Promote(N4))
    last_for(group, "n1", 2, "n2", "n3")

    assert "n4" not in [member.node for member in group["n1"].facts.membership.members if member.role.is_new]


def test_a_promotion_waits_for_the_permission_of_the_driver_and_says_why() -> None:
    group = led()
    group.change("n1", Promote(N4), may_promote=False)
    group.settle()
    group.heartbeat("n1")
    group.handle("n1", MayPromote("it runs version 1, and version 2 is active"))
    status = group["n1"].change_status
    assert status is not None
    assert (status.phase, status.because) == (ChangePhase.HELD, "it runs version 1, and version 2 is active")

    group.handle("n1", MayPromote())
    group.settle()

    assert [ended.is_done for ended in group.record("n1").changes] == [True]


# A store that joins.


def test_a_store_that_joins_knows_no_members_asks_for_nothing_and_learns_everything_from_the_log() -> None:
    group = DirectedGroup.led_by("n1")
    group.propose("n1", b"a")
    group.settle()
    group.join("n4")
    for _ in range(3):
        group.tick("n4")
    assert (group.network, group["n4"].is_member, group["n4"].facts.memberships) == ([], False, ())

    group.change("n1", AddLearner(N4, StoreId("n4"), "n4:7400"))
    group.settle()
    group.heartbeat("n1")

    assert group["n4"].facts.membership == group["n1"].facts.membership
    assert (group["n4"].is_member, group["n4"].is_voter) == (True, False)
    assert group["n4"].applied_index == group["n1"].last_index


def test_a_store_that_joins_goes_on_after_a_crash_in_the_middle() -> None:
    group = DirectedGroup.led_by("n1")
    group.join("n4")
    group.change("n1", AddVoter(N4, StoreId("n4"), None))
    group.settle("n1", "n2", "n3")
    group.tick("n1")
    group.deliver(to="n4", kind=AppendEntries)
    group.crash("n4")
    group.restart("n4")

    for _ in range(3):
        group.heartbeat("n1")

    assert group["n4"].is_voter


@pytest.mark.parametrize("name", ["n4", "n1"])
def test_reads_at_a_store_that_is_no_member_are_refused(name: str) -> None:
    group = DirectedGroup.led_by("n1") if name == "n4" else group_of(MEMBERS)
    group.join("n5" if name == "n1" else "n4")
    store = "n5" if name == "n1" else "n4"
    ref = group.read(store)
    assert [reject.ref for reject in group.record(store).rejects] == [ref]
