"""Liveness is checked when the faults have ended and the time limit has passed, not before."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.liveness_checker import ELECTION_TIMEOUTS, LivenessChecker
from coterie.protocols.checking.violation import Violation, ViolationContext

N1 = NodeId("n1")


def healed_at(time_s: float, *writes: str) -> tuple[LivenessChecker, ViolationContext]:
    context = ViolationContext()
    checker = LivenessChecker(context, election_timeout_s=0.3)
    for write in writes:
        checker.acknowledged(write)
    context.time_s = time_s
    checker.healed()
    return checker, context


def test_leader_and_reads_in_time_are_fine() -> None:
    checker, context = healed_at(20.0, "w1", "w2")
    checker.led(N1)
    checker.read("w1")
    checker.superseded("w2")
    assert checker.is_satisfied

    context.time_s = 99.0
    checker.check()


def test_nothing_is_checked_during_the_faults_or_before_the_time_limit() -> None:
    context = ViolationContext()
    checker = LivenessChecker(context, election_timeout_s=0.3)
    checker.acknowledged("w1")
    context.time_s = 1000.0
    checker.check()
    assert checker.deadline_s is None

    checker.healed()
    context.time_s += ELECTION_TIMEOUTS * 0.3 - 0.001
    checker.check()


def test_group_without_a_leader_is_seen_and_earlier_leaders_do_not_count() -> None:
    context = ViolationContext()
    checker = LivenessChecker(context, election_timeout_s=0.3)
    checker.led(N1)
    checker.healed()
    assert not checker.is_satisfied

    context.time_s = 3.0
    with pytest.raises(Violation, match=r"^liveness\.leader broken at the group.*3 s after all faults ended there"):
        checker.check()


def test_unread_writes_are_counted_and_some_are_named() -> None:
    checker, context = healed_at(20.0, *(f"w{number}" for number in range(9)))
    checker.led(N1)
    checker.read("w0")

    context.time_s = 23.0
    with pytest.raises(Violation, match=r"^liveness\.reads.*8 acknowledged.*such as 'w1', 'w2', 'w3', 'w4', 'w5'$"):
        checker.check()


def test_read_before_the_end_of_the_faults_does_not_count() -> None:
    context = ViolationContext()
    checker = LivenessChecker(context, election_timeout_s=0.3)
    checker.acknowledged("w1")
    checker.read("w1")
    checker.healed()
    checker.led(N1)

    assert not checker.is_satisfied


def test_election_timeout_must_be_positive() -> None:
    with pytest.raises(ValueError, match="election_timeout_s=0"):
        LivenessChecker(ViolationContext(), election_timeout_s=0)
