"""Placement: divides keys into shards, and places the replicas of shards on nodes, as pure functions.

A key belongs to one shard (`HashShards`, `RangeShards`), a shard has replicas on several nodes, and `plan_placement`
makes a plan of (nodes, loads, present placement). Whoever carries plans out applies some of the steps, and asks again.

`shard_table.py`: `ShardTable`, the range of each shard; splits and merges
`key_shards.py`: `HashShards` and `RangeShards`, the shard of a key, by hash or by order
`places.py`: `Place`, a node: its zone, weight and capacity, and whether it takes new replicas
`placement_config.py`: `PlacementConfig`, the number of replicas, the stated imbalance, the limits of moving
`placement_plan.py`: `Plan`, its steps, their reasons, and what no step can mend
`planner.py`: `plan_placement`, makes the next plan
`repairs.py`: the steps that rules demand: lost, leaving, missing and surplus replicas, shared zones
`rebalancing.py`: the moves for balance
`node_choice.py`: the node for a new replica
`shard_wishes.py`: `ShardWishes`, the nodes that a shard prefers, by weighted rendezvous hashing
`fair_shares.py`: the share of the load that each node should have
`allocation.py`: `Allocation`, replicas, loads and limits while a plan is made
"""

from coterie.protocols.placement.key_shards import HashShards, RangeShards, Shards
from coterie.protocols.placement.placement_config import PlacementConfig
from coterie.protocols.placement.placement_plan import (
    AddReplica,
    Finding,
    OverCapacity,
    Plan,
    QuorumLost,
    Reason,
    RemoveReplica,
    ReplaceReplica,
    ReplicasMissing,
    ReplicaStuck,
    Step,
    ZoneShared,
    apply_steps,
)
from coterie.protocols.placement.places import Place, Placement
from coterie.protocols.placement.planner import fill_by_node, plan_placement
from coterie.protocols.placement.shard_table import ShardId, ShardRange, ShardTable

__all__ = [
    "AddReplica",
    "Finding",
    "HashShards",
    "OverCapacity",
    "Place",
    "Placement",
    "PlacementConfig",
    "Plan",
    "QuorumLost",
    "RangeShards",
    "Reason",
    "RemoveReplica",
    "ReplaceReplica",
    "ReplicaStuck",
    "ReplicasMissing",
    "ShardId",
    "ShardRange",
    "ShardTable",
    "Shards",
    "Step",
    "ZoneShared",
    "apply_steps",
    "fill_by_node",
    "plan_placement",
]
