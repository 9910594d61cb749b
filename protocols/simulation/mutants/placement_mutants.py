"""Placement mutants: define bugs of the placement of shards, each of which a directed trial must detect."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement import key_shards, node_choice, rebalancing, repairs, shard_table
from coterie.protocols.placement.allocation import Allocation
from coterie.protocols.placement.places import Place
from coterie.protocols.placement.shard_table import ShardId, ShardRange, ShardTable
from coterie.protocols.simulation.mutants.mutation_testing import Mutant, Patch, directed_mutant
from coterie.protocols.simulation.placement.placement_trials import (
    drained_node,
    few_nodes,
    full_node,
    hashes_of_keys,
    heavy_shard,
    keys_after_a_split,
    lost_node,
    lost_quorum,
    merged_and_split,
    node_down_for_now,
    removed_node,
    three_zones,
    two_leaving_nodes,
)
from coterie.protocols.stable_hash import HASHES

__all__ = ["PLACEMENT_MUTANTS"]


# --- keys


def _hash_of_this_process(key: str | bytes) -> int:
    return key.__hash__() % HASHES


def _with_a_gap(whole: ShardRange[int], at: int, next_id: ShardId) -> tuple[ShardRange[int], ShardRange[int]]:
    return ShardRange(next_id, whole.start, at), ShardRange(ShardId(next_id + 1), at + 1, whole.end)


def _unchecked(ranges: Collection[ShardRange[int]]) -> None:
    pass


def _off_by_one(whole: ShardRange[int], at: int, next_id: ShardId) -> tuple[ShardRange[int], ShardRange[int]]:
    return ShardRange(next_id, whole.start, at + 1), ShardRange(ShardId(next_id + 1), at + 1, whole.end)


def _merge_into_the_left(self: ShardTable[int], left: ShardId, right: ShardId) -> tuple[ShardTable[int], ShardId]:
    place = self._at(left)
    merged = ShardRange(left, self.ranges[place].start, self.ranges[place + 1].end)
    return ShardTable((*self.ranges[:place], merged, *self.ranges[place + 2 :]), self.next_id), left


# --- nodes


def _nobody(allocation: Allocation, shard: ShardId) -> Collection[NodeId]:
    return ()


def _no_zones(self: Allocation, shard: ShardId, but: NodeId | None = None) -> list[tuple[bool, str]]:
    return []


def _always_room(self: Allocation, place: Place) -> bool:
    return True


def _any_move(allocation: Allocation, shard: ShardId, giver: NodeId, taker: NodeId) -> bool:
    return True


def _lost_ones_alone(allocation: Allocation, shard: ShardId) -> list[NodeId]:
    return [it for it in allocation.nodes_by_shard[shard] if it in allocation.places and allocation.is_gone(it)]


def _not_live(self: Allocation, node: NodeId) -> bool:
    return not self.is_live(node)


@property  # type: ignore[misc]  # it replaces a property of a class
def _whenever_up(self: Place) -> bool:
    return self.is_available


def _whenever_it_has_a_quorum(self: Allocation, shard: ShardId, node: NodeId | None = None) -> bool:
    return self.has_quorum(shard)


def _always_a_quorum(self: Allocation, shard: ShardId) -> bool:
    return True


def _any_shard(self: Allocation, shard: ShardId, node: NodeId | None = None) -> bool:
    return not self.is_touched(shard)


def _no_limit(self: Allocation, *nodes: NodeId) -> bool:
    return True


_mutant = partial(directed_mutant, "placement")


PLACEMENT_MUTANTS: tuple[Mutant, ...] = (
    _mutant("hash of Python used", hashes_of_keys, Patch(key_shards, "stable_hash", _hash_of_this_process)),
    _mutant(
        "gap after a split",
        keys_after_a_split,
        Patch(shard_table, "_halves", _with_a_gap),
        Patch(shard_table, "_check_cover", _unchecked),
    ),
    _mutant("split point off by one", keys_after_a_split, Patch(shard_table, "_halves", _off_by_one)),
    _mutant("identity of a shard used again", merged_and_split, Patch(ShardTable, "merge", _merge_into_the_left)),
    _mutant("two replicas on one node", few_nodes, Patch(node_choice, "_holders", _nobody)),
    _mutant("zone ignored", three_zones, Patch(Allocation, "zones_of", _no_zones)),
    _mutant("full node gets more", full_node, Patch(Allocation, "has_room", _always_room)),
    _mutant("plan that does not converge", heavy_shard, Patch(rebalancing, "_is_better", _any_move)),
    _mutant("removed node keeps its replicas", removed_node, Patch(repairs, "_gone", _lost_ones_alone)),
    _mutant("down node replaced at once", node_down_for_now, Patch(Allocation, "is_gone", _not_live)),
    _mutant("drained node gets new shards", drained_node, Patch(Place, "takes_new", _whenever_up)),
    _mutant(
        "two moves of a shard at once", two_leaving_nodes, Patch(Allocation, "may_touch", _whenever_it_has_a_quorum)
    ),
    _mutant(
        "shard without a quorum moved",
        lost_quorum,
        Patch(Allocation, "has_quorum", _always_a_quorum),
        Patch(Allocation, "may_touch", _any_shard),
    ),
    _mutant("recovery beyond its limits", lost_node, Patch(Allocation, "may_copy", _no_limit)),
)
"""Each is killed by its own trial."""
