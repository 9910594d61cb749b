"""Probe rates: fractional rates keep their expectation, and the reuse budget is equation 1 of the Prequal paper."""

from __future__ import annotations

import math
import random

import pytest

from coterie.protocols.balancing.prequal.probe_rates import FractionalRate, reuse_budget, round_at_random


def budget(
    *,
    pool_size: int = 16,
    targets: int = 100,
    probes_per_pick: float = 3.0,
    removals_per_pick: float = 1.0,
    delta: float = 1.0,
) -> float:
    return reuse_budget(
        pool_size=pool_size,
        targets=targets,
        probes_per_pick=probes_per_pick,
        removals_per_pick=removals_per_pick,
        delta=delta,
    )


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("phase", [0.0, 0.3, 0.99])
def test_a_fractional_rate_adds_up_to_within_one(rate: float, phase: float) -> None:
    turns = FractionalRate(rate, phase)

    total = 0
    for turn in range(1, 1001):
        total += turns.take()
        assert abs(total - turn * rate) < 1 + 1e-9


def test_a_whole_rate_is_the_same_at_each_turn() -> None:
    turns = FractionalRate(3.0, 0.7)

    assert [turns.take() for _ in range(100)] == [3] * 100


def test_half_a_probe_per_pick_is_one_at_each_second_pick() -> None:
    turns = FractionalRate(0.5)

    assert [turns.take() for _ in range(6)] == [0, 1, 0, 1, 0, 1]


def test_the_budget_of_the_papers_baseline() -> None:
    """§5: m 16, n 100, r_probe 3, r_remove 1, δ 1: 2 / (0.84 · 3 − 1) = 2 / 1.52."""
    assert budget() == pytest.approx(2 / 1.52)


def test_a_probe_serves_one_pick_at_least() -> None:
    """5 probes: 2 / (0.84 · 5 − 1) = 0.625, raised to 1."""
    assert budget(probes_per_pick=5.0) == 1.0


@pytest.mark.parametrize("targets", [0, 1, 16, 17, 24])
def test_a_divisor_of_zero_or_less_means_no_bound(targets: int) -> None:
    """24 targets: (1 − 16/24) · 3 − 1 = 0, and fewer targets are below."""
    assert budget(targets=targets) == math.inf


def test_a_divisor_just_above_zero_is_a_large_bound() -> None:
    assert budget(targets=25) == pytest.approx(2 / (3 * 9 / 25 - 1))


def test_rounding_at_random_keeps_the_mean() -> None:
    rng = random.Random(4)

    rounded = [round_at_random(1.316, rng) for _ in range(20_000)]

    assert set(rounded) == {1, 2}
    assert sum(rounded) / len(rounded) == pytest.approx(1.316, abs=0.012)  # 3.6 standard deviations of the mean


def test_infinity_is_not_rounded() -> None:
    assert round_at_random(math.inf, random.Random(1)) == math.inf
