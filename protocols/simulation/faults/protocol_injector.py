"""Carries out a plan at the level of protocols: each fault at its time, at its target, until it has hit something.

| fault | what it is at this level |
| --- | --- |
| crash, outage | a life ends; a random prefix of the unsynced writes survives |
| fsync_error | the next sync loses everything that was not durable, and the node ends as in a crash |
| stale_disk, wiped_disk | the node ends for good: such a voter never comes back under its old name |
| slow_node | every turn waits a fixed time |
| starve, priorities, random_order | turns wait: one node's long, each node's by its rank, everybody's at random |
| the network's | rules on links, see link_faults.py |

When the plan ends, everything heals: links, clocks and disks are sound, and every node runs that has not retired. A
plan with kinds that have hit nothing yet goes on until they have, but not for longer than `OVERTIME` of its time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from coterie.errors import PlanError
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.fault_plan import Plan
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
    Role,
    Shape,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    WipedDisk,
    kind,
)
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.faults.fault_targeting import EXTENSION_S, PATIENCE_S, Aiming
from coterie.protocols.simulation.faults.lasting_faults import Lasting
from coterie.protocols.simulation.faults.link_faults import LinkFaults
from coterie.protocols.simulation.faults.turn_faults import TurnFaults
from coterie.protocols.simulation.protocol_network import Network
from coterie.protocols.simulation.protocol_node import Node
from coterie.protocols.simulation.run_trace import Trace

__all__ = ["Injector", "latest_end_s"]

BRIEF = 0.1
"""A fault waits for a role no longer than this part of its plan."""

OVERTIME = 0.5

W = TypeVar("W")
M = TypeVar("M")


def latest_end_s(plan: Plan) -> float:
    """Return the moment (s) by which everything has healed."""
    return plan.ends_at_s * (1 + OVERTIME)


class Injector(Generic[W, M]):
    """Makes a plan happen to nodes and network, and calls `healed` at its end. `rng` is the plan's own stream.

    Raises:
        PlanError: the plan has a kind of fault that this level lacks.
    """

    def __init__(
        self,
        plan: Plan,
        timeline: Timeline,
        trace: Trace,
        firings: Firings,
        nodes: Sequence[Node[W, M]],
        network: Network[M],
        *,
        rng: random.Random,
        healed: Callable[[], None],
    ) -> None:
        plan.check_level(Level.PROTOCOL)
        self._timeline = timeline
        self._trace = trace
        self._firings = firings
        self._nodes = nodes
        self._healed = healed
        self._lasting = Lasting(timeline, firings)
        self.aiming: Aiming[W, M] = Aiming(timeline, nodes, min(PATIENCE_S, BRIEF * plan.ends_at_s))
        names = [node.node_id for node in nodes]
        self._links = LinkFaults(names, timeline, trace, self._lasting, network, rng)
        self._turns = TurnFaults(nodes, timeline, firings, self.aiming, self._lasting, rng)
        self.is_over = False
        for fault in plan.faults:
            timeline.at(fault.at_s, self._begin, fault)
        timeline.at(plan.ends_at_s, self._end, plan)

    def _begin(self, fault: Fault) -> None:
        match fault:
            case Partition(shape=Shape.LEADER):
                self.aiming.strike(Role.LEADER, fault.target, partial(self._part, fault))
            case Partition() | Clog() | Delay() | Duplicate() | Flap() | Loss() | Reorder() | Reset():
                self._links.begin(fault)
            case Crash():
                self.aiming.strike(fault.role, fault.target, partial(self._crash, fault))
            case Outage():
                self._black_out(fault)
            case StaleDisk() | WipedDisk():
                self._forget(fault)
            case Pause():
                self.aiming.strike(fault.role, fault.target, partial(self._pause, fault))
            case FsyncError():
                self.aiming.strike(fault.role, fault.target, partial(self._fail_sync, fault))
            case ClockRate():
                self.aiming.strike(fault.role, fault.target, partial(self._change_clock, fault))
            case SlowDisk():
                self.aiming.strike(fault.role, fault.target, partial(self._slow_disk, fault))
            case SlowNode() | Starve() | Priorities() | RandomOrder():
                self._turns.begin(fault)
            case _:
                raise PlanError(f"{fault.KIND} cannot be carried out at this level")

    def _end(self, plan: Plan) -> None:
        is_overtime_left = self._timeline.now < latest_end_s(plan)
        if is_overtime_left and any(not self._firings.count(name) for name in plan.kinds()):
            self._timeline.after(EXTENSION_S, self._end, plan)
        else:
            self._heal()

    def _heal(self) -> None:
        self._trace.record(None, "plan_ended")
        self.is_over = True
        self.aiming.stop()
        self._lasting.heal()
        for node in self._nodes:
            self._note_pause(node)
            node.resume()
            node.start()
        self._healed()

    # Lives.

    def _crash(self, fault: Crash, node: Node[W, M]) -> bool:
        if not node.is_up:
            return False
        self._timeline.after(fault.delay_s, self._end_life, fault, node, node.life)
        return True

    def _end_life(self, fault: Crash, node: Node[W, M], life: int) -> None:
        if self.is_over:
            return
        if node.is_up and node.life == life:
            self._kill(node, kind(fault), fault.down_s)
        else:  # something else was faster: aim again
            self.aiming.strike(fault.role, fault.target, partial(self._crash, fault))

    def _black_out(self, fault: Outage) -> None:
        struck = [(place, node) for place, node in enumerate(self._nodes) if node.is_up]
        if not struck and not self.is_over:
            self._timeline.after(EXTENSION_S, self._black_out, fault)
        for place, node in struck:
            self._kill(node, kind(fault), fault.down_s[place % len(fault.down_s)])

    def _forget(self, fault: StaleDisk | WipedDisk) -> None:
        if fault.role is Role.ANY:
            self._retire(fault, self.aiming.node(fault.target))  # up or down: the budget counts this one
        else:
            self.aiming.strike(fault.role, fault.target, partial(self._retire, fault))

    def _retire(self, fault: StaleDisk | WipedDisk, node: Node[W, M]) -> bool:
        if not node.is_retired:
            self._firings.note(kind(fault))
            self._note_pause(node)
            node.crash()
            node.retire()
        return True

    def _fail_sync(self, fault: FsyncError, node: Node[W, M]) -> bool:
        self._trace.record(node.node_id, "disk.will_fail")
        node.disk.fail_next(partial(self._kill, node, kind(fault), fault.down_s))
        self._lasting.until_healed(partial(node.disk.fail_next, None))
        return True

    def _kill(self, node: Node[W, M], name: str, down_s: float) -> None:
        self._note_pause(node)
        self._firings.note(name)
        node.crash()
        self._timeline.after(down_s, node.start)

    # Pauses.

    def _pause(self, fault: Pause, node: Node[W, M]) -> bool:
        if not node.is_awake:
            return False
        node.pause()
        life, count = node.life, self._firings.count(kind(fault))
        self._timeline.after(fault.duration_s, self._resume, fault, node, life, count)
        return True

    def _resume(self, fault: Pause, node: Node[W, M], life: int, count: int) -> None:
        if node.life != life or not node.is_paused:
            if self._firings.count(kind(fault)) == count:  # the node crashed before it missed anything
                self.aiming.strike(fault.role, fault.target, partial(self._pause, fault))
        elif node.missed:
            self._note_pause(node)
            node.resume()
        else:
            self._timeline.after(EXTENSION_S, self._resume, fault, node, life, count)

    def _note_pause(self, node: Node[W, M]) -> None:
        if node.is_paused and node.missed:
            self._firings.note(Pause.KIND)

    # What lasts.

    def _part(self, fault: Partition, node: Node[W, M]) -> bool:
        self._links.begin(fault, node.node_id)
        return True

    def _change_clock(self, fault: ClockRate, node: Node[W, M]) -> bool:
        if not node.is_awake:
            return False
        self._trace.record(node.node_id, "clock.rate_changed", fault.rate)
        node.run_clock_at(fault.rate)
        self._lasting.begin(kind(fault), fault.duration_s, partial(node.run_clock_at, 1.0))
        self._firings.note(kind(fault))
        return True

    def _slow_disk(self, fault: SlowDisk, node: Node[W, M]) -> bool:
        self._trace.record(node.node_id, "disk.slowed", fault.factor)
        node.disk.slow_down(fault.factor, partial(self._firings.note, kind(fault)))
        self._lasting.begin(kind(fault), fault.duration_s, partial(node.disk.slow_down, 1.0))
        return True
