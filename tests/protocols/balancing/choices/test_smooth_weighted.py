"""SmoothWeighted: exact shares over a cycle, no bursts, no debts of those that come and go."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing import SmoothWeighted
from tests.protocols.balancing.every_policy import picker_of, picks, targets


def test_the_published_example_has_no_bursts() -> None:
    """Weights 5, 1, 1 give a a b a c a a, over and over, from any position; b and c may change places."""
    picked = picks(picker_of(SmoothWeighted(), targets("abc", 5.0, 1.0, 1.0)), 21)

    assert picked in "aabacaa" * 5 or picked in "aacabaa" * 5


@pytest.mark.parametrize("seed", range(20))
def test_of_as_many_picks_in_a_row_as_all_weights_together_each_gets_its_weight(seed: int) -> None:
    rng = random.Random(seed)
    weights = {key: rng.randint(1, 6) for key in "abcde"[: rng.randint(1, 5)]}
    total = sum(weights.values())

    picked = picks(picker_of(SmoothWeighted(), targets(weights, *map(float, weights.values())), seed=seed), 10 * total)

    for start in range(9 * total):
        assert Counter(picked[start : start + total]) == weights


@pytest.mark.parametrize("seed", range(10))
def test_targets_that_come_and_go_leave_no_debt(seed: int) -> None:
    """Whatever happened before, a set of targets that stays is served by its weights."""
    rng = random.Random(seed)
    everybody = targets("abcdef", *[float(rng.randint(1, 4)) for _ in "abcdef"])
    picker = picker_of(SmoothWeighted(), everybody, seed=seed)
    for _ in range(50):
        picker.update(rng.sample(everybody, rng.randint(1, 6)), now=0.0)
        picks(picker, rng.randint(1, 5), exclude=rng.choice(["", "a", "bcd"]))
    picker.update(everybody, now=0.0)

    total = int(sum(target.weight for target in everybody))
    picked = Counter(picks(picker, 20 * total))

    for target in everybody:
        assert abs(picked[target.key] - 20 * target.weight) <= 6 + target.weight


def test_a_changed_weight_counts_from_the_next_pick_on() -> None:
    picker = picker_of(SmoothWeighted(), targets("ab"))
    picks(picker, 5)
    picker.update(targets("ab", 3.0, 1.0), now=0.0)

    assert Counter(picks(picker, 400))["a"] in {299, 300, 301}


@pytest.mark.parametrize("before", [(8000.0, 8000.0), (1e300, 1e300), (1.0, 999.0)])
def test_no_debt_outlives_weights_that_were_much_higher(before: tuple[float, float]) -> None:
    for count in range(3):
        picker = picker_of(SmoothWeighted(), targets("ab", *before))
        picks(picker, count)
        picker.update(targets("ab"), now=0.0)

        assert set(picks(picker, 4)) == set("ab")


def test_callers_that_start_together_do_not_move_in_step() -> None:
    first = Counter(picks(picker_of(SmoothWeighted(), targets("abc"), seed=seed), 1) for seed in range(300))

    assert min(first[key] for key in "abc") > 70


def test_the_explanation_names_weight_and_credit() -> None:
    picker = picker_of(SmoothWeighted(), targets("ab", 2.0, 1.0))
    picks(picker, 1, exclude="b")

    assert picker.explain().startswith("a (weight 2) had the highest credit of 2 targets; after its turn it has ")
