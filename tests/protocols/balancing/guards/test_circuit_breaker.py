from __future__ import annotations

import random
from typing import Any

import pytest

from coterie.protocols.balancing import Balancer, RequestOutcome, RoundRobin, Target
from coterie.protocols.balancing.balancer import Pick
from coterie.protocols.balancing.guards import CircuitBreaker, SlowStart

FAILED, ANSWERED = RequestOutcome.FAILED, RequestOutcome.ANSWERED


def make(keys: str = "a", **settings: Any) -> Balancer:
    balancer = Balancer(CircuitBreaker(RoundRobin(), **settings), rng=random.Random(1))
    balancer.update([Target(key) for key in keys], now=0.0)
    return balancer


def pick(balancer: Balancer, *, now: float) -> Pick:
    picked = balancer.pick(now=now)
    assert picked is not None
    return picked


def fail(balancer: Balancer, times: int, *, now: float) -> None:
    for _ in range(times):
        balancer.report(pick(balancer, now=now).token, FAILED, now=now)


@pytest.mark.parametrize(("field", "value"), [("failures", 0), ("open_s", 0.0), ("max_in_flight", 0)])
def test_a_field_out_of_range_is_refused_and_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        make(**{field: value})


def test_five_failures_in_a_row_open_the_circuit_and_nothing_is_picked() -> None:
    balancer = make()
    fail(balancer, 5, now=0.0)

    assert balancer.pick(now=9.9) is None
    assert "no circuit lets a request through: a is open" in balancer.explain()
    assert balancer.statuses(now=4.0)[0].state == "open for 6.0 s"


def test_one_trial_at_a_time_and_its_success_closes_the_circuit() -> None:
    balancer = make()
    fail(balancer, 5, now=0.0)

    trial = pick(balancer, now=10.0)
    assert balancer.statuses(now=10.0)[0].state == "half-open"
    assert balancer.pick(now=11.0) is None
    balancer.report(trial.token, ANSWERED, now=12.0)
    assert [balancer.pick(now=12.0) is None for _ in range(3)] == [False] * 3
    assert [it.event for it in balancer.observations()] == ["balancing.circuit_opened", "balancing.circuit_closed"]


def test_a_failed_trial_opens_it_again() -> None:
    balancer = make()
    fail(balancer, 5, now=0.0)
    fail(balancer, 1, now=10.0)

    assert balancer.pick(now=19.9) is None
    assert balancer.pick(now=20.0) is not None


def test_the_result_of_a_request_from_before_it_opened_is_not_the_trials() -> None:
    balancer = make()
    early = pick(balancer, now=0.0)
    fail(balancer, 5, now=1.0)
    trial = pick(balancer, now=11.0)
    balancer.report(early.token, ANSWERED, now=12.0)

    assert balancer.pick(now=12.0) is None
    balancer.report(trial.token, FAILED, now=13.0)
    assert balancer.pick(now=22.9) is None


def test_a_trial_that_is_never_reported_ends_with_its_expiry() -> None:
    balancer = make()
    fail(balancer, 5, now=0.0)
    pick(balancer, now=10.0)

    assert balancer.pick(now=100.0) is None  # lost: open again
    assert balancer.pick(now=110.0) is not None


def test_the_others_are_picked_while_one_is_open() -> None:
    balancer = make("ab")
    for _ in range(10):
        picked = pick(balancer, now=0.0)
        balancer.report(picked.token, FAILED if picked.target == "a" else ANSWERED, now=0.0)

    assert {pick(balancer, now=1.0).target for _ in range(10)} == {"b"}


def test_a_target_has_no_more_open_requests_than_its_limit() -> None:
    balancer = make("ab", max_in_flight=2)
    picks = [pick(balancer, now=0.0) for _ in range(4)]

    assert sorted(picked.target for picked in picks) == ["a", "a", "b", "b"]
    assert balancer.pick(now=0.0) is None
    assert balancer.statuses(now=0.0)[0].state == "full, 2 in flight"
    balancer.report(picks[0].token, ANSWERED, now=1.0)
    assert pick(balancer, now=1.0).target == picks[0].target


def test_a_target_whose_trial_succeeded_warms_up_inside() -> None:
    balancer = Balancer(CircuitBreaker(SlowStart(RoundRobin(), window_s=10.0), failures=1), rng=random.Random(1))
    balancer.update([Target("a"), Target("b")], now=0.0)
    while (picked := pick(balancer, now=100.0)).target != "a":
        balancer.report(picked.token, ANSWERED, now=100.0)
    balancer.report(picked.token, FAILED, now=100.0)
    while (trial := pick(balancer, now=110.0)).target != "a":
        pass
    balancer.report(trial.token, ANSWERED, now=110.0)

    assert sum(pick(balancer, now=110.0).target == "a" for _ in range(200)) < 40
