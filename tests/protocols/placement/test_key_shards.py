from __future__ import annotations

from collections import Counter

import pytest

from coterie.protocols.placement import HashShards, RangeShards, ShardId, ShardRange, ShardTable
from coterie.protocols.simulation.placement.placement_trials import SHARDS_OF_KEYS
from coterie.protocols.stable_hash import HASHES, stable_hash

KEYS = [f"key/{number}" for number in range(4000)]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000, 1024])
def test_hash_shards_divide_all_hashes_evenly(count: int) -> None:
    shards = HashShards(count)
    sizes = [(HASHES if it.end is None else it.end) - it.start for it in shards.table]

    assert (len(sizes), sum(sizes)) == (count, HASHES)
    assert max(sizes) - min(sizes) <= 1


def test_keys_are_spread_evenly_over_hash_shards() -> None:
    count = Counter(HashShards(16).shard_of(key) for key in KEYS)

    assert len(count) == 16
    assert max(count.values()) < 1.3 * len(KEYS) / 16


def test_the_shard_of_a_key_never_changes() -> None:
    shards = HashShards(1024)

    assert {key: shards.shard_of(key) for key in SHARDS_OF_KEYS} == SHARDS_OF_KEYS


def test_text_and_its_bytes_are_one_key() -> None:
    for shards in (HashShards(64), RangeShards(["k", "ü"])):
        assert all(shards.shard_of(key) == shards.shard_of(key.encode()) for key in ("", "a", "kü", "ü", "z"))


def test_range_shards_keep_neighbouring_keys_together() -> None:
    shards = RangeShards(["g", b"p"])

    assert [shards.shard_of(key) for key in ("", "f\xff", "g", "ozzz", b"p", "z")] == [0, 0, 1, 1, 2, 2]
    assert shards.range_of(ShardId(1)) == ShardRange(ShardId(1), b"g", b"p")


def test_range_shards_without_boundaries_are_one_shard() -> None:
    assert RangeShards().shards == (0,)


def test_both_kinds_are_split_and_merged_alike() -> None:
    hashes, left, right = HashShards(2).split(ShardId(1), 3 << 62)
    hashes, whole = hashes.merge(ShardId(0), left)
    assert (hashes.shards, hashes.count) == ((whole, right), 2)
    assert all(hashes.shard_of(key) == (whole if stable_hash(key) < 3 << 62 else right) for key in KEYS)

    ranges, left, right = RangeShards(["m"]).split(ShardId(1), "t")
    ranges, whole = ranges.merge(ShardId(0), left)
    assert (ranges.shards, ranges.boundaries) == ((whole, right), (b"m",))
    assert [ranges.shard_of(key) for key in "amst"] == [whole, whole, whole, right]


def test_a_split_at_a_hash_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no hash"):
        HashShards(1).split(ShardId(0), HASHES)


def test_equal_keyspaces_are_equal_whatever_made_them() -> None:
    changed, _, _ = HashShards(2).split(ShardId(0), 5)
    restored = HashShards(2, ShardTable(changed.table.ranges, changed.table.next_id))

    assert restored == changed
    assert hash(restored) == hash(changed)
    assert restored != HashShards(2)


@pytest.mark.parametrize("count", [0, -1, (1 << 20) + 1])
def test_a_number_of_shards_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="a keyspace has 1 to 1048576 shards"):
        HashShards(count)


@pytest.mark.parametrize("boundaries", [[""], ["b", "a"], ["a", "a"], [b"a", "a"]])
def test_boundaries_that_do_not_grow_are_refused(boundaries: list[str | bytes]) -> None:
    with pytest.raises(ValueError, match="shards must grow"):
        RangeShards(boundaries)


def test_one_key_in_place_of_boundaries_is_refused() -> None:
    with pytest.raises(TypeError, match="boundaries is one key, 'abc'"):
        RangeShards("abc")
