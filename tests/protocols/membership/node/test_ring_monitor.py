"""The probes of one member: who counts as unheard, and what a process that was late may say about others."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Incarnation, MemberId
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.node.ring_monitor import RingMonitor

A, B = (MemberId(NodeId(name), Incarnation(1)) for name in "ab")


def monitor(config: MembershipConfig | None = None) -> tuple[RingMonitor, float]:
    """Return a monitor of two members, and when its first round begins."""
    made = RingMonitor(config or MembershipConfig(), rng=random.Random(1))
    made.observe([A, B], now=0.0)
    assert made.deadline is not None
    return made, made.deadline


def rounds(made: RingMonitor, at: float, count: int, *, replying: tuple[MemberId, ...] = ()) -> float:
    """Run so many rounds on time; return when the next one begins."""
    for _ in range(count):
        number, members = made.begin_round(now=at)
        assert set(members) == {A, B}
        for member in replying:
            made.replied(member, number)
        at = made.deadline or 0.0
    return at


def test_a_member_is_unheard_when_six_of_ten_probes_are_lost_and_heard_again_when_fewer_are() -> None:
    made, at = monitor()
    at = rounds(made, at, 6, replying=(A,))
    assert list(made.unheard) == []

    at = rounds(made, at, 1, replying=(A,))
    assert list(made.unheard) == [B]
    at = rounds(made, at, 5, replying=(A, B))
    assert list(made.unheard) == [B]
    rounds(made, at, 1, replying=(A, B))
    assert list(made.unheard) == []


def test_a_round_begins_once_an_interval_and_not_before() -> None:
    made, at = monitor()
    assert 0.0 <= at <= 0.5
    assert made.begin_round(now=at - 0.01)[1] == ()
    number, members = made.begin_round(now=at)

    assert (set(members), made.deadline) == ({A, B}, at + 0.5)
    assert made.begin_round(now=at + 0.1) == (number, ())


def test_a_round_that_begins_late_accuses_nobody_but_its_replies_count() -> None:
    made, at = monitor()
    for _ in range(30):
        number, _members = made.begin_round(now=at)
        made.replied(A, number)
        at = (made.deadline or 0.0) + 0.26
    assert list(made.unheard) == []


def test_a_reply_to_an_earlier_round_or_of_an_unknown_life_does_not_count() -> None:
    made, at = monitor()
    for _ in range(7):
        number, _members = made.begin_round(now=at)
        made.replied(A, number - 1)
        made.replied(MemberId(B.name, Incarnation(2)), number)
        at = made.deadline or 0.0
    assert made.unheard == (A, B)


def test_what_is_known_stays_with_a_member_that_is_observed_on_and_is_forgotten_with_one_that_is_not() -> None:
    made, at = monitor()
    at = rounds(made, at, 7)
    made.observe([B], now=at)
    assert list(made.unheard) == [B]

    made.observe([A, B], now=at)
    assert list(made.unheard) == [B]
    made.observe([], now=at)
    assert (list(made.unheard), made.deadline) == ([], None)
