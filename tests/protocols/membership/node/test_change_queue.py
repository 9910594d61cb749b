"""The changes that wait for the leader: many are one proposal, one is under way at a time, crashes do not wait."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Incarnation, MemberId
from coterie.protocols.membership.node.change_queue import QUEUED_MAX, UNANSWERED_S, ChangeQueue
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.view_changes import BecomeUp, Remove
from coterie.protocols.simulation.directed.view_trials import view_of

ONE, TWO, THREE = (BecomeUp(member.identity) for member in view_of(3))
CRASH = Remove(view_of(4).members[3].identity)
N1 = NodeId("n001")


def queue() -> ChangeQueue:
    return ChangeQueue(MembershipConfig())


def test_the_first_changes_are_collected_for_a_tenth_of_a_second() -> None:
    made = queue()
    made.add(ONE, N1, now=5.0)
    made.add(TWO, None, now=5.05)
    made.add(ONE, None, now=5.06)

    assert [made.deadline] == [5.1]
    assert made.take(now=5.09) is None
    assert made.take(now=5.1) == (1, (ONE, TWO))
    assert made.answered(1, now=5.2) == {ONE: N1, TWO: None}
    assert [made.deadline, made.take(now=9.0)] == [None, None]


def test_further_changes_wait_until_the_interval_is_over_and_the_last_proposal_is_answered() -> None:
    made = queue()
    made.add(ONE, None, now=0.0)
    made.take(now=0.1)
    made.add(TWO, None, now=0.2)
    made.add(ONE, None, now=0.2)  # it is proposed already
    assert made.take(now=1.2) is None

    made.answered(1, now=1.3)
    assert made.take(now=1.3) == (2, (TWO,))


def test_a_crash_does_not_wait_for_the_interval_but_for_the_answer() -> None:
    made = queue()
    made.add(ONE, None, now=0.0)
    made.take(now=0.1)
    made.add(TWO, None, now=0.2)
    made.add(CRASH, None, now=0.2, is_urgent=True)
    assert made.take(now=0.35) is None

    made.answered(1, now=0.3)
    assert made.take(now=0.3) == (2, (TWO, CRASH))


def test_a_proposal_without_an_answer_is_given_up_and_its_late_answer_means_nothing() -> None:
    made = queue()
    made.add(ONE, None, now=0.0)
    made.take(now=0.1)
    made.add(TWO, None, now=1.0)

    assert made.take(now=1.0 + UNANSWERED_S) == (2, (TWO,))
    assert made.answered(1, now=7.0) == {}
    assert made.answered(2, now=7.0) == {TWO: None}


def test_nothing_is_left_after_clear_and_the_answer_to_what_was_proposed_before_means_nothing() -> None:
    made = queue()
    made.add(ONE, None, now=0.0)
    taken = made.take(now=0.1)
    made.add(TWO, None, now=0.2)
    made.clear()

    assert taken is not None
    assert (made.deadline, made.answered(taken[0], now=0.3)) == (None, {})


def test_the_number_of_changes_that_wait_is_bounded() -> None:
    made = queue()
    for member in view_of(QUEUED_MAX + 5):
        made.add(BecomeUp(member.identity), None, now=0.0)
    taken = made.take(now=1.0)

    assert taken is not None
    assert len(taken[1]) == QUEUED_MAX


def test_a_second_view_follows_at_once_and_a_third_one_waits() -> None:
    made = queue()
    made.add(ONE, None, now=0.0)
    made.take(now=0.1)
    made.answered(1, now=0.11)
    made.add(TWO, None, now=0.2)
    assert made.take(now=0.35) == (2, (TWO,))
    made.answered(2, now=0.36)
    made.add(ONE, None, now=0.4)
    assert made.take(now=1.09) is None
    assert made.take(now=1.1) == (3, (ONE,))


def test_many_changes_after_a_view_wait_until_the_interval_is_over() -> None:
    made = queue()
    made.add(ONE, None, now=0.0)
    made.take(now=0.1)
    made.answered(1, now=0.11)
    many = [BecomeUp(MemberId(NodeId(f"m{number}"), Incarnation(number))) for number in range(9)]
    for change in many:
        made.add(change, None, now=0.2)
    assert made.take(now=0.35) is None
    assert made.take(now=1.1) == (2, tuple(many))
