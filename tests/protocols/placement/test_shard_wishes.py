from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import Rendezvous, Target
from coterie.protocols.placement import Place, ShardId
from coterie.protocols.placement.shard_wishes import ShardWishes
from coterie.protocols.simulation.placement.placement_trials import places_of

SHARDS = [ShardId(number) for number in range(4000)]


def first(places: list[Place], name: str = "carts") -> list[NodeId]:
    wishes = ShardWishes(name, places)
    return [wishes.order(shard)[0] for shard in SHARDS]


def test_the_wish_is_the_target_that_rendezvous_hashing_picks() -> None:
    for places in (places_of(7), [replace(it, weight=1.0 + at) for at, it in enumerate(places_of(7))]):
        picker = Rendezvous().make(random.Random(1))
        picker.update([Target(place.node, place.weight) for place in places], now=0.0)

        picked = [picker.choose(now=0.0, key=f"carts/{shard}", exclude=frozenset()) for shard in SHARDS[:500]]

        assert picked == first(places)[:500]


def test_a_node_that_is_gone_changes_the_wishes_of_its_own_shards_alone() -> None:
    before, after = first(places_of(8)), first(places_of(8)[1:])
    moved = Counter(other for one, other in zip(before, after, strict=True) if one == "n001")

    assert all(one == other or one == "n001" for one, other in zip(before, after, strict=True))
    assert len(moved) == 7
    assert max(moved.values()) < 2 * min(moved.values())


def test_wishes_follow_the_weights() -> None:
    places = [replace(it, weight=weight) for it, weight in zip(places_of(3), (1.0, 2.0, 5.0), strict=True)]
    count = Counter(first(places))

    assert [count[place.node] / len(SHARDS) * 8 for place in places] == pytest.approx([1.0, 2.0, 5.0], rel=0.1)


def test_shards_of_one_number_in_two_keyspaces_wish_different_nodes() -> None:
    same = sum(one == other for one, other in zip(first(places_of(8)), first(places_of(8), "users"), strict=True))

    assert same < len(SHARDS) / 8 * 1.2
