"""`FractionalRate` and `reuse_budget`: compute the probes and removals of a pick, and how often a probe is used."""

from __future__ import annotations

import math
import random

__all__ = ["FractionalRate", "reuse_budget", "round_at_random"]


class FractionalRate:
    """Turns a rate that need not be whole into whole numbers: over n turns they add up to n · rate, to within one.

    Rounding each turn down would lose the fraction: a rate of 0.5 would never do anything.

    Args:
        rate: per turn, at least 0.
        phase: the fraction with which it starts, 0 … 1, drawn at random: callers do not move in step.
    """

    __slots__ = ("_fraction", "_owed", "_whole")

    def __init__(self, rate: float, phase: float = 0.0) -> None:
        self._whole = int(rate)
        self._fraction = rate - self._whole
        self._owed = phase

    def take(self) -> int:
        """Return the number of this turn."""
        if not self._fraction:
            return self._whole
        self._owed += self._fraction
        if self._owed < 1:
            return self._whole
        self._owed -= 1
        return self._whole + 1


def reuse_budget(
    *, pool_size: int, targets: int, probes_per_pick: float, removals_per_pick: float, delta: float
) -> float:
    """Return how many picks one probe serves on average, at least 1; infinity if there is no bound.

    Prequal §4, equation 1: max(1, (1 + δ) / ((1 − m/n) · r_probe − r_remove)). The divisor is what a pick adds to the
    pool: a probe of a target that is in the pool already (m of n are) replaces its older one, and adds nothing. If no
    pick adds anything (few targets, few probes), every bound would empty the pool: then there is none.
    """
    if targets == 0:
        return math.inf
    added_per_pick = (1 - pool_size / targets) * probes_per_pick - removals_per_pick
    return max(1.0, (1 + delta) / added_per_pick) if added_per_pick > 0 else math.inf


def round_at_random(value: float, rng: random.Random) -> float:
    """Return `value` rounded up or down, at random, so that the mean is kept; infinity stays as it is."""
    if math.isinf(value):
        return value
    below = math.floor(value)
    return below + (rng.random() < value - below)
