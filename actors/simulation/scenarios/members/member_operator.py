"""`MemberOperator`: changes the members of a simulated group as operators do, while the group has faults.

    a node waits to join            add it, as a voter or as a learner
    a learner                       promote it
    a member, also the leader       remove it; it may be added again
    a lost disk                     an empty one, `bootstrap="join"`, replace the lost store
    a disk that is in order         now and then it is taken for lost

It asks for one change at a time, through a client as any other, and repeats one whose end it does not know.

The fault budget of a plan is that of its first nodes: at most a minority of them loses its state. As members change,
the operator keeps to it: it takes no voter away, and no disk, unless those that are lost now and those that the rest of
the plan may cost are a minority of the voters that are left. A store that is replaced is not lost any more.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupMember, GroupStatus
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.actors.simulation.simulation import Simulation
from coterie.errors import CommandRefused, CoterieError
from coterie.protocols.faults.fault_budget import StateLoss
from coterie.protocols.faults.fault_plan import FaultPlan

__all__ = ["MemberOperator", "are_settled"]

PAUSE_S: Final = 3.0
"""The longest pause between two changes."""

ATTEMPT_S: Final = 15.0
MEMBERS_S: Final = 5.0
SHOWN_STORE: Final = 8
"""So much of the id of a lost store is told."""

REPAIRED: Final = 0.8
"""How often a lost disk is dealt with, if there is one, in place of any other change."""

VOTING, CHANGING = ("voter", "incoming", "outgoing"), ("incoming", "outgoing")
UNDER_WAY: Final = "another change is under way"


class _Change(NamedTuple):
    kind: str
    node: str
    ask: Callable[[], Awaitable[object]]


class MemberOperator:
    """The operator of one group in one run.

    Args:
        sim: the run; its topology is deployed.
        plan: its faults.
        group: the name of the group.
        rng: the source of all draws.
    """

    def __init__(self, sim: Simulation, plan: FaultPlan, group: str, rng: random.Random) -> None:
        self._sim = sim
        self._group = group
        self._rng = rng
        self._losses = [fault.KIND for fault in plan.faults if isinstance(fault, StateLoss)]
        self._lost: dict[str, None] = {}
        self._unsettled: _Change | None = None
        self.done: dict[str, int] = {}
        """How many changes were made, by their kind."""
        self.refused: dict[str, int] = {}
        """How many were refused."""

    async def run(self, client: SimulatedClient) -> None:
        """Change the members until the plan is over; then see the last change to its end."""
        group = client.access.group(self._group)
        while not self._sim.injector.is_over:
            await asyncio.sleep(PAUSE_S * self._rng.random())
            change = self._unsettled or await self._next(group)
            if change is not None:
                await self._make(change)
        while self._unsettled is not None:
            await self._make(self._unsettled)
            await asyncio.sleep(PAUSE_S * self._rng.random())

    async def _make(self, change: _Change) -> None:
        self._unsettled = change
        try:
            await change.ask()
        except CommandRefused as refusal:
            if UNDER_WAY not in str(refusal):
                self._unsettled = None
                self.refused[change.kind] = self.refused.get(change.kind, 0) + 1
        except CoterieError:
            pass  # it may be made or not: it is repeated
        else:
            self._unsettled = None
            self._lost.pop(change.node, None)
            self.done[change.kind] = self.done.get(change.kind, 0) + 1

    # --- what is drawn ------------------------------------------------------------------------------------------------

    async def _next(self, group: GroupClient[object]) -> _Change | None:
        try:
            members = await group.members(timeout_s=MEMBERS_S)
        except CoterieError:
            return None
        if members.leader is None:
            return None  # a replica's word may be old
        gone = [node for node in self._sim.nodes if node.is_gone]
        if gone and self._rng.random() < REPAIRED:
            node = self._rng.choice(gone)
            self._lost[node.name] = None
            self._give_empty_disk(node)
        lost = [member for member in members if member.node in self._lost and member.role in VOTING]
        if lost and self._rng.random() < REPAIRED:
            return self._replacement(group, self._rng.choice(lost))
        changes = self._changes(group, members)
        return self._rng.choice(changes) if changes else None

    def _changes(self, group: GroupClient[object], members: Sequence[GroupMember]) -> list[_Change]:
        """Return what may be asked for now; some are given twice, to be drawn more often."""
        nodes = dict.fromkeys(member.node for member in members)
        changes = []
        for node in self._sim.nodes:
            if node.name not in nodes and not node.is_gone:
                add = partial(group.add, node.name, timeout_s=ATTEMPT_S)
                changes += 2 * [_Change("add", node.name, add)]
                changes += [_Change("add learner", node.name, partial(add, learner=True))]
        for member in members:
            ask = partial(group.promote, member.node, timeout_s=ATTEMPT_S)
            if member.role == "learner":
                changes += 3 * [_Change("promote", member.node, ask)]
            if self._may_lose(members, removed=member.node):
                ask = partial(group.remove, member.node, timeout_s=ATTEMPT_S)
                changes += [_Change("remove", member.node, ask)]
        return changes + self._swaps(group, members)

    def _swaps(self, group: GroupClient[object], members: Sequence[GroupMember]) -> list[_Change]:
        """Return the replacement of one disk that is in order, if the group can bear it."""
        able = [
            member
            for member in members
            if member.role == "voter" and member.store is not None and self._is_in_order(self._sim.node(member.node))
        ]
        if not able or not self._may_lose(members, more=1):
            return []
        member = self._rng.choice(able)

        async def swap() -> None:
            if member.node not in self._lost:
                self._lost[member.node] = None
                self._give_empty_disk(self._sim.node(member.node))
            await self._replacement(group, member).ask()

        return 2 * [_Change("swap", member.node, swap)]

    def _replacement(self, group: GroupClient[object], member: GroupMember) -> _Change:
        """Return what replaces a lost store; one that the log does not name can only be removed."""
        if member.store is None:
            return _Change("remove lost", member.node, partial(group.remove, member.node, timeout_s=ATTEMPT_S))
        ask = partial(group.replace, member.node, store=member.store[:SHOWN_STORE], timeout_s=ATTEMPT_S)
        return _Change("replace", member.node, ask)

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _may_lose(self, members: Sequence[GroupMember], *, removed: str | None = None, more: int = 0) -> bool:
        """Return whether the group survives the rest of the plan without `removed`, and with `more` lost disks."""
        voters = dict.fromkeys(member.node for member in members if member.role in VOTING and member.node != removed)
        lost = sum(node in self._lost or self._is_losing(self._sim.node(node)) for node in voters) + more
        counts = self._sim.fault_counts
        still_planned = len(self._losses) - sum(counts.count(kind) for kind in dict.fromkeys(self._losses))
        return len(voters) > 0 and lost + max(0, still_planned) <= (len(voters) - 1) // 2

    def _is_losing(self, node: SimulatedNode) -> bool:
        return node.has_replaced_disk or node.has_bit_rot

    def _is_in_order(self, node: SimulatedNode) -> bool:
        is_faulty = node.name in self._lost or self._is_losing(node) or node.is_paused or node.may_end
        return node.is_up and not is_faulty

    def _give_empty_disk(self, node: SimulatedNode) -> None:
        node.wipe(join=True)
        node.start()


async def are_settled(sim: Simulation, group: str) -> bool:
    """Return whether no change is under way, and every node that runs says what it is: a member of the group, or none.

    `sim`: a run without faults.
    """
    handle = (await sim.observer()).group(group)
    members = await handle.members()
    if members.leader is None:
        return False
    stores = {member.store for member in members}
    statuses = await handle.status()
    found = [(node.name, statuses.get(node.name)) for node in sim.nodes if node.is_up and not node.has_replaced_disk]
    return not any(member.role in CHANGING for member in members) and all(
        isinstance(status, GroupStatus)
        and status.change is None
        and (status.store in stores) == (status.role != "not_a_member")
        for _, status in found
    )
