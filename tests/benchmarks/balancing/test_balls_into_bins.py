from __future__ import annotations

import pytest

from benchmarks.balancing.balls_into_bins import expected_fullest, fullest
from coterie.protocols.balancing import LeastRequest, Policy, RandomChoice


@pytest.mark.parametrize(("policy", "choices"), [(RandomChoice(), 1), (LeastRequest(choices=2), 2)], ids=["1", "2"])
def test_the_fullest_target_is_that_of_theory(policy: Policy, choices: int) -> None:
    mean = sum(fullest(policy, 1000, seed) for seed in range(5)) / 5

    assert mean == pytest.approx(expected_fullest(1000, choices), abs=0.7)


def test_theory_of_one_choice_is_the_poisson_distribution() -> None:
    """Of two targets with one request on average, the mean of the larger load is 1.5237."""
    assert expected_fullest(2, 1) == pytest.approx(1.5237, abs=0.001)
