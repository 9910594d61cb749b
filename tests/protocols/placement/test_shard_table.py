from __future__ import annotations

import random

import pytest

from coterie.protocols.placement.shard_table import ShardId, ShardRange, ShardTable, founding_table

ZERO, ONE, TWO, THREE = (ShardId(number) for number in range(4))


def test_each_point_is_in_the_range_of_its_shard_alone() -> None:
    table = founding_table([0, 10, 25])

    for point in range(40):
        having = [it.shard for it in table if it.has(point)]
        assert having == [table.shard_at(point)]


def test_a_split_gives_the_points_from_there_on_to_the_right_half_and_both_halves_are_new() -> None:
    table, left, right = founding_table([0, 10]).split(ZERO, 4)

    assert (left, right) == (TWO, THREE)
    assert table.ranges == (ShardRange(TWO, 0, 4), ShardRange(THREE, 4, 10), ShardRange(ONE, 10, None))
    assert [table.shard_at(point) for point in (3, 4, 9, 10)] == [left, right, right, ONE]


def test_a_merge_is_the_reverse_of_a_split_under_a_new_identity() -> None:
    table, left, right = founding_table([b"", b"m"]).split(ONE, b"t")
    table, merged = table.merge(left, right)

    assert table.ranges == (ShardRange(ZERO, b"", b"m"), ShardRange(ShardId(4), b"m", None))
    assert (merged, table.next_id) == (4, 5)


@pytest.mark.parametrize("at", [10, 20, 9, 25, 0])
def test_a_split_that_leaves_one_half_empty_is_refused(at: int) -> None:
    with pytest.raises(ValueError, match="shard 1 cannot be split at"):
        founding_table([0, 10, 20]).split(ONE, at)


@pytest.mark.parametrize("pair", [(ZERO, TWO), (ONE, ZERO), (ONE, ONE)])
def test_a_merge_of_shards_that_are_not_neighbours_in_this_order_is_refused(pair: tuple[ShardId, ShardId]) -> None:
    with pytest.raises(ValueError, match="does not begin where"):
        founding_table([0, 10, 20]).merge(*pair)


def test_a_shard_that_is_not_there_is_named_with_what_became_of_it() -> None:
    table, _, _ = founding_table([0]).split(ZERO, 5)

    with pytest.raises(LookupError, match="no shard 0: it has been split or merged"):
        table.range_of(ZERO)
    with pytest.raises(LookupError, match="no shard 9: there never was one"):
        table.merge(ONE, ShardId(9))


@pytest.mark.parametrize(
    "ranges",
    [
        (),
        (ShardRange(ZERO, 1, None),),
        (ShardRange(ZERO, 0, 9),),
        (ShardRange(ZERO, 0, 4), ShardRange(ONE, 5, None)),
        (ShardRange(ZERO, 0, 6), ShardRange(ONE, 5, None)),
        (ShardRange(ZERO, 0, None), ShardRange(ONE, 5, None)),
        (ShardRange(ZERO, 0, 0), ShardRange(ONE, 0, None)),
        (ShardRange(ZERO, 0, 5), ShardRange(ZERO, 5, None)),
        (ShardRange(TWO, 0, None),),
        (ShardRange(ShardId(-1), 0, None),),
    ],
)
def test_ranges_with_a_gap_an_overlap_or_a_shard_twice_are_refused(ranges: tuple[ShardRange[int], ...]) -> None:
    with pytest.raises(ValueError, match=r"shard"):
        ShardTable(ranges, TWO)


@pytest.mark.parametrize("seed", range(20))
def test_any_splits_and_merges_leave_no_gap_and_use_no_identity_twice(seed: int) -> None:
    rng = random.Random(seed)
    table = founding_table([0, 100, 200])
    ever = [it.shard for it in table]
    for _ in range(200):
        if rng.random() < 0.55 or len(table) == 1:
            whole = rng.choice(table.ranges)
            at = rng.randint(whole.start, (whole.end or 300) - 1)
            if at > whole.start:
                before = {point: table.shard_at(point) for point in range(300)}
                table, left, right = table.split(whole.shard, at)
                ever += [left, right]
                moved = [point for point in range(300) if table.shard_at(point) != before[point]]
                assert all(before[point] == whole.shard for point in moved)
                assert {table.shard_at(point) for point in moved if point < at} == {left}
                assert {table.shard_at(point) for point in moved if point >= at} <= {right}
        else:
            place = rng.randrange(len(table) - 1)
            table, merged = table.merge(table.ranges[place].shard, table.ranges[place + 1].shard)
            ever.append(merged)
        assert all(table.range_of(table.shard_at(point)).has(point) for point in range(300))

    assert sorted(ever) == list(range(table.next_id))
