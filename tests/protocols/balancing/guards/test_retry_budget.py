from __future__ import annotations

import random

import pytest

from coterie.protocols.balancing.guards import RetryBudget


@pytest.mark.parametrize(
    ("field", "value"),
    [("ratio", -0.1), ("ratio", float("nan")), ("ratio", 1001.0), ("min_per_s", -1.0), ("min_per_s", float("inf")),
     ("window_s", 0.0), ("window_s", float("inf"))],
)  # fmt: skip
def test_a_field_out_of_range_is_refused_and_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{field}={value}"):
        RetryBudget(**{field: value})


def test_five_requests_pay_for_one_retry() -> None:
    budget = RetryBudget(ratio=0.2, min_per_s=0).make()
    allowed = []
    for _ in range(10):
        budget.sent(now=0.0)
        allowed.append(budget.take(now=0.0))

    assert allowed == [False] * 4 + [True] + [False] * 4 + [True]
    assert (budget.taken, budget.refused) == (2, 8)


def test_the_reserve_allows_retries_without_requests_and_comes_back_after_a_window() -> None:
    budget = RetryBudget(ratio=0.2, min_per_s=1, window_s=10).make()

    assert budget.left(now=0.0) == 10
    assert [budget.take(now=0.0) for _ in range(11)] == [True] * 10 + [False]
    assert not budget.take(now=9.9)
    assert budget.left(now=10.0) == 10


def test_requests_expire() -> None:
    budget = RetryBudget(ratio=0.5, min_per_s=0, window_s=10).make()
    for _ in range(10):
        budget.sent(now=3.0)

    assert budget.left(now=12.9) == 5
    assert budget.left(now=13.0) == 0
    assert budget.left(now=1e9) == 0


def test_a_clock_that_starts_below_zero_or_goes_back_a_little_does_no_harm() -> None:
    budget = RetryBudget(ratio=1.0, min_per_s=0, window_s=10).make()
    budget.sent(now=-5.0)
    budget.sent(now=-6.5)

    assert budget.left(now=-5.0) == 2


@pytest.mark.parametrize("seed", range(20))
def test_retries_are_at_most_the_ratio_of_the_requests_and_the_reserve_whatever_fails(seed: int) -> None:
    """In the window that ends with any retry, and so, with a reserve for each window begun, over the whole run."""
    rng = random.Random(seed)
    settings = RetryBudget(ratio=rng.choice([0.0, 0.1, 0.2, 0.5]), min_per_s=rng.choice([0.0, 0.3, 2.0]))
    budget, now, reserve = settings.make(), 0.0, settings.min_per_s * settings.window_s
    requests, retries = [0] * 60, [0] * 60  # per second, which is a slice
    while (now := now + rng.expovariate(rng.choice([1.0, 200.0]))) < 60.0:
        second = int(now)
        budget.sent(now=now)
        requests[second] += 1
        while budget.take(now=now):  # every attempt fails
            retries[second] += 1
            window = slice(max(0, second - 9), second + 1)
            assert sum(retries[window]) <= settings.ratio * sum(requests[window]) + reserve + 1e-6

    assert sum(retries) <= settings.ratio * sum(requests) + 6 * reserve
