"""Liveness is judged when faults are over and patience has ended, not before."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.liveness_checker import ELECTION_TIMEOUTS, LivenessJudge
from coterie.protocols.checking.violation import Bench, Violation

N1 = NodeId("n1")


def healed_at(time_s: float, *writes: str) -> tuple[LivenessJudge, Bench]:
    bench = Bench()
    judge = LivenessJudge(bench, election_timeout_s=0.3)
    for write in writes:
        judge.acknowledged(write)
    bench.time_s = time_s
    judge.healed()
    return judge, bench


def test_leader_and_reads_in_time_are_fine() -> None:
    judge, bench = healed_at(20.0, "w1", "w2")
    judge.led(N1)
    judge.read("w1")
    judge.superseded("w2")
    assert judge.is_satisfied

    bench.time_s = 99.0
    judge.check()


def test_nothing_is_judged_while_faults_go_on_or_patience_lasts() -> None:
    bench = Bench()
    judge = LivenessJudge(bench, election_timeout_s=0.3)
    judge.acknowledged("w1")
    bench.time_s = 1000.0
    judge.check()
    assert judge.deadline_s is None

    judge.healed()
    bench.time_s += ELECTION_TIMEOUTS * 0.3 - 0.001
    judge.check()


def test_group_without_a_leader_is_seen_and_earlier_leaders_do_not_count() -> None:
    bench = Bench()
    judge = LivenessJudge(bench, election_timeout_s=0.3)
    judge.led(N1)
    judge.healed()
    assert not judge.is_satisfied

    bench.time_s = 3.0
    with pytest.raises(Violation, match=r"^liveness\.leader broken at the group.*3 s after everything healed nobody"):
        judge.check()


def test_unread_writes_are_counted_and_some_are_named() -> None:
    judge, bench = healed_at(20.0, *(f"w{number}" for number in range(9)))
    judge.led(N1)
    judge.read("w0")

    bench.time_s = 23.0
    with pytest.raises(Violation, match=r"^liveness\.reads.*8 acknowledged.*such as 'w1', 'w2', 'w3', 'w4', 'w5'$"):
        judge.check()


def test_read_before_the_end_of_the_faults_does_not_count() -> None:
    bench = Bench()
    judge = LivenessJudge(bench, election_timeout_s=0.3)
    judge.acknowledged("w1")
    judge.read("w1")
    judge.healed()
    judge.led(N1)

    assert not judge.is_satisfied


def test_election_timeout_must_be_positive() -> None:
    with pytest.raises(ValueError, match="election_timeout_s=0"):
        LivenessJudge(Bench(), election_timeout_s=0)
