from __future__ import annotations

import random
from collections import Counter

import pytest

from coterie.protocols.balancing import Candidate, RandomChoice


def test_shares_follow_the_weights() -> None:
    policy = RandomChoice(random.Random(2))
    candidates = [Candidate("a", 3.0), Candidate("b"), Candidate("c", 0.5)]

    picked = Counter(policy.pick(candidates, now=0.0).key for _ in range(9000))

    assert 5800 < picked["a"] < 6200
    assert 1850 < picked["b"] < 2150
    assert 850 < picked["c"] < 1150


def test_the_same_generator_gives_the_same_picks() -> None:
    candidates = [Candidate(key) for key in "abc"]
    one, other = RandomChoice(random.Random(3)), RandomChoice(random.Random(3))

    assert [one.pick(candidates, now=0.0) for _ in range(50)] == [other.pick(candidates, now=0.0) for _ in range(50)]


def test_nobody_to_pick_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="there are no candidates"):
        RandomChoice(random.Random(1)).pick([], now=0.0)
