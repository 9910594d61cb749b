"""`Plan`: lists the next steps from the present placement to a better one, as data.

Each step is complete in itself: it names all that it needs, and the steps of one plan may be carried out in any order,
at once, or only in part. After that, `plan` computes the rest anew from the placement as it then is; nothing of an old
plan needs to be kept.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.places import Placement
from coterie.protocols.placement.shard_table import ShardId

__all__ = [
    "AddReplica",
    "Finding",
    "OverCapacity",
    "Plan",
    "QuorumLost",
    "Reason",
    "RemoveReplica",
    "ReplaceReplica",
    "ReplicaStuck",
    "ReplicasMissing",
    "Step",
    "ZoneShared",
    "apply_steps",
]


class Reason(enum.Enum):
    """Why a step is taken."""

    NEW_SHARD = "the shard is new"
    MISSING = "the shard has too few replicas"
    SURPLUS = "the shard has too many replicas"
    LOST = "the node is lost"
    LEAVING = "the node is leaving"
    ZONE = "two replicas are in one zone"
    OVER_CAPACITY = "the node has more replicas than it takes"
    BALANCE = "the node has more than its share"


@dataclass(frozen=True, slots=True)
class AddReplica:
    """Make a replica of `shard` on `node`. If the shard is new, its steps found it together, without data to copy."""

    shard: ShardId
    node: NodeId
    reason: Reason


@dataclass(frozen=True, slots=True)
class RemoveReplica:
    """Remove the replica of `shard` on `node`."""

    shard: ShardId
    node: NodeId
    reason: Reason


@dataclass(frozen=True, slots=True)
class ReplaceReplica:
    """Make a replica of `shard` on `new`; once it has caught up, remove the one on `old`, in one change."""

    shard: ShardId
    old: NodeId
    new: NodeId
    reason: Reason


Step = AddReplica | RemoveReplica | ReplaceReplica


@dataclass(frozen=True, slots=True)
class ZoneShared:
    """`replicas` replicas of `shard` are in `zone`: there was no room in a zone that has fewer."""

    shard: ShardId
    zone: str
    replicas: int


@dataclass(frozen=True, slots=True)
class ReplicasMissing:
    """`shard` has `missing` replicas too few, and no node takes one."""

    shard: ShardId
    missing: int


@dataclass(frozen=True, slots=True)
class ReplicaStuck:
    """The replica of `shard` on `node` should go, for `reason`, and no node takes it."""

    shard: ShardId
    node: NodeId
    reason: Reason


@dataclass(frozen=True, slots=True)
class OverCapacity:
    """`node` has `replicas` replicas, more than it takes, and no other node takes the rest."""

    node: NodeId
    replicas: int
    capacity: int


@dataclass(frozen=True, slots=True)
class QuorumLost:
    """Only `live` of `replicas` replicas of `shard` are on nodes that are up: no plan touches it (see disasters)."""

    shard: ShardId
    live: int
    replicas: int


Finding = ZoneShared | ReplicasMissing | ReplicaStuck | OverCapacity | QuorumLost


@dataclass(frozen=True, slots=True)
class Plan:
    """The next steps.

    Attributes:
        steps: the more urgent ones first.
        findings: the rules that no step can satisfy now, with what is in the way.
        waiting: how many replicas more must be made or moved by other rules than balance, but not yet: because of the
            limits, because another step touches the shard, or because too few of its replicas are up.
    """

    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    waiting: int = 0


def apply_steps(placement: Placement, steps: Iterable[Step]) -> dict[ShardId, tuple[NodeId, ...]]:
    """Return the placement after `steps`, with the nodes of each shard in order of their names.

    A step that has been applied already changes nothing.

    Raises:
        LookupError: a step names a shard that is not in the placement.
    """
    nodes_by_shard = {shard: dict.fromkeys(nodes) for shard, nodes in placement.items()}
    for step in steps:
        nodes = nodes_by_shard.get(step.shard)
        if nodes is None:
            raise LookupError(f"{step} names a shard that is not in the placement")
        match step:
            case AddReplica():
                nodes[step.node] = None
            case RemoveReplica():
                nodes.pop(step.node, None)
            case ReplaceReplica():
                nodes.pop(step.old, None)
                nodes[step.new] = None
    return {shard: tuple(sorted(nodes)) for shard, nodes in nodes_by_shard.items()}
