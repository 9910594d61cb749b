from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from coterie.protocols.balancing import Balancer, RequestOutcome, RoundRobin, Target
from coterie.protocols.balancing.guards import OutlierEjection, SlowStart
from coterie.protocols.balancing.guards.success_rate import success_rate_outliers

TEN = [Target(f"t{number}") for number in range(10)]


def make(count: int = 10, **settings: Any) -> Balancer:
    balancer = Balancer(OutlierEjection(RoundRobin(), **settings), rng=random.Random(1))
    balancer.update(TEN[:count], now=0.0)
    return balancer


def drive(balancer: Balancer, bad: set[str], *, now: float, requests: int = 100) -> Counter[str]:
    """Send requests, each answered at once, or failed by `bad` targets; return the picks."""
    picks: Counter[str] = Counter()
    for _ in range(requests):
        pick = balancer.pick(now=now)
        assert pick is not None
        picks[pick.target] += 1
        outcome = RequestOutcome.FAILED if pick.target in bad else RequestOutcome.ANSWERED
        balancer.report(pick.token, outcome, now=now)
    return picks


def state(balancer: Balancer, target: str, *, now: float) -> str:
    return next(status.state for status in balancer.statuses(now=now) if status.target == target)


@pytest.mark.parametrize(
    ("field", "value"),
    [("consecutive_failures", 0), ("interval_s", 0.0), ("base_ejection_s", -1.0), ("max_ejection_s", 29.0),
     ("max_ejected_share", 1.5), ("panic_share", -0.1), ("deviations", -1.0), ("min_targets", 0), ("min_requests", 0)],
)  # fmt: skip
def test_a_field_out_of_range_is_refused_and_named(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        make(**{field: value})


def test_five_failures_in_a_row_eject_for_30_s() -> None:
    balancer = make()
    picks = drive(balancer, {"t3"}, now=1.0)

    assert picks["t3"] == 5
    assert state(balancer, "t3", now=1.0) == "ejected for 30.0 s"
    assert drive(balancer, set(), now=30.9)["t3"] == 0
    assert drive(balancer, set(), now=31.0)["t3"] == 10


def test_a_success_breaks_the_row() -> None:
    balancer = make(1, panic_share=0.0)
    for _ in range(10):
        drive(balancer, {"t0"}, now=1.0, requests=4)
        drive(balancer, set(), now=1.0, requests=1)

    assert state(balancer, "t0", now=1.0) == "serving"


def test_each_ejection_lasts_longer_up_to_the_limit_and_calm_intervals_shorten_the_next() -> None:
    balancer, now = make(max_ejection_s=70.0), 0.0
    lasted = []
    for _ in range(4):
        drive(balancer, {"t3"}, now=now)
        lasted.append(state(balancer, "t3", now=now))
        now += 75.0

    assert lasted[0] == "ejected for 30.0 s"
    assert [OutlierEjection(RoundRobin()).ejection_s(count) for count in (1, 2, 11)] == [30.0, 60.0, 300.0]
    assert all(it == "ejected for 30.0 s" for it in lasted[1:])  # several calm intervals between them

    hot = make(max_ejection_s=70.0, interval_s=1000.0)
    lengths = []
    for at in (0.0, 31.0, 92.0):
        drive(hot, {"t3"}, now=at)
        lengths.append(state(hot, "t3", now=at))
    assert lengths == ["ejected for 30.0 s", "ejected for 60.0 s", "ejected for 70.0 s"]


def test_no_more_than_the_share_is_ejected_but_always_one() -> None:
    balancer = make()
    drive(balancer, {"t1", "t2", "t3"}, now=0.0, requests=300)
    assert sum("ejected" in status.state for status in balancer.statuses(now=0.0)) == 1

    three = make(3)
    drive(three, {"t1"}, now=0.0)
    assert state(three, "t1", now=0.0).startswith("ejected")


def test_panic_uses_all_targets_and_says_so_when_it_begins_and_ends() -> None:
    balancer = make(max_ejected_share=1.0)
    bad = {f"t{number}" for number in range(6)}
    picks = drive(balancer, bad, now=0.0, requests=500)

    assert picks["t0"] > 40  # 6 of 10 are ejected, fewer than half are left
    assert "panic: 6 of 10 targets are ejected, and all are used" in balancer.explain()
    assert state(balancer, "t0", now=0.0) == "ejected for 30.0 s, but used: panic"
    drive(balancer, set(), now=30.0)
    events = [(it.event, it.facts.get("ejected")) for it in balancer.observations()]
    assert events[:6] == [("balancing.target_ejected", number) for number in range(1, 7)]
    assert events[6] == ("balancing.panic_began", 6)
    assert events[-1] == ("balancing.panic_ended", 0)
    assert balancer.observations() == []


def test_every_target_ejected_is_served_anyway_without_panic_too() -> None:
    balancer = make(3, max_ejected_share=1.0, panic_share=0.0)
    drive(balancer, {"t0", "t1", "t2"}, now=0.0)

    assert drive(balancer, set(), now=1.0).total() == 100
    assert "only ejected targets are left: 3 of 3" in balancer.explain()


def test_an_ejected_target_is_picked_if_the_caller_excludes_the_others() -> None:
    balancer = make(3)
    drive(balancer, {"t1"}, now=0.0)

    pick = balancer.pick(now=0.0, exclude={"t0", "t2"})
    assert pick is not None
    assert pick.target == "t1"


def test_a_target_that_was_let_back_warms_up_inside() -> None:
    policy = OutlierEjection(SlowStart(RoundRobin(), window_s=20.0), base_ejection_s=30.0)
    balancer = Balancer(policy, rng=random.Random(1))
    balancer.update(TEN[:4], now=0.0)
    drive(balancer, {"t3"}, now=100.0)

    assert drive(balancer, set(), now=130.0, requests=400)["t3"] < 30
    assert state(balancer, "t3", now=132.0) == "warming up, 10%"


def test_a_rate_far_below_the_others_ejects_at_the_end_of_an_interval() -> None:
    """Envoy's rule: rates 1, 1, 1, 1 and 0 have mean 0.8 and deviation 0.4: the threshold is 0.04."""
    balancer = make(5, consecutive_failures=None)
    drive(balancer, {"t4"}, now=1.0, requests=500)
    assert state(balancer, "t4", now=9.0) == "serving"
    drive(balancer, set(), now=10.0, requests=1)

    assert state(balancer, "t4", now=10.0) == "ejected for 30.0 s"
    assert balancer.observations()[0].facts["reason"] == "0.0% succeeded, the threshold is 4.0%"


def test_outliers_need_enough_targets_and_requests() -> None:
    counts = {"a": (100, 100), "b": (100, 100), "c": (100, 100), "d": (100, 100), "e": (0, 100), "f": (0, 99)}

    outliers, threshold = success_rate_outliers(counts, factor=1.9, min_targets=5, min_requests=100)
    assert outliers == {"e": 0.0}
    assert threshold == pytest.approx(0.04)
    assert success_rate_outliers(counts, factor=1.9, min_targets=6, min_requests=100)[0] == {}
    assert success_rate_outliers({}, factor=0.0, min_targets=1, min_requests=1)[0] == {}


def test_equal_rates_have_no_outlier() -> None:
    counts = dict.fromkeys("abcdef", (7, 10))

    assert success_rate_outliers(counts, factor=0.0, min_targets=5, min_requests=1)[0] == {}


def test_a_target_that_left_and_came_back_has_a_clean_record() -> None:
    balancer = make(3)
    drive(balancer, {"t1"}, now=0.0)
    balancer.update([TEN[0], TEN[2]], now=1.0)
    balancer.update(TEN[:3], now=2.0)

    assert state(balancer, "t1", now=2.0) == "serving"
