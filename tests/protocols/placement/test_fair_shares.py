from __future__ import annotations

import math

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement import Place
from coterie.protocols.placement.fair_shares import fair_shares, fill


def shares(*places: Place, load: float = 120.0, once: float = 40.0, per_zone: int = 1) -> list[float]:
    found = fair_shares(places, load=load, once=once, per_replica=1.0, per_zone=per_zone)
    assert list(found) == [place.node for place in places]
    return list(found.values())


def place(name: str, zone: str | None = None, weight: float = 1.0, capacity: int | None = None) -> Place:
    return Place(NodeId(name), zone, weight, capacity)


def test_shares_follow_the_weights() -> None:
    assert shares(place("a"), place("b", weight=2.0), place("c"), load=40.0) == pytest.approx([10, 20, 10])


def test_no_node_has_more_than_one_replica_of_each_shard() -> None:
    assert shares(place("a", weight=100.0), *map(place, "bcde")) == pytest.approx([40, 20, 20, 20, 20])


def test_what_a_full_node_does_not_take_is_shared_by_the_others() -> None:
    assert shares(place("a", capacity=10), *map(place, "bcd"), load=100.0) == pytest.approx([10, 30, 30, 30])


def test_the_node_of_a_small_zone_must_have_a_replica_of_every_shard() -> None:
    places = [place("a", "x"), *(place(f"b{it}", "y") for it in range(4)), *(place(f"c{it}", "z") for it in range(8))]

    assert shares(*places) == pytest.approx([40, *[10] * 4, *[5] * 8])


def test_zones_that_are_fewer_than_the_replicas_have_several_of_a_shard() -> None:
    places = [place("a", "x"), *(place(f"b{it}", "y") for it in range(4))]

    assert shares(*places, per_zone=2) == pytest.approx([40, *[20] * 4])


def test_if_all_are_full_the_rest_is_nobodys_share() -> None:
    assert shares(place("a", capacity=3), place("b", capacity=5)) == pytest.approx([3, 5])


def test_nobody_shares_nothing() -> None:
    assert shares() == []


def test_a_node_without_a_share_is_too_full_with_anything() -> None:
    assert (fill(0.0, 0.0), fill(1.0, 0.0), fill(3.0, 2.0)) == (0.0, math.inf, 1.5)
