"""CreditGroups: its picks are those of nginx's loop over all targets, with and without exclusions."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from coterie.protocols.balancing.choices import credit_groups
from coterie.protocols.balancing.choices.credit_groups import CreditGroups


class PlainLoop:
    """nginx's algorithm as it is published, over all targets."""

    def __init__(self, weights: Sequence[float], credit: Sequence[float]) -> None:
        self.weights, self.credit = weights, list(credit)

    def take(self, excluded: Sequence[int] = ()) -> int:
        best = -1
        for number, weight in enumerate(self.weights):
            if number not in excluded:
                self.credit[number] += weight
                if best < 0 or self.credit[number] > self.credit[best]:
                    best = number
        self.credit[best] -= sum(weight for number, weight in enumerate(self.weights) if number not in excluded)
        return best


def take(groups: CreditGroups, count: int) -> str:
    return "".join("abcdefgh"[groups.take()] for _ in range(count))


def test_the_published_example_has_no_bursts() -> None:
    assert take(CreditGroups([5, 1, 1], [0, 0, 0]), 14) == "aabacaa" * 2


def test_three_weights_by_hand() -> None:
    """3, 2, 1: credits 3 2 1 → a; 0 4 2 → b; 3 0 3 → a; 0 2 4 → c; 3 4 -1 → b; 6 0 0 → a, and all are 0 again."""
    groups = CreditGroups([3, 2, 1], [0, 0, 0])

    assert take(groups, 6) == "abacba"
    assert groups.credits() == [0, 0, 0]


def test_equal_weights_are_round_robin() -> None:
    assert take(CreditGroups([2, 2, 2], [0, 0, 0]), 7) == "abcabca"


@pytest.mark.parametrize("seed", range(30))
def test_the_picks_are_those_of_the_plain_loop(seed: int) -> None:
    """Whole weights and halves, so that both compute exactly; many ties, and in each third turn some are excluded."""
    rng = random.Random(seed)
    count = rng.randint(1, 20)
    weights = [rng.randint(1, rng.choice([2, 5, 50])) / 2 for _ in range(count)]
    credit = [float(rng.randint(-3, 3)) for _ in range(count)]
    groups, loop = CreditGroups(weights, credit), PlainLoop(weights, credit)

    for turn in range(600):
        excluded = sorted(rng.sample(range(count), rng.randrange(count))) if turn % 3 == 0 else []
        assert (groups.take_without(excluded) if excluded else groups.take()) == loop.take(excluded)
        assert groups.credits() == loop.credit


def test_a_target_that_is_excluded_for_long_gains_and_loses_nothing() -> None:
    groups = CreditGroups([1, 1, 2], [0, 0, 0])
    before = groups.credits()
    for _ in range(300):
        groups.take_without([0])

    assert groups.credits() == before
    assert sum(len(heap) for heap in groups._heaps) < 10


def test_all_excluded_is_no_turn() -> None:
    assert CreditGroups([1, 2], [0, 0]).take_without([0, 1]) is None


def test_a_fresh_computation_of_the_credits_changes_no_pick(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = [5, 3, 3, 1]
    long_run = take(CreditGroups(weights, [0] * 4), 500)
    monkeypatch.setattr(credit_groups, "TURNS_MAX", 7)

    assert take(CreditGroups(weights, [0] * 4), 500) == long_run
