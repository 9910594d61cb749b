"""`ProtocolInjector`: carries out each fault of a plan at its time, on the simulated nodes, disks and network.

| fault | effect at this level |
| --- | --- |
| crash, outage | the current life of a node ends; a random prefix of the unsynced writes survives |
| fsync_error | the next sync loses all writes that were not durable, and the node crashes |
| stale_disk, wiped_disk | the node ends permanently: such a voter never comes back under its old name |
| slow_node | every turn is delayed by a fixed time |
| starve, priorities, random_order | turns are delayed: long for one node, by rank, or at random |
| faults of the network | rules on links, see link_faults.py |

When the plan ends, everything heals: links, clocks and disks work normally, and every node runs that has not retired. A
plan with kinds that have hit nothing yet continues until they have, for at most `OVERTIME_FRACTION` of its time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from coterie.errors import PlanError
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    ClockRate,
    Clog,
    Crash,
    Delay,
    Duplicate,
    Fault,
    Flap,
    FsyncError,
    Level,
    Loss,
    Outage,
    Partition,
    Pause,
    Priorities,
    RandomOrder,
    Reorder,
    Reset,
    Shape,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    TargetRole,
    WipedDisk,
    kind,
)
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.active_faults import ActiveFaults
from coterie.protocols.simulation.faults.fault_targeting import RETRY_INTERVAL_S, ROLE_TIMEOUT_S, FaultTargeting
from coterie.protocols.simulation.faults.link_faults import LinkFaults
from coterie.protocols.simulation.faults.scheduling_faults import SchedulingFaults
from coterie.protocols.simulation.protocol_network import ProtocolNetwork
from coterie.protocols.simulation.protocol_node import ProtocolNode
from coterie.protocols.simulation.run_trace import RunTrace

__all__ = ["ProtocolInjector", "latest_end_s"]

ROLE_TIMEOUT_FRACTION = 0.1
"""A fault waits for a role no longer than this fraction of its plan's time."""

OVERTIME_FRACTION = 0.5

W = TypeVar("W")
M = TypeVar("M")


def latest_end_s(plan: FaultPlan) -> float:
    """Return the latest time (s) at which everything heals."""
    return plan.ends_at_s * (1 + OVERTIME_FRACTION)


class ProtocolInjector(Generic[W, M]):
    """Carries out a plan on nodes and network, and calls `healed` at its end. `rng`: the random stream of the faults.

    Raises:
        PlanError: the plan has a kind of fault that this level lacks.
    """

    def __init__(
        self,
        plan: FaultPlan,
        heap: EventHeap,
        trace: RunTrace,
        fault_counts: FaultCounts,
        nodes: Sequence[ProtocolNode[W, M]],
        network: ProtocolNetwork[M],
        *,
        rng: random.Random,
        healed: Callable[[], None],
    ) -> None:
        plan.check_level(Level.PROTOCOL)
        self._heap = heap
        self._trace = trace
        self._fault_counts = fault_counts
        self._nodes = nodes
        self._healed = healed
        self._active = ActiveFaults(heap, fault_counts)
        self.targeting: FaultTargeting[W, M] = FaultTargeting(
            heap, nodes, min(ROLE_TIMEOUT_S, ROLE_TIMEOUT_FRACTION * plan.ends_at_s)
        )
        names = [node.node_id for node in nodes]
        self._links = LinkFaults(names, heap, trace, self._active, network, rng)
        self._turns = SchedulingFaults(nodes, heap, fault_counts, self.targeting, self._active, rng)
        self.is_over = False
        for fault in plan.faults:
            heap.at(fault.at_s, self._begin, fault)
        heap.at(plan.ends_at_s, self._end, plan)

    def _begin(self, fault: Fault) -> None:
        match fault:
            case Partition(shape=Shape.LEADER):
                self.targeting.apply_to(TargetRole.LEADER, fault.target, partial(self._partition_leader, fault))
            case Partition() | Clog() | Delay() | Duplicate() | Flap() | Loss() | Reorder() | Reset():
                self._links.begin(fault)
            case Crash():
                self.targeting.apply_to(fault.role, fault.target, partial(self._crash, fault))
            case Outage():
                self._outage(fault)
            case StaleDisk() | WipedDisk():
                self._lose_state(fault)
            case Pause():
                self.targeting.apply_to(fault.role, fault.target, partial(self._pause, fault))
            case FsyncError():
                self.targeting.apply_to(fault.role, fault.target, partial(self._fail_sync, fault))
            case ClockRate():
                self.targeting.apply_to(fault.role, fault.target, partial(self._change_clock, fault))
            case SlowDisk():
                self.targeting.apply_to(fault.role, fault.target, partial(self._slow_disk, fault))
            case SlowNode() | Starve() | Priorities() | RandomOrder():
                self._turns.begin(fault)
            case _:
                raise PlanError(f"{fault.KIND} cannot be carried out at this level")

    def _end(self, plan: FaultPlan) -> None:
        is_overtime_left = self._heap.now < latest_end_s(plan)
        if is_overtime_left and any(not self._fault_counts.count(name) for name in plan.kinds()):
            self._heap.after(RETRY_INTERVAL_S, self._end, plan)
        else:
            self._heal()

    def _heal(self) -> None:
        self._trace.record(None, "plan_ended")
        self.is_over = True
        self.targeting.stop()
        self._active.heal()
        for node in self._nodes:
            self._note_pause(node)
            node.resume()
            node.start()
        self._healed()

    # Lives.

    def _crash(self, fault: Crash, node: ProtocolNode[W, M]) -> bool:
        if not node.is_up:
            return False
        self._heap.after(fault.delay_s, self._end_life, fault, node, node.life)
        return True

    def _end_life(self, fault: Crash, node: ProtocolNode[W, M], life: int) -> None:
        if self.is_over:
            return
        if node.is_up and node.life == life:
            self._kill(node, kind(fault), fault.down_s)
        else:  # the life has already ended: choose a node again
            self.targeting.apply_to(fault.role, fault.target, partial(self._crash, fault))

    def _outage(self, fault: Outage) -> None:
        nodes_up = [(place, node) for place, node in enumerate(self._nodes) if node.is_up]
        if not nodes_up and not self.is_over:
            self._heap.after(RETRY_INTERVAL_S, self._outage, fault)
        for place, node in nodes_up:
            self._kill(node, kind(fault), fault.down_s[place % len(fault.down_s)])

    def _lose_state(self, fault: StaleDisk | WipedDisk) -> None:
        if fault.role is TargetRole.ANY:
            self._retire(fault, self.targeting.node(fault.target))  # up or down: the fault budget counts this node
        else:
            self.targeting.apply_to(fault.role, fault.target, partial(self._retire, fault))

    def _retire(self, fault: StaleDisk | WipedDisk, node: ProtocolNode[W, M]) -> bool:
        if not node.is_retired:
            self._fault_counts.note(kind(fault))
            self._note_pause(node)
            node.crash()
            node.retire()
        return True

    def _fail_sync(self, fault: FsyncError, node: ProtocolNode[W, M]) -> bool:
        self._trace.record(node.node_id, "disk.will_fail")
        node.disk.fail_next(partial(self._kill, node, kind(fault), fault.down_s))
        self._active.until_healed(partial(node.disk.fail_next, None))
        return True

    def _kill(self, node: ProtocolNode[W, M], name: str, down_s: float) -> None:
        self._note_pause(node)
        self._fault_counts.note(name)
        node.crash()
        self._heap.after(down_s, node.start)

    # Pauses.

    def _pause(self, fault: Pause, node: ProtocolNode[W, M]) -> bool:
        if not node.is_awake:
            return False
        node.pause()
        life, count = node.life, self._fault_counts.count(kind(fault))
        self._heap.after(fault.duration_s, self._resume, fault, node, life, count)
        return True

    def _resume(self, fault: Pause, node: ProtocolNode[W, M], life: int, count: int) -> None:
        if node.life != life or not node.is_paused:
            if self._fault_counts.count(kind(fault)) == count:  # the node crashed before it missed an event
                self.targeting.apply_to(fault.role, fault.target, partial(self._pause, fault))
        elif node.missed:
            self._note_pause(node)
            node.resume()
        else:
            self._heap.after(RETRY_INTERVAL_S, self._resume, fault, node, life, count)

    def _note_pause(self, node: ProtocolNode[W, M]) -> None:
        if node.is_paused and node.missed:
            self._fault_counts.note(Pause.KIND)

    # Faults with a duration.

    def _partition_leader(self, fault: Partition, node: ProtocolNode[W, M]) -> bool:
        self._links.begin(fault, node.node_id)
        return True

    def _change_clock(self, fault: ClockRate, node: ProtocolNode[W, M]) -> bool:
        if not node.is_awake:
            return False
        self._trace.record(node.node_id, "clock.rate_changed", fault.rate)
        node.run_clock_at(fault.rate)
        self._active.begin(kind(fault), fault.duration_s, partial(node.run_clock_at, 1.0))
        self._fault_counts.note(kind(fault))
        return True

    def _slow_disk(self, fault: SlowDisk, node: ProtocolNode[W, M]) -> bool:
        self._trace.record(node.node_id, "disk.slowed", fault.factor)
        node.disk.slow_down(fault.factor, partial(self._fault_counts.note, kind(fault)))
        self._active.begin(kind(fault), fault.duration_s, partial(node.disk.slow_down, 1.0))
        return True
