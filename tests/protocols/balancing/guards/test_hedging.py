from __future__ import annotations

import random

import pytest

from coterie.protocols.balancing.guards import Hedging


@pytest.mark.parametrize(
    ("field", "value"),
    [("after_quantile", 1.0), ("after_quantile", 0.0), ("after_s", 0.0), ("max_share", 0.0), ("max_share", 1.5),
     ("samples", 9), ("min_samples", 501), ("min_samples", 0)],
)  # fmt: skip
def test_a_field_out_of_range_is_refused_and_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        Hedging(**{field: value})  # type: ignore[arg-type]


def test_nothing_is_hedged_before_enough_latencies_are_known() -> None:
    hedger = Hedging(min_samples=3).make()
    hedger.waited(0.1)
    hedger.waited(0.1)

    assert hedger.delay_s() is None
    hedger.waited(0.3)
    assert hedger.delay_s() == 0.3


def test_the_delay_is_the_quantile_of_the_last_latencies_by_nearest_rank() -> None:
    hedger = Hedging(samples=100, min_samples=100).make()
    latencies = [number / 1000 for number in range(1, 101)]
    random.Random(1).shuffle(latencies)
    for latency_s in latencies:
        hedger.waited(latency_s)

    assert hedger.delay_s() == 0.095


def test_old_latencies_are_forgotten_and_memory_is_bounded() -> None:
    hedger = Hedging(samples=10, min_samples=1).make()
    for latency_s in [5.0] * 100 + [0.1] * 10:
        hedger.waited(latency_s)

    assert hedger.delay_s() == 0.1
    assert len(hedger._sorted) == len(hedger._newest) == 10


def test_a_fixed_delay_needs_no_latencies() -> None:
    hedger = Hedging(after_s=0.05).make()
    hedger.waited(1.0)

    assert hedger.delay_s() == 0.05


def test_second_requests_are_at_most_their_share_even_if_every_request_is_slow() -> None:
    hedger, hedged = Hedging(after_s=0.01, max_share=0.05).make(), 0
    for number in range(2000):
        now = number / 100
        hedger.sent(now=now)
        hedged += hedger.take(now=now)

    assert hedged == hedger.taken == 100
    assert hedger.refused == 1900


def test_second_requests_stay_near_their_share_although_the_first_are_not_waited_for() -> None:
    """Second attempts answer at once. Each cuts a sample short: the delay shrinks a little, and does not collapse."""
    rng, hedger, hedged = random.Random(3), Hedging(max_share=1.0).make(), 0
    for number in range(20_000):
        latency_s, delay_s = rng.expovariate(100.0), hedger.delay_s()
        hedger.sent(now=number / 1000)
        if delay_s is not None and latency_s > delay_s:
            hedged += hedger.take(now=number / 1000)
            latency_s = delay_s + 1e-4
        hedger.waited(latency_s)

    assert 0.04 < hedged / 20_000 < 0.08
