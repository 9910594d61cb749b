from __future__ import annotations

import random

import pytest

from coterie.protocols.balancing import Balancer, Target
from coterie.protocols.balancing.hashing import Maglev
from coterie.protocols.balancing.hashing.maglev import fill_table


def test_the_table_of_the_papers_example() -> None:
    """Table 1: preferences of B0, B1 and B2 in 7 entries, and the tables with and without B1."""
    with_all = fill_table([(3, 4), (0, 2), (3, 1)], 7, [1.0] * 3)
    without_b1 = fill_table([(3, 4), (3, 1)], 7, [1.0] * 2)

    assert [["B0", "B1", "B2"][it] for it in with_all] == ["B1", "B0", "B1", "B0", "B2", "B2", "B0"]
    assert [["B0", "B2"][it] for it in without_b1] == ["B0", "B0", "B0", "B0", "B2", "B2", "B2"]


@pytest.mark.parametrize(("size", "following"), [(65_536, 65_537), (100, 101), (9, 11)])
def test_a_size_that_is_not_prime_is_refused_with_the_next_prime(size: int, following: int) -> None:
    with pytest.raises(ValueError, match=f"table_size={size} is not prime: the next prime is {following}"):
        Maglev(table_size=size)


@pytest.mark.parametrize("size", [1, 0, -7, 10_000_019])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"table_size={size} must be a prime from 2"):
        Maglev(table_size=size)


@pytest.mark.parametrize("count", [3, 10, 50])
def test_targets_of_equal_weight_have_the_same_number_of_entries_but_one(count: int) -> None:
    picker = Maglev(table_size=5003).make(random.Random(1))
    picker.update([Target(f"t{number}") for number in range(count)], now=0.0)
    entries = [round(share * 5003) for share in (picker.shares(now=0.0) or {}).values()]

    assert len(entries) == count
    assert max(entries) - min(entries) <= 1


def test_weights_are_turns() -> None:
    table = fill_table([(0, 1), (1, 2), (2, 3)], 1009, [4.0, 2.0, 1.0])

    assert [table.count(number) / 1009 for number in range(3)] == pytest.approx([4 / 7, 2 / 7, 1 / 7], abs=0.003)


def test_one_heavy_target_among_many_light_ones_costs_no_look_at_each_of_them_in_each_turn() -> None:
    """65,537 entries at 1000 : 2000 take 21,846 turns; of 2001 targets each that would be 43 million looks."""
    looks = 0

    class Counted(list[tuple[int, int]]):
        def __getitem__(self, at):  # type: ignore[no-untyped-def]
            nonlocal looks
            looks += 1
            return super().__getitem__(at)

        def __iter__(self):  # type: ignore[no-untyped-def]
            for it in super().__iter__():
                nonlocal looks
                looks += 1
                yield it

    preferences = Counted((number * 31 % 65_537, number + 1) for number in range(2001))
    table = fill_table(preferences, 65_537, [1000.0] + [1.0] * 2000)

    assert table.count(0) == pytest.approx(65_537 / 3, rel=0.01)
    assert looks < 100_000


@pytest.mark.parametrize("scale", [1e-320, 0.001, 1 / 3, 8000.0, 1e307])
def test_scaled_weights_give_the_same_table(scale: float) -> None:
    preferences = [(0, 1), (1, 2), (2, 3)]

    assert fill_table(preferences, 1009, [scale, 2 * scale, 4 * scale]) == fill_table(
        preferences, 1009, [1.0, 2.0, 4.0]
    )


def test_a_table_that_is_too_small_is_reported_once_with_a_size_that_is_not() -> None:
    balancer = Balancer(Maglev(table_size=101), rng=random.Random(1))
    balancer.update([Target("a")], now=0.0)
    assert not balancer.observations()
    balancer.update([Target(key) for key in "abc"], now=0.0)
    balancer.pick(now=0.0, key="k")

    assert "a table of 101 entries is small for 3 targets: use table_size=307 or more" in balancer.explain()
    assert [it.event for it in balancer.observations()] == ["balancing.table_too_small"]
    assert not balancer.observations()


def test_more_targets_than_entries_leave_some_without_keys() -> None:
    picker = Maglev(table_size=5).make(random.Random(1))
    picker.update([Target(f"t{number}") for number in range(8)], now=0.0)

    assert sorted((picker.shares(now=0.0) or {}).values()) == [0.0] * 3 + [0.2] * 5
