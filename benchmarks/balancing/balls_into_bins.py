"""Balls into bins: the fullest of n targets after n requests that stay open, for d random choices, against theory.

The floor is theory: with d choices, the share of targets with at least i requests, s_i, follows ds_i/dt = s_{i-1}^d -
s_i^d (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001), for d = 1 the Poisson distribution;
the fullest of n has Σ (1 - (1 - s_i)^n) requests on average. For large n that is ln n / ln ln n for d = 1, and
ln ln n / ln d + O(1) for more.
"""

from __future__ import annotations

import random

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.balancing import Balancer, LeastRequest, Policy, RandomChoice, Target

__all__ = ["run"]

CHOICES = (1, 2, 3, 5)
LOADS_MAX = 40
"""Loads above this are not computed: at one request per target none is."""
STEPS = 1000
"""Steps of the integration."""


async def run(
    *, sizes: tuple[int, ...] = (100, 10_000), seeds: int = 10, results: list[Result] | None = None
) -> list[Result]:
    """Measure the fullest target for each number of targets and choices."""
    progress = Progress(len(sizes) * len(CHOICES))
    results = [] if results is None else results
    for size in sizes:
        for choices in CHOICES:
            progress.show(f"{size} targets, {choices} choices")
            policy: Policy = RandomChoice() if choices == 1 else LeastRequest(choices=choices)
            runs = tuple(float(fullest(policy, size, seed)) for seed in range(seeds))
            theory = expected_fullest(size, choices)
            detail: dict[str, float | int | str] = {"mean": sum(runs) / seeds}
            results.append(Result(f"balls_into_bins/{size}/{choices}", "coterie", "requests", runs, theory, detail))
    progress.clear()
    return results


def fullest(policy: Policy, size: int, seed: int) -> int:
    """Send `size` requests to as many targets, and answer none; return the most that one has."""
    balancer = Balancer(policy, rng=random.Random(seed))
    balancer.update([Target(f"t{number}") for number in range(size)], now=0.0)
    for _ in range(size):
        balancer.pick(now=0.0)
    return max(status.in_flight for status in balancer.statuses(now=0.0))


def expected_fullest(size: int, choices: int) -> float:
    """Return the mean load of the fullest of `size` targets after one request per target, by theory."""
    shares = [1.0] + [0.0] * LOADS_MAX
    for _ in range(STEPS):
        middle = _step(shares, shares, choices, 0.5 / STEPS)
        shares = _step(shares, middle, choices, 1.0 / STEPS)
    return sum(1.0 - (1.0 - min(1.0, share)) ** size for share in shares[1:])


def _step(shares: list[float], slopes_at: list[float], choices: int, seconds: float) -> list[float]:
    powers = [share**choices for share in slopes_at]
    grown = [shares[load] + seconds * (powers[load - 1] - powers[load]) for load in range(1, len(shares))]
    return [1.0, *grown]
