"""Placement trials: divide keys, and place replicas on few nodes, so that one broken rule of placement would show.

Each raises `Violation` with an invariant `placement.…` if it does.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.key_shards import HashShards, RangeShards
from coterie.protocols.placement.placement_config import PlacementConfig
from coterie.protocols.placement.placement_plan import Plan, apply_steps
from coterie.protocols.placement.places import Place, Placement
from coterie.protocols.placement.planner import plan_placement
from coterie.protocols.placement.shard_table import ShardId
from coterie.protocols.simulation.placement.placement_rules import broken, check_plan, check_rest

__all__ = [
    "SHARDS_OF_KEYS",
    "UNLIMITED",
    "drained_node",
    "few_nodes",
    "full_node",
    "hashes_of_keys",
    "heavy_shard",
    "keys_after_a_split",
    "lost_node",
    "lost_quorum",
    "merged_and_split",
    "node_down_for_now",
    "places_of",
    "removed_node",
    "settled",
    "three_zones",
    "two_leaving_nodes",
]

UNLIMITED: Final = PlacementConfig(moves_max=1_000_000, moves_per_node_max=1_000_000)
"""Plans that do all at once."""

SHARDS_OF_KEYS: Final = {
    "": 722, "a": 189, "acme": 518, "cart/17": 577, "naïve": 881, "tenants/acme": 319, "user:1": 72, "user:2": 458,
}  # fmt: skip
"""The shards of some keys among 1,024 by hash: they must never change."""

_ROUNDS = 20


def places_of(count: int, *, zones: int = 0) -> list[Place]:
    """Return `count` nodes n001, n002, …, in zones z0, z1, … in turn; without zones if there are 0."""
    return [Place(NodeId(f"n{number:03}"), f"z{number % zones}" if zones else None) for number in range(1, count + 1)]


def settled(
    placement: Placement,
    places: Sequence[Place],
    config: PlacementConfig = UNLIMITED,
    *,
    lost: Collection[NodeId] = (),
    load: dict[ShardId, float] | None = None,
) -> tuple[dict[ShardId, tuple[NodeId, ...]], Plan, int]:
    """Carry out plans until one is empty, and check each; return the placement, the last plan, and how many were not.

    Raises:
        Violation: a plan breaks a rule; or `placement.comes_to_rest`, if twenty plans are not enough.
    """
    present, number = apply_steps(placement, ()), 0
    while True:
        plan = plan_placement(present, places, config, lost=frozenset(lost), load=load)
        check_plan(plan, present, places, config, lost=lost)
        if not plan.steps:
            return present, plan, number
        if number == _ROUNDS:
            broken("comes_to_rest", f"after {_ROUNDS} plans there are more steps: {plan.steps[:3]}")
        present = apply_steps(present, plan.steps)
        number += 1


# --- keys


def hashes_of_keys() -> None:
    """Find the shards of some keys.

    Raises:
        Violation: `placement.same_shard_everywhere`, if one is not the one that it has always been.
    """
    shards = HashShards(1024)
    found = {key: shards.shard_of(key) for key in SHARDS_OF_KEYS}
    if found != SHARDS_OF_KEYS:
        broken("same_shard_everywhere", f"{found}")


def keys_after_a_split() -> None:
    """Split the shard of each of some keys just there, by hash and by order.

    Raises:
        Violation: `placement.every_key_in_its_shard`, if a key is not in the range of its shard, or the point of the
            split not in the right half.
    """
    for key in SHARDS_OF_KEYS:
        by_hash, by_range = HashShards(4), RangeShards([b"b"])
        hashes, _, upper = by_hash.split(by_hash.shard_of(key), by_hash.point_of(key))
        if hashes.shard_of(key) != upper or not hashes.range_of(upper).has(hashes.point_of(key)):
            broken("every_key_in_its_shard", f"{key!r} is in shard {hashes.shard_of(key)} after a split at its hash")
        if key:
            ranges, _, right = by_range.split(by_range.shard_of(key), by_range.point_of(key))
            if ranges.shard_of(key) != right or not ranges.range_of(right).has(ranges.point_of(key)):
                broken("every_key_in_its_shard", f"{key!r} is in shard {ranges.shard_of(key)} after a split at it")


def merged_and_split() -> None:
    """Merge two shards, and split the result.

    Raises:
        Violation: `placement.ids_used_once`, if one of the new shards has the identity of an earlier one.
    """
    shards = HashShards(2)
    merged, whole = shards.merge(*shards.shards)
    halves, left, right = merged.split(whole, 1 << 62)
    if len({*shards.shards, whole, left, right}) != 5:
        broken("ids_used_once", f"{shards.shards} became {whole}, and this {halves.shards}")


# --- nodes


def few_nodes() -> None:
    """Place three replicas of each shard on two nodes of one zone.

    Raises:
        Violation: `placement.one_replica_per_node`, if two are on one.
    """
    places = places_of(2, zones=1)
    present, _, _ = settled(_new(8), places)
    for shard, nodes in present.items():
        if len(nodes) != 2:
            broken("one_replica_per_node", f"shard {shard} is on {nodes}")


def three_zones() -> None:
    """Place three replicas of each shard on nine nodes in three zones.

    Raises:
        Violation: `placement.zones_apart`, if two are in one.
    """
    places = places_of(9, zones=3)
    present, plan, _ = settled(_new(64), places)
    check_rest(plan, present, places, UNLIMITED)


def full_node() -> None:
    """Place three replicas of each shard on three nodes, one of which takes only two replicas.

    Raises:
        Violation: `placement.capacity`, if it gets more.
    """
    places = places_of(3)
    places[1] = replace(places[1], capacity=2)
    present, plan, _ = settled(_new(16), places)
    check_rest(plan, present, places, UNLIMITED)


def heavy_shard() -> None:
    """Place a heavy shard and light ones, of one replica each, on two nodes.

    Raises:
        Violation: `placement.comes_to_rest`, if the heavy one is moved again and again.
    """
    config = replace(UNLIMITED, replicas=1)
    load = {ShardId(0): 10.0, ShardId(1): 1.0, ShardId(2): 1.0}
    one, other = (place.node for place in places_of(2))
    settled({ShardId(0): [one], ShardId(1): [other], ShardId(2): [one]}, places_of(2), config, load=load)


def removed_node() -> None:
    """Remove one of five nodes for good.

    Raises:
        Violation: `placement.removed_node_is_empty`, if a shard keeps its replica there.
    """
    places = places_of(5)
    present, _, _ = settled(_new(16), places)
    present, plan, _ = settled(present, places[1:])
    check_rest(plan, present, places[1:], UNLIMITED)


def node_down_for_now() -> None:
    """Take one of five nodes down, but not for long.

    Raises:
        Violation: `placement.down_is_waited_for`, if a replica there is replaced.
    """
    places = places_of(5)
    present, _, _ = settled(_new(16), places)
    places[0] = replace(places[0], is_available=False)
    settled(present, places)


def drained_node() -> None:
    """Let one of five nodes leave while new shards are made.

    Raises:
        Violation: `placement.takes_no_new`, if it gets one.
    """
    places = places_of(5)
    places[0] = replace(places[0], is_leaving=True)
    settled(_new(16), places)


def two_leaving_nodes() -> None:
    """Let two of five nodes leave.

    Raises:
        Violation: `placement.one_step_per_shard`, if two replicas of a shard are moved at once.
    """
    places = places_of(5)
    present, _, _ = settled(_new(16), places)
    leaving = [replace(place, is_leaving=True) for place in places[:2]]
    settled(present, [*leaving, *places[2:]])


def lost_quorum() -> None:
    """Lose two of the three nodes of a shard, in a cluster of five.

    Raises:
        Violation: `placement.quorum_untouched`, if a plan touches the shard.
    """
    places = places_of(5)
    down = [replace(place, is_available=False) for place in places[:2]]
    present = {ShardId(0): [place.node for place in places[:3]]}
    settled(present, [*down, *places[2:]], lost=[place.node for place in down])


def lost_node() -> None:
    """Lose one of five nodes, with limits.

    Raises:
        Violation: `placement.limits`, if more replicas are copied at once.
    """
    places = places_of(5)
    present, _, _ = settled(_new(16), places)
    places[0] = replace(places[0], is_available=False)
    settled(present, places, PlacementConfig(moves_max=3, moves_per_node_max=2), lost=[places[0].node])


def _new(shards: int) -> dict[ShardId, tuple[NodeId, ...]]:
    return {ShardId(number): () for number in range(shards)}
