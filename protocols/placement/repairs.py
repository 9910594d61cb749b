"""`repair`: takes the steps that rules demand: replicas that are missing, surplus, lost, leaving, or share a zone.

Each kind is looked after for all shards before the next one, in the order of `repair`; those shards come first of
which the fewest replicas are up, then the heavier ones, since light ones fill what is left (longest processing time
first). What the limits hold back is counted as waiting.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.allocation import Allocation, ZoneKey
from coterie.protocols.placement.node_choice import NoNode, choose_node
from coterie.protocols.placement.placement_plan import (
    AddReplica,
    OverCapacity,
    QuorumLost,
    Reason,
    RemoveReplica,
    ReplaceReplica,
    ReplicasMissing,
    ReplicaStuck,
    ZoneShared,
)
from coterie.protocols.placement.places import Place
from coterie.protocols.placement.shard_table import ShardId

__all__ = ["repair"]


def repair(allocation: Allocation) -> None:
    """Take all steps that are needed for other reasons than balance, as far as limits allow."""
    load = allocation.load_by_shard
    shards = sorted(load, key=lambda shard: (allocation.live(shard), -load[shard], shard))
    for shard in shards:
        if not allocation.has_quorum(shard) and not allocation.is_touched(shard):
            replicas = len(allocation.nodes_by_shard[shard])
            allocation.find(QuorumLost(shard, allocation.live(shard), replicas))
    for shard in shards:
        _remove_surplus(allocation, shard)
    for shard in shards:
        _replace_lost(allocation, shard)
        _add_missing(allocation, shard)
    for shard in shards:
        _move_from_leaving(allocation, shard)
    for place in allocation.takers:
        _move_above_capacity(allocation, place)
    for shard in shards:
        _part_zone(allocation, shard)


# --- too many


def _remove_surplus(allocation: Allocation, shard: ShardId) -> None:
    surplus = len(allocation.nodes_by_shard[shard]) - allocation.config.replicas
    if surplus <= 0 or not allocation.has_quorum(shard):
        return
    node = next((it for it in _least_needed(allocation, shard) if allocation.may_touch(shard, it)), None)
    if node is not None:
        allocation.take(RemoveReplica(shard, node, Reason.SURPLUS))
        surplus -= 1
    allocation.waiting += surplus


def _least_needed(allocation: Allocation, shard: ShardId) -> list[NodeId]:
    """Return the nodes of replicas that can go, in this order: gone, leaving, in a shared zone, full, not wished.

    A replica whose node is down for now is not among them: it is waited for.
    """

    def order(node: NodeId) -> tuple[object, ...]:
        place = allocation.places.get(node)
        if place is None or allocation.is_gone(node):
            return (0, 0, 0.0, 0.0, node)
        if place.is_leaving:
            return (1, 0, 0.0, 0.0, node)
        shared = zones.count(place.zone_key)
        return (2, -shared, -allocation.fill_of(node), allocation.wishes.score(shard, node), node)

    zones = allocation.zones_of(shard)
    nodes = allocation.nodes_by_shard[shard]
    return sorted((it for it in nodes if allocation.is_live(it) or allocation.is_gone(it)), key=order)


# --- too few


def _replace_lost(allocation: Allocation, shard: ShardId) -> None:
    if len(allocation.nodes_by_shard[shard]) > allocation.config.replicas:
        return  # they are removed instead, and are counted there
    for node in _gone(allocation, shard):
        if allocation.has_quorum(shard):
            _move(allocation, shard, node, Reason.LOST)


def _gone(allocation: Allocation, shard: ShardId) -> list[NodeId]:
    return [node for node in allocation.nodes_by_shard[shard] if allocation.is_gone(node)]


def _add_missing(allocation: Allocation, shard: ShardId) -> None:
    is_new = not allocation.nodes_by_shard[shard]
    missing = allocation.config.replicas - len(allocation.nodes_by_shard[shard])
    reason = Reason.NEW_SHARD if is_new else Reason.MISSING
    while missing > 0 and allocation.has_quorum(shard):
        node = choose_node(allocation, shard, is_new=is_new)
        if node is NoNode.NONE_LEFT:
            allocation.find(ReplicasMissing(shard, missing))
            return
        if isinstance(node, NoNode) or not (is_new or allocation.may_touch(shard)):
            allocation.waiting += missing
            return
        allocation.take(AddReplica(shard, node, reason))
        missing -= 1


# --- in the wrong place


def _move_from_leaving(allocation: Allocation, shard: ShardId) -> None:
    for node in list(allocation.nodes_by_shard[shard]):
        place = allocation.places.get(node)
        if place is not None and place.is_leaving and place.is_available and allocation.has_quorum(shard):
            _move(allocation, shard, node, Reason.LEAVING)


def _move(allocation: Allocation, shard: ShardId, node: NodeId, reason: Reason) -> None:
    new = choose_node(allocation, shard, instead_of=node)
    if new is NoNode.NONE_LEFT:
        allocation.find(ReplicaStuck(shard, node, reason))
    elif isinstance(new, NoNode) or not allocation.may_touch(shard, node):
        allocation.waiting += 1
    else:
        allocation.take(ReplaceReplica(shard, node, new, reason))


def _move_above_capacity(allocation: Allocation, place: Place) -> None:
    """Move what is above the capacity to nodes that have room, the least wished first; no zone gets worse by it."""
    excess = 0 if place.capacity is None else len(allocation.shards_by_node[place.node]) - place.capacity
    if excess <= 0:
        return
    movable = 0
    shards = allocation.shards_by_node[place.node]
    for shard in sorted(shards, key=lambda it: (allocation.wishes.score(it, place.node), it)):
        in_zone = allocation.zones_of(shard, but=place.node).count(place.zone_key)
        new = choose_node(allocation, shard, instead_of=place.node, zone_replicas_max=in_zone)
        if new is NoNode.NONE_LEFT or not allocation.has_quorum(shard):
            continue
        if isinstance(new, NoNode) or not allocation.may_touch(shard, place.node):
            movable += 1
            continue
        allocation.take(ReplaceReplica(shard, place.node, new, Reason.OVER_CAPACITY))
        excess -= 1
        if not excess:
            return
    allocation.waiting += min(excess, movable)
    if excess > movable:
        replicas = len(allocation.shards_by_node[place.node])
        allocation.find(OverCapacity(place.node, replicas, place.capacity or 0))


# --- zones


def _part_zone(allocation: Allocation, shard: ShardId) -> None:
    """Move one of several replicas in a zone to a zone that has fewer; if there is no room in any, say so."""
    counts = Counter(allocation.zones_of(shard))
    if counts.total() == len(counts) or not allocation.has_quorum(shard):
        return
    for zone, replicas in sorted(counts.items(), key=lambda it: (-it[1], it[0])):
        if replicas < 2:
            return
        has_better = any(counts[it] < replicas - 1 for it in allocation.taker_zones)
        options = list(_ways_out(allocation, shard, zone, replicas)) if has_better else []
        if not options:
            allocation.find(ZoneShared(shard, zone[1], replicas))
            continue
        new = next(((old, it) for old, it in options if not isinstance(it, NoNode)), None)
        if new is None:
            allocation.waiting += 1
        else:
            allocation.take(ReplaceReplica(shard, new[0], new[1], Reason.ZONE))
        return


def _ways_out(
    allocation: Allocation, shard: ShardId, zone: ZoneKey, replicas: int
) -> Iterator[tuple[NodeId, NodeId | NoNode]]:
    """Yield the replicas of a zone, the one on the fullest node first, each with a node of a zone that has fewer."""
    inside = [it for it in allocation.nodes_by_shard[shard] if _stands_in(allocation, it, zone)]
    for node in sorted(inside, key=lambda it: (-allocation.load_by_node[it], it)):
        new = choose_node(allocation, shard, instead_of=node, zone_replicas_max=replicas - 2)
        if new is not NoNode.NONE_LEFT:
            yield node, new if allocation.may_touch(shard, node) else NoNode.NOT_YET


def _stands_in(allocation: Allocation, node: NodeId, zone: ZoneKey) -> bool:
    return allocation.is_live(node) and allocation.places[node].zone_key == zone
