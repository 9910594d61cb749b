"""Placement rules: checks a plan against the placement before it, and a placement that is at rest.

The checks know nothing of how a plan is made. Each raises `Violation` with an invariant `placement.…`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NoReturn

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import Violation
from coterie.protocols.placement.placement_config import PlacementConfig
from coterie.protocols.placement.placement_plan import (
    AddReplica,
    Plan,
    QuorumLost,
    Reason,
    RemoveReplica,
    ReplaceReplica,
    Step,
    ZoneShared,
    apply_steps,
)
from coterie.protocols.placement.places import Place, Placement
from coterie.protocols.placement.shard_table import ShardId

__all__ = ["broken", "check_plan", "check_rest", "zone_counts"]


def broken(invariant: str, detail: str) -> NoReturn:
    """Raise the `Violation` of an invariant."""
    raise Violation(f"placement.{invariant}", detail, node=None, step=0, time_s=0.0)


def check_plan(
    plan: Plan,
    placement: Placement,
    places: Sequence[Place],
    config: PlacementConfig,
    *,
    lost: Collection[NodeId] = (),
    moving: Collection[Step] = (),
) -> None:
    """Check the steps of a plan, in whatever order they are carried out.

    Raises:
        Violation: `placement.one_replica_per_node`, `.one_step_per_shard`, `.quorum_untouched`, `.down_is_waited_for`,
            `.takes_no_new`, `.capacity`, `.zones_apart` or `.limits`.
    """
    by_node = {place.node: place for place in places}
    _check_one_step_per_shard(plan, placement, moving)
    for step in plan.steps:
        nodes = placement[step.shard]
        _check_nodes(step, nodes, by_node)
        _check_quorum(step, nodes, by_node)
        left = by_node.get(_left(step) or NodeId(""))
        if left is not None and not left.is_available and left.node not in lost:
            broken("down_is_waited_for", f"{step}, whose node is down, but not lost")
    _check_room(plan, placement, by_node, moving)
    _check_zones(plan, placement, by_node, lost=lost, moving=moving)
    _check_limits(plan, moving, by_node, config, lost)


def check_rest(plan: Plan, placement: Placement, places: Sequence[Place], config: PlacementConfig) -> None:
    """Check a placement for which an empty plan was made, while all nodes are up and take new replicas.

    Raises:
        Violation: `placement.comes_to_rest`, `.removed_node_is_empty`, `.enough_replicas` or `.zones_apart`.
    """
    by_node = {place.node: place for place in places}
    if plan.steps or plan.waiting:
        broken("comes_to_rest", f"{len(plan.steps)} steps, and {plan.waiting} replicas wait")
    count = Counter(node for nodes in placement.values() for node in nodes)
    with_room = [it.node for it in places if it.takes_new and (it.capacity is None or count[it.node] < it.capacity)]
    told = [finding.shard for finding in plan.findings if isinstance(finding, ZoneShared)]
    without_quorum = [finding.shard for finding in plan.findings if isinstance(finding, QuorumLost)]
    for shard, nodes in placement.items():
        if shard in without_quorum:
            continue
        if any(node not in by_node for node in nodes):
            broken("removed_node_is_empty", f"shard {shard} is on {nodes}")
        is_short = len(nodes) < config.replicas and any(node not in nodes for node in with_room)
        if is_short or len(nodes) > config.replicas:
            broken("enough_replicas", f"shard {shard} has {len(nodes)} of {config.replicas} replicas")
        if max(zone_counts(nodes, by_node).values(), default=0) > 1 and shard not in told:
            broken("zones_apart", f"shard {shard} is on {nodes}, and the plan does not say so")


def zone_counts(nodes: Collection[NodeId], by_node: Mapping[NodeId, Place]) -> Counter[tuple[bool, str]]:
    """Return how many of `nodes` are in each zone."""
    return Counter(by_node[node].zone_key for node in nodes if node in by_node)


# --- a plan


def _check_one_step_per_shard(plan: Plan, placement: Placement, moving: Collection[Step]) -> None:
    founded = [step for step in plan.steps if isinstance(step, AddReplica) and step.reason is Reason.NEW_SHARD]
    if any(placement[step.shard] for step in founded):
        broken("one_step_per_shard", "a shard that has replicas is founded again")
    steps = Counter(step.shard for step in [*plan.steps, *moving] if step not in founded)
    steps.update({step.shard: 1 for step in founded})
    shard, most = max(steps.items(), key=lambda it: it[1], default=(ShardId(0), 0))
    if most > 1:
        broken("one_step_per_shard", f"{most} steps for shard {shard} at once")


def _check_nodes(step: Step, nodes: Sequence[NodeId], by_node: Mapping[NodeId, Place]) -> None:
    new = _got(step)
    if new is not None and new in nodes:
        broken("one_replica_per_node", f"{step}, although it is on {nodes}")
    if new is not None and not (new in by_node and by_node[new].is_available and not by_node[new].is_leaving):
        broken("takes_no_new", f"{step}, although its node is {by_node.get(new)}")
    if not isinstance(step, AddReplica) and _left(step) not in nodes:
        broken("one_replica_per_node", f"{step}, although it is on {nodes}")


def _check_quorum(step: Step, nodes: Sequence[NodeId], by_node: Mapping[NodeId, Place]) -> None:
    live = [node for node in nodes if node in by_node and by_node[node].is_available]
    untouched = [node for node in live if node != _left(step)]
    if nodes and (2 * len(live) <= len(nodes) or len(untouched) < min(len(nodes) // 2 + 1, len(nodes) - 1)):
        broken("quorum_untouched", f"{step}, while {len(live)} of {len(nodes)} replicas are up")


def _check_room(plan: Plan, placement: Placement, by_node: Mapping[NodeId, Place], moving: Collection[Step]) -> None:
    for node, replicas in _counts(plan, placement, moving).items():
        capacity = by_node[node].capacity if node in by_node else None
        gets = any(_got(step) == node for step in plan.steps)
        if gets and capacity is not None and replicas > capacity:
            broken("capacity", f"{node} takes {capacity} replicas and may have {replicas}")


def _check_zones(
    plan: Plan,
    placement: Placement,
    by_node: Mapping[NodeId, Place],
    *,
    lost: Collection[NodeId],
    moving: Collection[Step],
) -> None:
    counts = _counts(plan, placement, moving)
    open_zones = [
        place.zone_key
        for place in by_node.values()
        if place.takes_new and (place.capacity is None or counts[place.node] < place.capacity)
    ]
    after = apply_steps(placement, plan.steps)
    for step in plan.steps:
        new = _got(step)
        if new is None:
            continue
        stays = [it for it in after[step.shard] if it in by_node and (by_node[it].is_available or it not in lost)]
        zones = zone_counts(stays, by_node)
        if zones[by_node[new].zone_key] > 1 and any(
            zones[zone] + 1 < zones[by_node[new].zone_key] for zone in open_zones
        ):
            broken("zones_apart", f"{step}: {dict(zones)}, although another zone has room")


def _check_limits(
    plan: Plan,
    moving: Collection[Step],
    by_node: Mapping[NodeId, Place],
    config: PlacementConfig,
    lost: Collection[NodeId],
) -> None:
    """What is under way may be above limits that have changed since; a plan must add nothing then."""
    added, all_copies = (
        [step for step in steps if not isinstance(step, RemoveReplica) and step.reason is not Reason.NEW_SHARD]
        for steps in (plan.steps, [*plan.steps, *moving])
    )
    if added and len(all_copies) > config.moves_max:
        broken("limits", f"{len(all_copies)} replicas are copied at once, {config.moves_max} may be")
    moves = Counter(_ends(all_copies))
    for node in _ends(added):
        is_up = node in by_node and (by_node[node].is_available or node not in lost)
        if is_up and moves[node] > config.moves_per_node_max:
            broken("limits", f"{node} takes part in {moves[node]} moves at once, {config.moves_per_node_max} may be")


def _ends(steps: Sequence[Step]) -> list[NodeId]:
    return [node for step in steps for node in (_got(step), _left(step)) if node is not None]


def _counts(plan: Plan, placement: Placement, moving: Collection[Step]) -> Counter[NodeId]:
    """Return the replicas of each node if all come before any goes."""
    counts = Counter(node for nodes in placement.values() for node in nodes)
    for step in [*plan.steps, *moving]:
        new = _got(step)
        if new is not None and new not in placement[step.shard]:
            counts[new] += 1
    return counts


def _got(step: Step) -> NodeId | None:
    match step:
        case AddReplica():
            return step.node
        case ReplaceReplica():
            return step.new
        case RemoveReplica():
            return None


def _left(step: Step) -> NodeId | None:
    match step:
        case AddReplica():
            return None
        case ReplaceReplica():
            return step.old
        case RemoveReplica():
            return step.node
