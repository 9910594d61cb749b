"""RoundRobin: the counts of targets never differ by more than one, and callers do not move in step."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing import RoundRobin
from tests.protocols.balancing.every_policy import picker_of, picks, targets


def test_each_target_is_picked_in_turn_whatever_its_weight() -> None:
    picked = picks(picker_of(RoundRobin(), targets("abc", 9.0, 1.0, 1.0)), 9)

    assert picked in {turn * 3 for turn in ("abc", "bca", "cab")}


@pytest.mark.parametrize("seed", range(10))
def test_the_counts_of_any_two_targets_differ_by_at_most_one_at_any_time(seed: int) -> None:
    keys = "abcdefghijk"[: random.Random(seed).randint(1, 11)]
    picker = picker_of(RoundRobin(), targets(keys), seed=seed)

    counts = Counter(dict.fromkeys(keys, 0))
    for _ in range(200):
        counts.update(picks(picker, 1))
        assert max(counts.values()) - min(counts.values()) <= 1


def test_it_continues_when_the_targets_change() -> None:
    picker = picker_of(RoundRobin(), targets("abc"))
    picks(picker, 4)
    picker.update(targets("ab"), now=0.0)

    assert picks(picker, 4) in {"abab", "baba"}


def test_an_excluded_target_loses_its_turn() -> None:
    assert picks(picker_of(RoundRobin(), targets("abc")), 4, exclude="b") in {"acac", "caca"}


def test_callers_that_start_together_do_not_move_in_step() -> None:
    first = Counter(picks(picker_of(RoundRobin(), targets("abc"), seed=seed), 1) for seed in range(300))

    assert min(first[key] for key in "abc") > 70


def test_the_explanation_names_the_turn() -> None:
    picker = picker_of(RoundRobin(), targets("abc"))
    picks(picker, 1, exclude="bc")

    assert picker.explain() == "it was the turn of a, one of 3"
