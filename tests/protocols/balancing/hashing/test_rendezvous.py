from __future__ import annotations

import random
from collections import Counter

from coterie.protocols.balancing import Target
from coterie.protocols.balancing.hashing import Rendezvous, stable_hash
from coterie.protocols.stable_hash import mix

KEYS = [f"key/{number}" for number in range(5000)]


def owners(targets: list[Target]) -> list[str | None]:
    picker = Rendezvous().make(random.Random(1))
    picker.update(targets, now=0.0)
    return [picker.choose(now=0.0, key=key, exclude=frozenset()) for key in KEYS]


def test_the_target_of_the_highest_hash_wins() -> None:
    expected = [max("abc", key=lambda target: mix(stable_hash(key) ^ stable_hash(target))) for key in KEYS]

    assert owners([Target(key) for key in "abc"]) == expected


def test_a_changed_weight_moves_keys_from_and_to_that_target_alone() -> None:
    before = owners([Target(key) for key in "abcd"])
    after = owners([Target("a", 2.0), *(Target(key) for key in "bcd")])
    moves = Counter((one, other) for one, other in zip(before, after, strict=True) if one != other)

    assert all(other == "a" for _, other in moves)
    assert 0.12 < moves.total() / len(KEYS) < 0.18  # from 1/4 to 2/5


def test_keys_of_a_target_that_left_are_spread_evenly() -> None:
    before, after = owners([Target(key) for key in "abcde"]), owners([Target(key) for key in "abcd"])
    moves = Counter(other for one, other in zip(before, after, strict=True) if one == "e")

    assert max(moves.values()) < 1.3 * min(moves.values())
