"""Carries out a plan: crashes, outages, pauses, partitions, weather and slow disks, each at its time and its target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from coterie.protocols.seam import NodeId
from coterie.protocols.simulation.network import Link, Network, Weather
from coterie.protocols.simulation.node import Node
from coterie.protocols.simulation.plan import (
    Aim,
    Crash,
    Fault,
    Outage,
    Partition,
    Pause,
    Plan,
    Shape,
    SlowDisk,
    Storm,
    kind,
)
from coterie.protocols.simulation.timeline import Timeline
from coterie.protocols.simulation.trace import Trace

__all__ = ["FaultInjector", "Firings"]

W = TypeVar("W")
M = TypeVar("M")

PATIENCE_S = 1.0
"""How long a crash waits for somebody to show himself as its aim."""

EXTENSION_S = 0.1
"""By how much a fault is prolonged, again and again, while it has hit nothing."""


class Firings:
    """Counts which faults took effect: a life ended, a paused node missed an event, a message was stopped."""

    __slots__ = ("count_by_kind",)

    def __init__(self) -> None:
        self.count_by_kind: dict[str, int] = {}

    def count(self, fault: str) -> int:
        """Return how often faults of this kind took effect."""
        return self.count_by_kind.get(fault, 0)

    def note(self, fault: str) -> None:
        """Note that a fault of this kind took effect."""
        self.count_by_kind[fault] = self.count(fault) + 1


class FaultInjector(Generic[W, M]):
    """Makes a plan happen to nodes and network."""

    def __init__(
        self,
        plan: Plan,
        timeline: Timeline,
        trace: Trace,
        firings: Firings,
        nodes: Sequence[Node[W, M]],
        network: Network[M],
    ) -> None:
        self._timeline = timeline
        self._trace = trace
        self._firings = firings
        self._nodes = nodes
        self._network = network
        self._usual_weather = network.weather
        self._armed: list[Crash] = []
        self._latest: dict[Aim, NodeId] = {}
        self.is_over = False
        for fault in plan.faults:
            timeline.at(fault.at_s, self._beginning_of(fault))
        timeline.at(plan.ends_at_s, self._heal)

    def showed(self, aim: Aim, node_id: NodeId) -> None:
        """Note that a node has just shown itself as `aim`: the first crash that waits for that strikes."""
        self._latest[aim] = node_id
        for fault in self._armed:
            if fault.aim is aim:
                self._armed.remove(fault)
                self._strike(fault, self._node(node_id))
                return

    def _beginning_of(self, fault: Fault) -> Callable[[], None]:
        match fault:
            case Crash():
                return lambda: self._crash(fault)
            case Outage():
                return lambda: self._black_out(fault)
            case Pause():
                return lambda: self._pause(fault)
            case Partition():
                return lambda: self._partition(fault)
            case Storm():
                return lambda: self._storm(fault)
            case SlowDisk():
                return lambda: self._slow(fault)

    def _node(self, node_id: NodeId) -> Node[W, M]:
        return next(node for node in self._nodes if node.node_id == node_id)

    def _target(self, aim: Aim, victim: int) -> Node[W, M]:
        latest = self._latest.get(aim)
        node = self._nodes[victim] if latest is None else self._node(latest)
        if node.is_up and not node.is_paused:
            return node
        return next((other for other in self._nodes if other.is_up and not other.is_paused), node)

    def _crash(self, fault: Crash) -> None:
        if fault.aim is Aim.ANYONE:
            self._strike(fault, self._target(fault.aim, fault.victim))
            return
        self._armed.append(fault)
        self._timeline.after(PATIENCE_S, lambda: self._lose_patience(fault))

    def _lose_patience(self, fault: Crash) -> None:
        if fault in self._armed and not self.is_over:
            self._armed.remove(fault)
            self._strike(fault, self._target(fault.aim, fault.victim))

    def _strike(self, fault: Crash, node: Node[W, M]) -> None:
        life = node.life
        self._timeline.after(fault.delay_s, lambda: self._end_life(fault, node, life))

    def _end_life(self, fault: Crash, node: Node[W, M], life: int) -> None:
        if not self.is_over and node.is_up and node.life == life:
            self._kill(node, kind(fault), fault.down_s)

    def _black_out(self, fault: Outage) -> None:
        for node, down_s in zip(self._nodes, fault.down_s, strict=True):
            if node.is_up:
                self._kill(node, kind(fault), down_s)

    def _kill(self, node: Node[W, M], fault: str, down_s: float) -> None:
        self._note_pause(node)
        self._firings.note(fault)
        node.crash()
        self._timeline.after(down_s, node.start)

    def _pause(self, fault: Pause) -> None:
        if self.is_over:
            return
        node = self._target(fault.aim, fault.victim)
        if not node.is_up or node.is_paused:
            self._timeline.after(EXTENSION_S, lambda: self._pause(fault))  # there is nobody to pause
            return
        node.pause()
        life, count = node.life, self._firings.count(kind(fault))
        self._timeline.after(fault.duration_s, lambda: self._resume(fault, node, life, count))

    def _resume(self, fault: Pause, node: Node[W, M], life: int, count: int) -> None:
        if node.life != life or not node.is_paused:
            if self._firings.count(kind(fault)) == count:
                self._pause(fault)  # the node crashed before it missed anything
        elif node.missed:
            self._note_pause(node)
            node.resume()
        else:
            self._timeline.after(EXTENSION_S, lambda: self._resume(fault, node, life, count))

    def _note_pause(self, node: Node[W, M]) -> None:
        if node.is_paused and node.missed:
            self._firings.note("pause")

    def _end_after(self, duration_s: float, name: str, end: Callable[[], None]) -> None:
        """Call `end` after `duration_s`, but not before faults of this kind have hit something more."""
        count = self._firings.count(name)

        def end_if_hit() -> None:
            if self._firings.count(name) > count or self.is_over:
                end()
            else:
                self._timeline.after(EXTENSION_S, end_if_hit)

        self._timeline.after(duration_s, end_if_hit)

    def _partition(self, fault: Partition) -> None:
        links, name = self._links(fault), kind(fault)
        self._trace.record(None, f"{name}_began", links)
        self._network.block(links, name)
        self._end_after(fault.duration_s, name, lambda: self._mend(links, name))

    def _mend(self, links: Sequence[Link], name: str) -> None:
        self._trace.record(None, f"{name}_healed", links)
        self._network.unblock(links, name)

    def _links(self, fault: Partition) -> list[Link]:
        victim = self._nodes[fault.victim]
        if fault.shape is Shape.LEADER:
            victim = self._target(Aim.LEADER, fault.victim)
        side = [victim.node_id]
        if fault.shape is Shape.HALVES:
            side += [self._nodes[other].node_id for other in fault.others]
        rest = [node.node_id for node in self._nodes if node.node_id not in side]
        links = [(inside, outside) for inside in side for outside in rest]
        if fault.shape is Shape.ONE_WAY:
            return links
        return links + [(outside, inside) for inside, outside in links]

    def _storm(self, fault: Storm) -> None:
        self._trace.record(None, "storm_began", fault.weather)
        if self._network.weather_name is None:
            self._usual_weather = self._network.weather
        self._network.set_weather(fault.weather, kind(fault))
        self._end_after(fault.duration_s, kind(fault), lambda: self._clear(fault.weather))

    def _clear(self, weather: Weather) -> None:
        if self._network.weather is weather:
            self._trace.record(None, "storm_ended")
            self._network.set_weather(self._usual_weather, None)

    def _slow(self, fault: SlowDisk) -> None:
        node = self._nodes[fault.victim]
        self._trace.record(node.node_id, "disk.slowed", fault.factor)
        self._firings.note(kind(fault))
        node.disk.slowness = fault.factor
        self._timeline.after(fault.duration_s, lambda: self._hasten(node))

    def _hasten(self, node: Node[W, M]) -> None:
        node.disk.slowness = 1.0

    def _heal(self) -> None:
        self._trace.record(None, "plan_ended")
        self.is_over = True
        self._armed.clear()
        self._network.heal()
        for node in self._nodes:
            node.disk.slowness = 1.0
            self._note_pause(node)
            node.resume()
            node.start()
