"""Carries a plan of faults out on a cluster in a simulated world.

    Plan ──▶ Injector ──at its time──▶ aimed by role? ──▶ NodeFaults, NetworkFaults, DiskFaults, …
                │                       wait for whoever         each says in `Firings` what took effect
                │                       shows it, a second
                └── ends_at_s ──▶ recover: everything heals

A fault that lasts goes on, a tenth of a second at a time, until it has hit something or the plan is over.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.actor_faults import ActorFaults
from coterie.actors.simulation.faults.disk_faults import DiskFaults
from coterie.actors.simulation.faults.fault_timing import EXTENSION_S, Timing
from coterie.actors.simulation.faults.network_faults import NetworkFaults
from coterie.actors.simulation.faults.node_faults import NodeFaults
from coterie.actors.simulation.faults.order_faults import OrderFaults
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.errors import PlanError
from coterie.protocols.faults.fault_budget import check_budget
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.fault_plan import Plan
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
    Role,
    Shape,
    ShortWrite,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    WallJump,
    WipedDisk,
    kind,
)
from coterie.protocols.faults.plan_format import encode_fault
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["Injector"]

GRACE_S = 5.0
"""How much later than planned everything heals, at most, for the sake of a kind of fault that has not struck yet."""

PATIENCE_S = 1.0
"""How long a fault waits for somebody to show its role."""


class Injector:
    """Makes a plan happen. Without one it only knows how to end what others began.

    Args:
        plan: the faults; their time begins with `begin`.
        deployed: to whom.
        world: where.
        tell: hears of what happens: a node's name, an event, a detail.

    Raises:
        PlanError: the plan is for other nodes, has a fault that this level lacks, or goes beyond the budget.
    """

    def __init__(
        self,
        plan: Plan | None,
        deployed: Deployment,
        world: SimulatedWorld,
        tell: Callable[[str | None, str, object], None],
    ) -> None:
        if plan is not None:
            _check(plan, deployed)
        self.plan = plan
        """What is carried out."""
        self.firings = Firings()
        """What took effect."""
        self.is_over = plan is None
        """Whether the plan has ended, and everything has healed."""
        self._deployed = deployed
        self._tell = tell
        self._timing = _timing_of(world.loop)
        self._began_s = self._timing.now()
        self._waiting: list[tuple[Role, Fault]] = []
        self._latest: dict[Role, str] = {}
        self._nodes = NodeFaults(deployed, world, self._timing, self.firings)
        self._network = NetworkFaults(
            world.network,
            tuple(deployed.nodes),
            self._timing,
            self.firings,
            dialers=lambda: [name for name in world.lives if name not in (*deployed.nodes, "observer")],
            is_gone=lambda name: deployed.nodes[name].is_gone,
        )
        self._disks = DiskFaults(deployed, world, self._timing, self.firings)
        self._actors = ActorFaults(deployed, world, self._timing, self.firings)
        self._order = OrderFaults(deployed, world, self._timing, self.firings)

    def begin(self) -> None:
        """Let the plan's time begin now."""
        if self.plan is None:
            return
        self._nodes.keep_images(self.plan)
        for fault in self.plan.faults:
            self._timing.after(fault.at_s, partial(self._strike, fault))
        self._timing.after(self.plan.ends_at_s, self._end)

    def showed(self, role: Role, node: str) -> None:
        """Note that a node has just shown itself in `role`: the first fault that waits for that strikes."""
        self._latest[role] = node
        for waiting in self._waiting:
            aim, fault = waiting
            if aim is role:
                self._waiting.remove(waiting)
                # Not now: whoever shows it is in the middle of something, and must not end inside it.
                self._timing.after(0.0, partial(self._hit, fault, self._deployed.nodes[node]))
                return

    def calm_network(self) -> None:
        """End every fault of the network."""
        self._network.calm()

    def recover(self) -> None:
        """End every fault: links, pauses, clocks, disks, actors, orders; start who is down and may come back."""
        self._tell(None, "plan.ended", None)
        self.is_over = True
        self._waiting.clear()
        self._timing.end()
        for faults in (self._network, self._disks, self._actors, self._order, self._nodes):
            faults.calm()

    def _end(self) -> None:
        """Let everything heal, but not before everything has struck, if that takes only moments."""
        plan = self.plan
        if plan is None or self.is_over:
            return
        has_struck = all(self.firings.count(kind) for kind in plan.kinds())
        if has_struck or self._timing.now() >= plan.ends_at_s + GRACE_S + self._began_s:
            self.recover()
        else:
            self._timing.after(EXTENSION_S, self._end)

    # --- one fault --------------------------------------------------------------------------------------------------

    def _strike(self, fault: Fault) -> None:
        if self.is_over:
            return
        role = _role_of(fault)
        if role is Role.ANY:
            self._hit(fault, self._named(fault))
        elif role is Role.BUSIEST:
            self._hit(fault, self._busiest(self._named(fault)))
        else:
            self._waiting.append((role, fault))
            self._timing.after(PATIENCE_S, lambda: self._lose_patience(role, fault))

    def _lose_patience(self, role: Role, fault: Fault) -> None:
        if (role, fault) in self._waiting:
            self._waiting.remove((role, fault))
            latest = self._latest.get(role)
            node = None if latest is None else self._deployed.nodes[latest]
            self._hit(fault, node if node is not None and node.is_up else self._named(fault))

    def _named(self, fault: Fault) -> SimulatedNode:
        """Return the target of a fault; in place of one that is out for good, the first that is not."""
        nodes = self._deployed.nodes
        named = nodes[getattr(fault, "target", next(iter(nodes)))]
        return next((node for node in nodes.values() if not node.is_gone), named) if named.is_gone else named

    def _busiest(self, otherwise: SimulatedNode) -> SimulatedNode:
        handled = {node: node.system.stats().handled for node in self._deployed.nodes.values() if node.is_up}
        return max(handled, key=lambda node: handled[node], default=otherwise)

    def _hit(self, fault: Fault, node: SimulatedNode) -> None:
        if self.is_over:
            return
        self._tell(node.name if hasattr(fault, "target") else None, f"fault.{kind(fault)}", encode_fault(fault))
        match fault:
            case Crash() | Outage() | Pause() | SlowNode() | StaleDisk() | WipedDisk() | WallJump() | ClockRate():
                self._nodes.strike(fault, node)
            case Delay() | Loss() | Corrupt() | Bandwidth() | Reset() | ResetMidFrame() | HalfOpen() | Clog() | Flap():
                self._network.strike(fault)
            case Partition():
                self._network.part(fault, self._middle(fault, node))
            case FsyncError() | DiskFull() | ShortWrite() | BitRot() | SlowDisk():
                self._disks.strike(fault, node)
            case RaiseInHandler() | CancelHandler() | HangHandler() | PoisonMessage() | FullMailbox():
                self._actors.strike(fault, node)
            case RandomOrder() | Priorities() | Starve():
                self._order.strike(fault, node)
            case Duplicate() | Reorder():
                raise PlanError(f"{fault.KIND} cannot be carried out on connections")
            case _:
                assert_never(fault)

    def _middle(self, fault: Partition, node: SimulatedNode) -> str:
        """Return around whom the links break."""
        if fault.shape is not Shape.LEADER:
            return node.name
        leaders = [watch.leader for watch in self._deployed.rafts]
        return next((leader for leader in leaders if leader is not None), self._latest.get(Role.LEADER, node.name))


def _timing_of(loop: VirtualLoop) -> Timing:
    now = loop.clock.monotonic
    return Timing(now, lambda delay_s, act: loop.call_at_for(None, now() + delay_s, act))


def _role_of(fault: Fault) -> Role:
    role = getattr(fault, "role", Role.ANY)
    return role if isinstance(role, Role) else Role.ANY


def _check(plan: Plan, deployed: Deployment) -> None:
    plan.check_level(Level.SYSTEM)
    check_budget(plan)
    if plan.nodes != deployed.topology.nodes:
        ours, its = ", ".join(deployed.topology.nodes), ", ".join(plan.nodes)
        raise PlanError(f"the plan is for nodes {its}, the topology {deployed.topology.name!r} has {ours}")
