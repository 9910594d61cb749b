"""RandomChoice: shares pass a chi-square test for each of 20 seeds, with and without exclusions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import pytest

from coterie.protocols.balancing import RandomChoice
from tests.protocols.balancing.every_policy import picker_of, picks, targets

PICKS = 20_000


def chi_square_p(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """The chance of a chi-square at least as high as that of these counts, by Wilson and Hilferty's approximation.

    (χ²/k)^⅓ is nearly normal with mean 1 − 2/(9k) and variance 2/(9k); for k ≥ 4 good to a few per cent.
    """
    total = sum(counts.values())
    statistic = sum((counts[key] - total * share) ** 2 / (total * share) for key, share in shares.items())
    spread = 2 / (9 * (len(shares) - 1))
    score = ((statistic / (len(shares) - 1)) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(score / math.sqrt(2)) / 2


@pytest.mark.parametrize("seed", range(20))
def test_equal_targets_get_equal_shares(seed: int) -> None:
    picked = picks(picker_of(RandomChoice(), targets("abcdefgh"), seed=seed), PICKS)

    assert chi_square_p(Counter(picked), dict.fromkeys("abcdefgh", 1 / 8)) > 0.001


@pytest.mark.parametrize("seed", range(20))
def test_shares_follow_the_weights(seed: int) -> None:
    weights = (0.5, 1.0, 3.0, 0.1, 7.0)
    picked = picks(picker_of(RandomChoice(), targets("abcde", *weights), seed=seed), PICKS)

    shares = {key: weight / sum(weights) for key, weight in zip("abcde", weights, strict=True)}
    assert chi_square_p(Counter(picked), shares) > 0.001


@pytest.mark.parametrize("seed", range(20))
def test_an_exclusion_keeps_the_proportions_of_the_others(seed: int) -> None:
    """c has nearly all the weight: most draws are in vain, and the allowed ones are listed."""
    picked = picks(picker_of(RandomChoice(), targets("abcdef", 1, 2, 1000, 3, 1, 1), seed=seed), PICKS, exclude="c")

    assert chi_square_p(Counter(picked), {"a": 1 / 8, "b": 2 / 8, "d": 3 / 8, "e": 1 / 8, "f": 1 / 8}) > 0.001


def test_the_chi_square_test_sees_a_bias_of_a_twentieth() -> None:
    counts = {"a": 4200, "b": 4000, "c": 4000, "d": 4000, "e": 3800}

    assert chi_square_p(counts, dict.fromkeys("abcde", 1 / 5)) < 0.001


def test_successive_picks_are_independent() -> None:
    """All 16 pairs of four targets are equally frequent: a policy with a memory would fail here."""
    picked = picks(picker_of(RandomChoice(), targets("abcd")), 2 * PICKS)
    pairs = Counter(picked[at : at + 2] for at in range(0, 2 * PICKS, 2))

    assert chi_square_p(pairs, {one + other: 1 / 16 for one in "abcd" for other in "abcd"}) > 0.001


def test_the_explanation_names_the_share() -> None:
    picker = picker_of(RandomChoice(), targets("ab", 3.0, 1.0))
    picks(picker, 1, exclude="b")

    assert picker.explain() == "a was drawn at random, with a share of 0.75, from 2 targets"
