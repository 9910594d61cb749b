"""`draw_quorum`: draws the quorum system of a simulated group: a majority, weights or a grid, as its faults allow."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.fault_budget import StateLoss
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.quorums import Grid, Quorum, Weighted

__all__ = ["draw_quorum"]

HEAVIEST = 3


def draw_quorum(rng: random.Random, plan: FaultPlan) -> Quorum | None:
    """Return the quorum system of the nodes of `plan`; None: more than half (half of all draws).

    The nodes that lose their disks in `plan` never come back, so the others contain a quorum, if the group must be
    live. The budget of a plan is that of majorities: if the drawn system does not fit, it is one.
    """
    voters = tuple(NodeId(node) for node in plan.nodes)
    chance = rng.random()
    if chance < 0.5:
        return None
    quorum = _weighted(rng, voters) if chance < 0.75 else _grid(rng, voters)
    return quorum if _survives(quorum, plan) else None


def _weighted(rng: random.Random, voters: tuple[NodeId, ...]) -> Quorum:
    weight_by_voter = {voter: rng.randint(1, HEAVIEST) for voter in voters}
    total = sum(weight_by_voter.values())
    return Weighted(weight_by_voter, threshold=rng.randint(total // 2 + 1, max(total // 2 + 1, total * 2 // 3)))


def _grid(rng: random.Random, voters: tuple[NodeId, ...]) -> Quorum:
    shuffled = rng.sample(voters, len(voters))
    cut = rng.randint(1, len(voters) - 1) if len(voters) > 1 else 1
    return Grid([row for row in (shuffled[:cut], shuffled[cut:]) if row])


def _survives(quorum: Quorum, plan: FaultPlan) -> bool:
    """Return whether the nodes whose disks survive `plan` contain a quorum; a loss by role may be any node's."""
    losses = [fault for fault in plan.faults if isinstance(fault, StateLoss)]
    if not is_live(plan):
        return True
    if any(fault.role is not TargetRole.ANY for fault in losses):
        return False
    lost = [fault.target for fault in losses]
    return quorum.is_quorum([NodeId(node) for node in plan.nodes if node not in lost])
