from __future__ import annotations

import random

import pytest

from coterie.protocols.balancing import Target
from coterie.protocols.balancing.hashing import JumpHash
from coterie.protocols.balancing.hashing.jump_hash import jump_bucket


@pytest.mark.parametrize(
    ("key_hash", "buckets", "bucket"),
    [(1, 1, 0), (42, 57, 43), (256, 1024, 520), (0xDEAD10CC, 1, 0), (0xDEAD10CC, 666, 361),
     (16045690984833335023, 255, 237)],
)  # fmt: skip
def test_the_bucket_is_that_of_public_test_vectors(key_hash: int, buckets: int, bucket: int) -> None:
    assert jump_bucket(key_hash, buckets) == bucket


def test_a_bucket_more_takes_its_part_from_each_of_the_others() -> None:
    rng = random.Random(1)
    hashes = [rng.getrandbits(64) for _ in range(20_000)]
    moves = [jump_bucket(it, 10) for it in hashes if jump_bucket(it, 10) != jump_bucket(it, 11)]

    assert len(moves) / 20_000 == pytest.approx(1 / 11, abs=0.01)
    assert all(jump_bucket(it, 11) in {jump_bucket(it, 10), 10} for it in hashes)
    assert set(moves) == set(range(10))


def test_the_numbers_are_the_order_of_the_targets() -> None:
    picker = JumpHash().make(random.Random(1))
    picker.update([Target("z"), Target("a")], now=0.0)
    first = [picker.choose(now=0.0, key=str(number), exclude=frozenset()) for number in range(50)]
    picker.update([Target("a"), Target("z")], now=0.0)
    second = [picker.choose(now=0.0, key=str(number), exclude=frozenset()) for number in range(50)]

    assert second == [{"z": "a", "a": "z"}[key or ""] for key in first]
