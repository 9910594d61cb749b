"""`SimulationInjector`: injects the faults of a fault plan into a simulated cluster, each at its planned time.

    FaultPlan ──▶ SimulationInjector ──at its time──▶ target by role? ──▶ NodeFaults, NetworkFaults, DiskFaults, …
                │                       wait up to 1 s until      each counts in `FaultCounts` what took effect
                │                       a node has the role
                └── ends_at_s ──▶ recover: all faults end

A fault with a duration is extended by 0.1 s at a time until it has taken effect or the plan has ended.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.actor_faults import ActorFaults
from coterie.actors.simulation.faults.disk_faults import DiskFaults
from coterie.actors.simulation.faults.fault_timing import EXTENSION_S, FaultTiming
from coterie.actors.simulation.faults.hostile_faults import HostileFaults
from coterie.actors.simulation.faults.network_faults import NetworkFaults
from coterie.actors.simulation.faults.node_faults import NodeFaults
from coterie.actors.simulation.faults.order_faults import OrderFaults
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.errors import PlanError
from coterie.protocols.faults.fault_budget import check_budget
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    Bandwidth,
    BitRot,
    CancelHandler,
    ClockRate,
    Clog,
    Corrupt,
    Crash,
    Delay,
    DiskFull,
    Duplicate,
    Fault,
    Flap,
    FsyncError,
    FullMailbox,
    HalfOpen,
    HangHandler,
    HostileClient,
    Level,
    Loss,
    Outage,
    Partition,
    Pause,
    PoisonMessage,
    Priorities,
    RaiseInHandler,
    RandomOrder,
    Reorder,
    Reset,
    ResetMidFrame,
    Shape,
    ShortWrite,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    TargetRole,
    WallJump,
    WipedDisk,
    kind,
)
from coterie.protocols.faults.plan_format import encode_fault
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["SimulationInjector"]

GRACE_S = 5.0
"""The most by which the end of the plan is delayed while a kind of fault has not taken effect yet (s)."""

ROLE_TIMEOUT_S = 1.0
"""How long a fault waits for a node with its target role (s)."""


class SimulationInjector:
    """Carries out a fault plan. Without a plan it can only end faults that the program injected.

    Args:
        plan: the faults; their time begins with `begin`.
        deployment: the nodes and groups to inject faults into.
        world: their simulated world.
        on_event: is called with a node's name (or None), an event and a detail.

    Raises:
        PlanError: the plan is for other nodes, has a fault unsupported at this level, or exceeds the fault budget.
    """

    def __init__(
        self,
        plan: FaultPlan | None,
        deployment: Deployment,
        world: SimulatedWorld,
        on_event: Callable[[str | None, str, object], None],
    ) -> None:
        if plan is not None:
            _check(plan, deployment)
        self.plan = plan
        """The fault plan; None if there is none."""
        self.fault_counts = FaultCounts()
        """How often each kind of fault took effect."""
        self.is_over = plan is None
        """Whether the plan has ended and all its faults with it."""
        self._deployment = deployment
        self._on_event = on_event
        self._timing = _timing_of(world.loop)
        self._began_s = self._timing.now()
        self._waiting: list[tuple[TargetRole, Fault]] = []
        self._latest: dict[TargetRole, str] = {}
        self._nodes = NodeFaults(deployment, world, self._timing, self.fault_counts)
        self._network = NetworkFaults(
            world.network,
            tuple(deployment.nodes),
            self._timing,
            self.fault_counts,
            clients=lambda: [name for name in world.lives if name not in (*deployment.nodes, "observer")],
            is_gone=lambda name: deployment.nodes[name].is_gone,
        )
        self._disks = DiskFaults(deployment, world, self._timing, self.fault_counts)
        self._actors = ActorFaults(deployment, world, self._timing, self.fault_counts)
        self._order = OrderFaults(deployment, world, self._timing, self.fault_counts)
        self._hostile = HostileFaults(deployment, world, self._timing, self.fault_counts)

    def begin(self) -> None:
        """Begin the plan's time now."""
        if self.plan is None:
            return
        self._nodes.take_images_for(self.plan)
        for fault in self.plan.faults:
            self._timing.after(fault.at_s, partial(self._begin_fault, fault))
        self._timing.after(self.plan.ends_at_s, self._end)

    def role_observed(self, role: TargetRole, node: str) -> None:
        """Note that a node has `role` now, and inject the first fault that waits for that role."""
        self._latest[role] = node
        for waiting in self._waiting:
            wanted, fault = waiting
            if wanted is role:
                self._waiting.remove(waiting)
                # Not now: the node is inside a step, and must not end in the middle of it.
                self._timing.after(0.0, partial(self._inject, fault, self._deployment.nodes[node]))
                return

    def end_network_faults(self) -> None:
        """End every network fault."""
        self._network.end_all()

    def recover(self) -> None:
        """End every fault: links, pauses, clocks, disks, actors, orders; restart nodes, see `NodeFaults.end_all`."""
        self._on_event(None, "plan.ended", None)
        self.is_over = True
        self._waiting.clear()
        self._timing.end()
        for faults in (self._hostile, self._network, self._disks, self._actors, self._order, self._nodes):
            faults.end_all()

    def _end(self) -> None:
        """End every fault once each kind has taken effect, at most `GRACE_S` later than planned."""
        plan = self.plan
        if plan is None or self.is_over:
            return
        have_taken_effect = all(self.fault_counts.count(kind) for kind in plan.kinds())
        if have_taken_effect or self._timing.now() >= plan.ends_at_s + GRACE_S + self._began_s:
            self.recover()
        else:
            self._timing.after(EXTENSION_S, self._end)

    # --- one fault --------------------------------------------------------------------------------------------------

    def _begin_fault(self, fault: Fault) -> None:
        if self.is_over:
            return
        role = _role_of(fault)
        if role is TargetRole.ANY:
            self._inject(fault, self._target(fault))
        elif role is TargetRole.BUSIEST:
            self._inject(fault, self._busiest(self._target(fault)))
        else:
            self._waiting.append((role, fault))
            self._timing.after(ROLE_TIMEOUT_S, lambda: self._role_timed_out(role, fault))

    def _role_timed_out(self, role: TargetRole, fault: Fault) -> None:
        if (role, fault) in self._waiting:
            self._waiting.remove((role, fault))
            latest = self._latest.get(role)
            node = None if latest is None else self._deployment.nodes[latest]
            self._inject(fault, node if node is not None and node.is_up else self._target(fault))

    def _target(self, fault: Fault) -> SimulatedNode:
        """Return the target of a fault; if it is permanently down, the first node that is not."""
        nodes = self._deployment.nodes
        named = nodes[getattr(fault, "target", next(iter(nodes)))]
        return next((node for node in nodes.values() if not node.is_gone), named) if named.is_gone else named

    def _busiest(self, otherwise: SimulatedNode) -> SimulatedNode:
        handled = {node: node.system.stats().handled for node in self._deployment.nodes.values() if node.is_up}
        return max(handled, key=lambda node: handled[node], default=otherwise)

    def _inject(self, fault: Fault, node: SimulatedNode) -> None:
        if self.is_over:
            return
        self._on_event(node.name if hasattr(fault, "target") else None, f"fault.{kind(fault)}", encode_fault(fault))
        match fault:
            case Crash() | Outage() | Pause() | SlowNode() | StaleDisk() | WipedDisk() | WallJump() | ClockRate():
                self._nodes.inject(fault, node)
            case Delay() | Loss() | Corrupt() | Bandwidth() | Reset() | ResetMidFrame() | HalfOpen() | Clog() | Flap():
                self._network.inject(fault)
            case Partition():
                self._network.partition(fault, self._partition_target(fault, node))
            case FsyncError() | DiskFull() | ShortWrite() | BitRot() | SlowDisk():
                self._disks.inject(fault, node)
            case RaiseInHandler() | CancelHandler() | HangHandler() | PoisonMessage() | FullMailbox():
                self._actors.inject(fault, node)
            case RandomOrder() | Priorities() | Starve():
                self._order.inject(fault, node)
            case HostileClient():
                self._hostile.inject(fault, node)
            case Duplicate() | Reorder():
                raise PlanError(f"{fault.KIND} is a fault of single messages: it cannot be injected into connections")
            case _:
                assert_never(fault)

    def _partition_target(self, fault: Partition, node: SimulatedNode) -> str:
        """Return the node around which the network is partitioned."""
        if fault.shape is not Shape.LEADER:
            return node.name
        leaders = [checker.leader for checker in self._deployment.raft_checkers]
        return next(
            (leader for leader in leaders if leader is not None), self._latest.get(TargetRole.LEADER, node.name)
        )


def _timing_of(loop: VirtualLoop) -> FaultTiming:
    now = loop.clock.monotonic
    return FaultTiming(now, lambda delay_s, act: loop.call_at_for(None, now() + delay_s, act))


def _role_of(fault: Fault) -> TargetRole:
    role = getattr(fault, "role", TargetRole.ANY)
    return role if isinstance(role, TargetRole) else TargetRole.ANY


def _check(plan: FaultPlan, deployment: Deployment) -> None:
    plan.check_level(Level.SYSTEM)
    check_budget(plan)
    if plan.nodes not in (tuple(deployment.nodes), deployment.topology.nodes, deployment.founders):
        ours, planned = ", ".join(deployment.nodes), ", ".join(plan.nodes)
        raise PlanError(f"the plan is for nodes {planned}, the topology {deployment.topology.name!r} has {ours}")
