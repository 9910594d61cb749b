"""LeastLoaded, LeastRequest and PowerOfTwoChoices: they pick by measured load, break ties fairly, beat random."""

from __future__ import annotations

from collections import Counter

import pytest

from coterie.protocols.balancing import (
    InFlight,
    LeastLoaded,
    LeastRequest,
    PeakEwma,
    Policy,
    PowerOfTwoChoices,
    RandomChoice,
)
from tests.protocols.balancing.every_policy import pick, picker_of, picks, settle, targets


def test_the_least_loaded_of_all_is_picked() -> None:
    picker = picker_of(LeastLoaded(), targets("abc"))
    picks(picker, 6)  # two each
    settle(picker, "b")

    assert pick(picker) == "b"
    assert pick(picker, exclude="ac") == "b"


@pytest.mark.parametrize("seed", range(5))
def test_without_answers_the_least_loaded_is_round_robin_in_random_order(seed: int) -> None:
    picked = picks(picker_of(LeastLoaded(), targets("abcd"), seed=seed), 12)

    assert all(sorted(picked[at : at + 4]) == list("abcd") for at in (0, 4, 8))


def test_equal_targets_are_equally_likely() -> None:
    first = Counter(picks(picker_of(LeastLoaded(), targets("abc"), seed=seed), 1) for seed in range(300))

    assert min(first[key] for key in "abc") > 70


def test_load_is_per_weight() -> None:
    """Weights 3 and 1: of 40 open requests a holds 30."""
    picked = Counter(picks(picker_of(LeastLoaded(), targets("ab", 3.0, 1.0)), 40))

    assert picked["a"] == 30


@pytest.mark.parametrize("policy", [LeastRequest(), PowerOfTwoChoices(), PowerOfTwoChoices(PeakEwma())])
def test_of_two_targets_the_less_loaded_one_is_always_picked(policy: Policy) -> None:
    picker = picker_of(policy, targets("ab"))
    for target in "aab":
        picker.picked(target, now=0.0)
        settle(picker, target, now=0.0)
    picker.picked("a", now=0.0)

    assert {picker.choose(now=0.0, key=None, exclude=frozenset()) for _ in range(50)} == {"b"}


def test_two_choices_draw_two_different_targets_with_equal_chances() -> None:
    """d is loaded: it is picked only if it is drawn twice, which must not happen; a, b and c are equally likely."""
    picker = picker_of(PowerOfTwoChoices(), targets("abcd"))
    picker.picked("d", now=0.0)

    first = Counter(picker.choose(now=0.0, key=None, exclude=frozenset()) for _ in range(3000))

    assert first["d"] == 0
    assert all(abs(first[key] - 1000) < 110 for key in "abc")  # four standard deviations


def test_more_choices_come_closer_to_the_least_loaded() -> None:
    """One idle target of 20: it is among 2 drawn with chance 1/10, among 10 with 1/2."""
    keys = "abcdefghijklmnopqrst"
    shares = []
    for choices in (2, 10):
        picker = picker_of(LeastRequest(choices=choices), targets(keys))
        for key in keys[1:]:
            picker.picked(key, now=0.0)
        shares.append(sum(picker.choose(now=0.0, key=None, exclude=frozenset()) == "a" for _ in range(2000)) / 2000)

    assert shares == [pytest.approx(0.1, abs=0.03), pytest.approx(0.5, abs=0.05)]


def fullest(policy: Policy, seed: int) -> int:
    """The most of 1,000 requests without an answer that one of 1,000 targets gets: balls into bins."""
    picker = picker_of(policy, targets([f"t{number}" for number in range(1000)]), seed=seed)
    return max(Counter(pick(picker) for _ in range(1000)).values())


@pytest.mark.parametrize("seed", range(5))
def test_two_choices_beat_randoms_maximum(seed: int) -> None:
    """Theory: about 5.5 for one choice (log n / log log n and its constant), 3 for two (log₂ log n)."""
    random_maximum, two, five = (
        fullest(policy, seed) for policy in (RandomChoice(), PowerOfTwoChoices(InFlight()), LeastRequest(choices=5))
    )

    assert random_maximum >= 5
    assert two <= 3
    assert five == 2


def test_the_explanation_names_the_loads_that_were_compared() -> None:
    picker = picker_of(PowerOfTwoChoices(), targets("ab"))
    picker.picked("a", now=0.0)
    picker.choose(now=0.0, key=None, exclude=frozenset())
    assert picker.explain() == (
        "of 2 drawn from 2 targets the load was lowest at b: b at 1 (now 0 in flight) and a at 2 (now 1 in flight)"
    )

    picker.update(targets("b"), now=0.0)
    assert picker.explain().endswith("b at 1 (now 0 in flight) and a at 2")


def test_the_explanation_of_the_least_loaded_names_its_load() -> None:
    picker = picker_of(LeastLoaded(), targets("ab", 1.0, 2.0))
    picker.choose(now=0.0, key=None, exclude=frozenset())

    assert picker.explain() == "b has the lowest load of 2 targets, 0.5 (now 0 in flight at weight 2)"


@pytest.mark.parametrize("choices", [1, 0, -3])
def test_fewer_than_two_choices_are_refused(choices: int) -> None:
    with pytest.raises(ValueError, match=f"choices={choices} must be at least 2"):
        LeastRequest(choices=choices)
