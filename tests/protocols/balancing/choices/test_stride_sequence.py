"""StrideSequence and StaticStride: exact shares over a cycle, evenly spread, and the rule of gRPC by hand."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing import StaticStride
from coterie.protocols.balancing.choices.stride_sequence import StrideSequence
from tests.protocols.balancing.every_policy import picker_of, picks, targets

CYCLE = 65_535


def take(sequence: StrideSequence, count: int) -> list[int]:
    return [sequence.take() for _ in range(count)]


def test_equal_weights_are_round_robin() -> None:
    assert take(StrideSequence([0.2, 0.2, 0.2], 1), 7) == [1, 2, 0, 1, 2, 0, 1]


def test_the_rule_by_hand() -> None:
    """Weights 65,535 and 32,768 (half, rounded up). b is returned unless (32,768 · r + 32,767) mod 65,535 < 32,767.

    Round 0: 32,767, returned. Round 1: 65,535 mod 65,535 = 0, skipped. Round 2: 98,303 − 65,535 = 32,768, returned.
    Round 3: 131,071 − 131,070 = 1, skipped.
    """
    assert take(StrideSequence([1.0, 0.5], 0), 6) == [0, 1, 0, 0, 1, 0]


@pytest.mark.parametrize("position", [0, 12_345])
@pytest.mark.parametrize("weights", [[3.0, 1.0], [5.0, 2.0, 2.0, 1.0], [1.0, 0.001]])
def test_shares_are_exact_over_a_cycle_from_any_round(weights: list[float], position: int) -> None:
    sequence = StrideSequence(weights, position * len(weights))

    counts = Counter(take(sequence, sum(sequence.weights)))

    assert [counts[number] for number in range(len(weights))] == sequence.weights
    assert sequence.weights == [round(CYCLE * weight / max(weights)) for weight in weights]


@pytest.mark.parametrize("seed", range(5))
def test_the_picks_of_each_target_are_evenly_spread(seed: int) -> None:
    """At any time a target has had its share of the rounds, to within one pick."""
    rng = random.Random(seed)
    sequence = StrideSequence([rng.randint(1, 9) for _ in range(5)], 0)

    counts = Counter[int]()
    for _ in range(3000):
        counts[sequence.take()] += 1
        rounds = sequence.position / 5
        for number, weight in enumerate(sequence.weights):
            assert abs(counts[number] - rounds * weight / CYCLE) < 2


def test_a_light_target_is_not_forgotten() -> None:
    assert StrideSequence([1e6, 1.0], 0).weights == [CYCLE, 1]


def test_the_policy_serves_by_weight() -> None:
    picked = Counter(picks(picker_of(StaticStride(), targets("abc", 3.0, 1.0, 0.5)), 9000))

    assert abs(picked["a"] - 6000) < 5
    assert abs(picked["b"] - 2000) < 5


def test_the_walk_continues_when_the_weights_change() -> None:
    picker = picker_of(StaticStride(), targets("abcd"))
    first = picks(picker, 6)
    picker.update(targets("abcd", 1.0, 1.0, 1.0, 1.0), now=0.0)

    assert first + picks(picker, 6) in "abcd" * 5


def test_only_light_targets_being_allowed_keeps_their_proportions() -> None:
    picked = Counter(picks(picker_of(StaticStride(), targets("abc", 1e4, 30.0, 10.0)), 4000, exclude="a"))

    assert picked["b"] / picked["c"] == pytest.approx(3.0, abs=0.4)


def test_callers_that_start_together_do_not_move_in_step() -> None:
    first = Counter(picks(picker_of(StaticStride(), targets("abc"), seed=seed), 1) for seed in range(300))

    assert min(first[key] for key in "abc") > 70
