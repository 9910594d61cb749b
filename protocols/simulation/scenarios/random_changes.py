"""`RandomChanges`: draws changes of the members of a simulated Raft group, and the spare stores that take part in them.

Of the groups of simple majorities most change, if their faults are drawn, too. Spares are new nodes, and stores that
replace those of founders, lost or not: the store n2/2 is one of node n2. A change must leave a group that survives its
plan: fewer than half of its voters may be among those that lose their disks later.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.fault_budget import StateLoss
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.membership.member_changes import (
    AddLearner,
    AddVoter,
    MemberChange,
    Promote,
    Remove,
    ReplaceStore,
    next_step,
)
from coterie.protocols.raft.membership.membership import MemberRole, Membership, StoreId

__all__ = ["RandomChanges"]

CHANGING = 0.6
"""The fraction of the groups with simple majorities whose members change."""

FEWEST, MOST = 2, 12
"""How many changes are asked for in a run."""

NEW_NODES = 2
REPLACEMENTS = 2
REPLACING_THE_LOST = 0.5
"""How often the store of a lost disk is replaced, if there is one, in place of any other change."""


class RandomChanges:
    """The changes of one run.

    Args:
        rng: the source of all random draws.
        plan: the faults of the run.
        voters: the founders.
        quorum: which founders decide; None: more than half.
    """

    def __init__(self, rng: random.Random, plan: FaultPlan, voters: Sequence[NodeId], quorum: Quorum | None) -> None:
        self._rng = rng
        self._is_live = is_live(plan)
        losses = [fault for fault in plan.faults if isinstance(fault, StateLoss)]
        self._lost = [StoreId(fault.target) for fault in losses if fault.role is TargetRole.ANY]
        self._lost_by_role = len(losses) - len(self._lost)
        is_drawn = plan.profile not in (None, "calm")
        self.is_active = is_drawn and quorum is None and rng.random() < CHANGING
        self._voters = tuple(voters)
        self.spares: tuple[NodeId, ...] = ()
        """The stores beside the founders'."""
        self.times: tuple[float, ...] = ()
        """When changes are asked for (s)."""
        if self.is_active:
            self.spares = (*self._new_nodes(voters), *self._replacements(voters))
            count = rng.randint(FEWEST, MOST)
            self.times = tuple(sorted(rng.random() * plan.ends_at_s for _ in range(count)))

    def draw(self, membership: Membership, retired: Collection[NodeId]) -> MemberChange | None:
        """Return a change to ask for, given the members and the stores that are lost; None: not now."""
        lost = [
            ReplaceStore(member.node, StoreId(f"{member.node}/2"))
            for member in membership.members
            if member.store_id is not None and NodeId(member.store_id) in retired and f"{member.node}/2" in self.spares
        ]
        change = (
            self._rng.choice(lost)
            if lost and self._rng.random() < REPLACING_THE_LOST
            else self._rng.choice(self._changes(membership, retired))
        )
        return change if self._survives(change, membership) else None

    def _changes(self, membership: Membership, retired: Collection[NodeId]) -> list[MemberChange]:
        changes: list[MemberChange] = [Remove(self._rng.choice(membership.nodes))]
        removed = [voter for voter in self._voters if voter not in membership.nodes and voter not in retired]
        changes += [AddVoter(voter, StoreId(voter)) for voter in removed for _ in range(2)]
        changes.append(Promote(self._rng.choice(membership.nodes)))
        for spare in self.spares:
            node, store = NodeId(spare.partition("/")[0]), StoreId(spare)
            if spare == node:
                changes += [AddVoter(node, store), AddVoter(node, store), AddLearner(node, store)]
            elif node in membership.nodes:
                changes += [ReplaceStore(node, store), ReplaceStore(node, store)]
            else:
                changes += [AddVoter(node, store)]
        return changes

    def _survives(self, change: MemberChange, membership: Membership) -> bool:
        """Return whether enough voters remain, step by step; a change that will be refused may be asked for."""
        while self._is_live:
            try:
                step = next_step(change, membership)
            except ValueError:
                return True
            if step.membership is None:
                return True
            membership = step.membership.after_joint()
            voters = [member.store_id for member in membership.members if member.role is MemberRole.VOTER]
            lost = sum(voter in self._lost for voter in voters) + self._lost_by_role
            if lost > (len(voters) - 1) // 2:
                return False
        return True

    def _new_nodes(self, voters: Sequence[NodeId]) -> list[NodeId]:
        first = len(voters) + 1
        return [NodeId(f"n{number}") for number in range(first, first + self._rng.randint(1, NEW_NODES))]

    def _replacements(self, voters: Sequence[NodeId]) -> list[NodeId]:
        lost = [NodeId(store) for store in dict.fromkeys(self._lost)]
        others = [voter for voter in voters if voter not in lost]
        chosen = lost + self._rng.sample(others, min(len(others), REPLACEMENTS))
        return [NodeId(f"{voter}/2") for voter in chosen]
