from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing import Balancer, LeastRequest, Policy, RoundRobin, Target
from coterie.protocols.balancing.guards import SlowStart

ABC = [Target("a"), Target("b"), Target("c")]


def shares(balancer: Balancer, *, now: float, picks: int = 6000) -> dict[str, float]:
    counted = Counter(pick.target for _ in range(picks) if (pick := balancer.pick(now=now, expires_at=now + 1e9)))
    return {key: count / picks for key, count in counted.items()}


def balancer_of(policy: SlowStart) -> Balancer:
    return Balancer(policy, rng=random.Random(7))


@pytest.mark.parametrize(
    ("field", "value"),
    [("window_s", 0.0), ("window_s", float("inf")), ("aggression", 0.0), ("min_share", 0.0), ("min_share", 1.1)],
)
def test_a_field_out_of_range_is_refused_and_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        SlowStart(RoundRobin(), **{field: value})


@pytest.mark.parametrize(
    ("aggression", "age_s", "part"),
    [(1.0, 0.0, 0.1), (1.0, 2.0, 0.1), (1.0, 30.0, 0.5), (1.0, 60.0, 1.0), (1.0, 900.0, 1.0), (2.0, 15.0, 0.5),
     (0.5, 30.0, 0.25), (1.0, -1.0, 0.1)],
)  # fmt: skip
def test_the_part_is_envoys_formula(aggression: float, age_s: float, part: float) -> None:
    assert SlowStart(RoundRobin(), window_s=60.0, aggression=aggression).part(age_s) == pytest.approx(part)


def test_a_target_that_joins_gets_its_part_of_a_share_and_later_the_whole() -> None:
    balancer = balancer_of(SlowStart(RoundRobin(), window_s=10.0))
    balancer.update(ABC[:2], now=0.0)
    balancer.update(ABC, now=100.0)

    assert shares(balancer, now=100.0)["c"] == pytest.approx(0.1 / 2.1, abs=0.01)
    assert shares(balancer, now=105.0)["c"] == pytest.approx(0.5 / 2.5, abs=0.015)
    assert shares(balancer, now=110.0)["c"] == pytest.approx(1 / 3)
    assert balancer.statuses(now=110.0)[2].state == "serving"


def test_targets_that_start_together_share_equally() -> None:
    balancer = balancer_of(SlowStart(RoundRobin()))
    balancer.update(ABC, now=0.0)

    assert shares(balancer, now=0.1) == {key: pytest.approx(1 / 3, abs=0.001) for key in "abc"}


def test_a_target_that_recovered_or_rejoined_warms_up_again() -> None:
    balancer = balancer_of(SlowStart(RoundRobin(), window_s=10.0))
    balancer.update(ABC, now=0.0)
    balancer.recovered("b", now=50.0)
    assert shares(balancer, now=50.0)["b"] < 0.1

    balancer.update(ABC[:2], now=60.0)
    balancer.update(ABC, now=70.0)
    assert shares(balancer, now=70.0)["c"] < 0.1


def test_a_cold_target_is_used_if_it_is_the_only_one() -> None:
    balancer = balancer_of(SlowStart(RoundRobin()))
    balancer.update(ABC[:1], now=0.0)
    balancer.update(ABC, now=100.0)

    assert all(balancer.pick(now=100.0, exclude={"a", "b"}) for _ in range(50))


@pytest.mark.parametrize(("inner", "wanted"), [(RoundRobin(), 0.4 / 1.4), (LeastRequest(), None)])
def test_the_state_says_how_warm_it_is_and_the_wanted_share_is_its_part_of_the_inner_one(
    inner: Policy, wanted: float | None
) -> None:
    balancer = balancer_of(SlowStart(inner, window_s=10.0))
    balancer.update(ABC[:1], now=0.0)
    balancer.update(ABC[:2], now=100.0)

    status = balancer.statuses(now=104.0)[1]
    assert status.state == "warming up, 40%"
    assert status.wanted_share == (None if wanted is None else pytest.approx(wanted))
