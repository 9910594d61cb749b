"""`NodeChoice`: chooses the node for a new replica: another zone, then the emptiest ones, and among these the wish.

Least-shard allocation, as in Akka, but among all nodes that are within half the stated imbalance of the emptiest one
the rendezvous score decides. So nodes are filled evenly from the first replica on, and nevertheless the replicas of
one node have their others on all the rest. What differs from CRUSH (SC 2006), whose rules refuse a node of the same
zone: if there is no room in another zone, the replica is made in a shared one, and the plan says so.
"""

from __future__ import annotations

import enum
from collections.abc import Collection

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.allocation import Allocation
from coterie.protocols.placement.places import Place
from coterie.protocols.placement.shard_table import ShardId

__all__ = ["NoNode", "choose_node"]


class NoNode(enum.Enum):
    """Why there is no node for a replica."""

    NONE_LEFT = "no other node takes it"
    NOT_YET = "all that take it have their most copies already"


def choose_node(
    allocation: Allocation,
    shard: ShardId,
    *,
    instead_of: NodeId | None = None,
    is_new: bool = False,
    zone_replicas_max: int | None = None,
) -> NodeId | NoNode:
    """Return the node for one replica more of `shard`.

    Args:
        allocation: the replicas as they are.
        shard: its nodes are not chosen.
        instead_of: the node whose replica goes; it counts for no zone.
        is_new: whether the shard has no data that must be copied: limits of copies do not matter.
        zone_replicas_max: how many other replicas of the shard may be in the node's zone; None: any number, but the
            nodes whose zone has the fewest come first.
    """
    candidates = _nodes_in_best_zones(allocation, shard, instead_of, zone_replicas_max)
    if not candidates:
        return NoNode.NONE_LEFT
    givers = () if instead_of is None or allocation.is_gone(instead_of) else (instead_of,)
    allowed = [it for it in candidates if is_new or allocation.may_copy(it.node, *givers)]
    return _wished(allocation, shard, allowed) if allowed else NoNode.NOT_YET


def _nodes_in_best_zones(
    allocation: Allocation, shard: ShardId, instead_of: NodeId | None, zone_replicas_max: int | None
) -> list[Place]:
    taken = allocation.zones_of(shard, but=instead_of)
    holders = _holders(allocation, shard)
    best: list[Place] = []
    fewest = len(taken) if zone_replicas_max is None else zone_replicas_max
    for place in allocation.takers:
        in_zone = taken.count(place.zone_key) if taken else 0
        if in_zone > fewest or place.node in holders or not (place.capacity is None or allocation.has_room(place)):
            continue
        if in_zone < fewest:
            best, fewest = [], in_zone
        best.append(place)
    return best


def _holders(allocation: Allocation, shard: ShardId) -> Collection[NodeId]:
    return allocation.nodes_by_shard[shard]


def _wished(allocation: Allocation, shard: ShardId, places: list[Place]) -> NodeId:
    load = allocation.load_by_shard[shard]
    fills = [allocation.fill_of(place.node, load) for place in places]
    enough = min(fills) + allocation.config.imbalance / 2
    near = [place.node for place, fill in zip(places, fills, strict=True) if fill <= enough]
    return near[0] if len(near) == 1 else max(near, key=allocation.wishes.scores(shard).__getitem__)
