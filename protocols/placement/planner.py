"""`plan_placement`: makes the next steps from the present placement to one that keeps all rules, moving the least.

    present placement, places, loads ──▶ repair: what rules demand ──▶ rebalance: only if nothing of that waits ──▶ Plan

It is a pure function: nothing is remembered from one plan to the next. Apply a part of a plan, lose a node, add two:
the next plan starts from what is. A placement that needs nothing gets an empty plan.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.allocation import Allocation
from coterie.protocols.placement.placement_config import PlacementConfig
from coterie.protocols.placement.placement_plan import Plan, Step
from coterie.protocols.placement.places import Place, Placement
from coterie.protocols.placement.rebalancing import rebalance
from coterie.protocols.placement.repairs import repair
from coterie.protocols.placement.shard_table import ShardId

__all__ = ["fill_by_node", "plan_placement"]

_NOBODY: AbstractSet[NodeId] = frozenset()


def plan_placement(
    placement: Placement,
    places: Sequence[Place],
    config: PlacementConfig,
    *,
    lost: AbstractSet[NodeId] = _NOBODY,
    load: Mapping[ShardId, float] | None = None,
    moving: Collection[Step] = (),
) -> Plan:
    """Return the next steps. The order of the arguments' elements does not matter.

    The rules, the stronger ones first: no two replicas of a shard on one node; one step at a time for a shard, which
    leaves a majority of its replicas untouched; no new replica on a node that is down, leaving or full; as few replicas
    of a shard in one zone as there is room for; loads within the stated imbalance.

    Args:
        placement: the nodes of each shard's replicas, as they are. A shard without nodes is new. A shard that has lost
            all its replicas must still name their nodes: it is not new, and is not founded again.
        places: all nodes that have not been removed for good.
        config: the settings.
        lost: the nodes that have been down for so long that their replicas are replaced. Those of nodes that are
            available again do not count.
        load: of one replica of each shard, in any unit, 0 or more; None: all alike. Shards that it lacks count with the
            mean; no shard counts with less than a hundredth of that.
        moving: steps under way. They count against the limits, and their shards get no other step: one that cannot end,
            since its new node is down, must be given up and left out.

    Raises:
        ValueError: a node has two places, a shard two replicas on one node, or a load is out of its range.
        LookupError: a step under way names a shard that is not in the placement.
    """
    allocation = Allocation(placement, places, config, lost=lost, load=load)
    allocation.begin(moving)
    repair(allocation)
    if not allocation.waiting:
        rebalance(allocation)
    return allocation.plan()


def fill_by_node(
    placement: Placement,
    places: Sequence[Place],
    config: PlacementConfig,
    *,
    lost: AbstractSet[NodeId] = _NOBODY,
    load: Mapping[ShardId, float] | None = None,
) -> dict[NodeId, float]:
    """Return how full each node is that takes new replicas, by name: 1 if it has its share. Arguments as above."""
    allocation = Allocation(placement, places, config, lost=lost, load=load)
    return {place.node: allocation.fill_of(place.node) for place in allocation.takers}
