"""`rebalance`: moves replicas from nodes that have more than their share to nodes that have less, as few as possible.

Akka's least-shard allocation (its `LeastShardAllocationStrategy`, absolute and relative limits per round), for several
replicas, weights, loads, zones and capacities. Each move must leave the node that gets the replica less full than the
one that gave it was before; so the fullest ones of all nodes, in order, only ever get emptier, and moving ends,
whatever the loads are. A node within the stated imbalance neither gives for its own sake nor gets for it, so that a
placement that was left alone once is left alone again.

What differs on purpose from Slicer (OSDI 2016), which moves what gains most per byte within a budget of key churn: what
moves here is bounded in number, and the wish decides among equals.
"""

from __future__ import annotations

from collections.abc import Iterator

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.allocation import Allocation
from coterie.protocols.placement.placement_plan import Reason, ReplaceReplica
from coterie.protocols.placement.shard_table import ShardId

__all__ = ["is_within_imbalance", "rebalance"]

_ONE = 1 - 1e-6  # one replica's load, but for rounding
_LESS = 1 - 1e-9


def rebalance(allocation: Allocation) -> None:
    """Take moves until all nodes are within the stated imbalance, no move helps, or the limits are reached."""
    shards_by_pair: dict[tuple[NodeId, NodeId], list[ShardId]] = {}
    while allocation.has_budget:
        for giver, taker in _pairs(allocation):
            shard = _next_shard(allocation, giver, taker, shards_by_pair)
            if shard is not None:
                allocation.take(ReplaceReplica(shard, giver, taker, Reason.BALANCE))
                break
        else:
            return


def is_within_imbalance(allocation: Allocation, node: NodeId) -> bool:
    """Return whether the node's load is near its share: within the stated imbalance, or less than one replica off."""
    return abs(_excess(allocation, node)) <= _tolerance(allocation, node)


def _excess(allocation: Allocation, node: NodeId) -> float:
    return allocation.load_by_node[node] - allocation.share_by_node[node]


def _tolerance(allocation: Allocation, node: NodeId) -> float:
    return max(allocation.config.imbalance * allocation.share_by_node[node], allocation.mean_load * _ONE)


def _pairs(allocation: Allocation) -> Iterator[tuple[NodeId, NodeId]]:
    """Yield who could give to whom: first from those that are too full, then to those that are too empty."""
    nodes = [place.node for place in allocation.takers if allocation.may_copy(place.node)]
    fills = {node: allocation.fill_of(node) for node in nodes}
    nodes.sort(key=lambda node: (fills[node], node))
    outside = [node for node in nodes if not is_within_imbalance(allocation, node)]
    for giver in reversed(outside):
        if _excess(allocation, giver) > 0:
            yield from ((giver, taker) for taker in nodes if fills[taker] < fills[giver])
    for taker in outside:
        if _excess(allocation, taker) < 0 and allocation.has_room(allocation.places[taker]):
            yield from ((giver, taker) for giver in reversed(nodes) if fills[taker] < fills[giver])


def _next_shard(
    allocation: Allocation, giver: NodeId, taker: NodeId, shards_by_pair: dict[tuple[NodeId, NodeId], list[ShardId]]
) -> ShardId | None:
    """Return the best shard to move; those that were no choice once are not tried again in this plan."""
    shards = shards_by_pair.get((giver, taker))
    if shards is None:
        gap = min(abs(_excess(allocation, giver)), abs(_excess(allocation, taker)))
        shards = shards_by_pair[giver, taker] = _by_preference(allocation, giver, taker, gap)
    while shards:
        shard = shards.pop()
        if _may_move(allocation, shard, giver, taker):
            return shard
    return None


def _by_preference(allocation: Allocation, giver: NodeId, taker: NodeId, gap: float) -> list[ShardId]:
    """Return the giver's shards, at the end those whose load fits the gap best, and of these the most wished."""
    load, score = allocation.load_by_shard, allocation.wishes.score
    return sorted(
        allocation.shards_by_node[giver], key=lambda shard: (-abs(load[shard] - gap), score(shard, taker), shard)
    )


def _may_move(allocation: Allocation, shard: ShardId, giver: NodeId, taker: NodeId) -> bool:
    if taker in allocation.nodes_by_shard[shard] or giver not in allocation.nodes_by_shard[shard]:
        return False
    if not allocation.may_touch(shard, giver) or not allocation.has_room(allocation.places[taker]):
        return False
    zones = allocation.zones_of(shard, but=giver)
    there, here = (zones.count(allocation.places[node].zone_key) for node in (taker, giver))
    return there <= here and _is_better(allocation, shard, giver, taker)


def _is_better(allocation: Allocation, shard: ShardId, giver: NodeId, taker: NodeId) -> bool:
    return allocation.fill_of(taker, allocation.load_by_shard[shard]) < allocation.fill_of(giver) * _LESS
