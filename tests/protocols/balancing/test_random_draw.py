"""Random draws: no excluded key, all sets of keys equally likely, few keys and many exclusions included."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing.random_draw import draw_allowed, draw_distinct

NOTHING: frozenset[str] = frozenset()


@pytest.mark.parametrize("exclude", [frozenset("a"), frozenset("abcdefgh")])
def test_allowed_keys_are_equally_likely_with_few_and_with_many_exclusions(exclude: frozenset[str]) -> None:
    rng = random.Random(5)
    keys = "abcdefghij"

    drawn = Counter(draw_allowed(keys, exclude, rng) for _ in range(10_000))

    wanted = 10_000 / (10 - len(exclude))
    assert {key for key in keys if key not in exclude} == set(drawn)
    assert all(abs(count - wanted) < 4 * wanted**0.5 for count in drawn.values())


def test_nothing_allowed_is_none() -> None:
    rng = random.Random(1)

    assert draw_allowed("", NOTHING, rng) is None
    assert draw_allowed("ab", frozenset("ab"), rng) is None
    assert draw_distinct("ab", 2, rng, frozenset("ab")) == []


@pytest.mark.parametrize(
    ("keys", "exclude"), [("abcde", NOTHING), ("abcdefghijkl", frozenset("fghijkl")), ("abcdeX", frozenset("X"))]
)
def test_all_pairs_are_equally_likely(keys: str, exclude: frozenset[str]) -> None:
    """Of five allowed keys 20 ordered pairs, 500 of each expected."""
    rng = random.Random(6)

    pairs = Counter(tuple(draw_distinct(keys, 2, rng, exclude)) for _ in range(10_000))

    assert len(pairs) == 20
    assert all(abs(count - 500) < 4 * 500**0.5 for count in pairs.values())


def test_fewer_keys_than_wanted_are_all_drawn() -> None:
    assert sorted(draw_distinct("abc", 5, random.Random(1))) == ["a", "b", "c"]
    assert draw_distinct("abcdefgh", 3, random.Random(1), frozenset("abcdefg")) == ["h"]
