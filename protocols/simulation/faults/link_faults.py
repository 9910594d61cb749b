"""Carries out the faults of the network: each becomes a rule on its links, for its time, until it has hit something."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import (
    ANYWHERE,
    Clog,
    Delay,
    Duplicate,
    Flap,
    Loss,
    Partition,
    Reorder,
    Reset,
    Shape,
    kind,
)
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.faults.clogged_links import Clogging
from coterie.protocols.simulation.faults.lasting_faults import Lasting
from coterie.protocols.simulation.faults.link_rules import block, delaying, doubling, holding, losing, resetting
from coterie.protocols.simulation.protocol_network import Judge, Latency, Link, Network, Rule
from coterie.protocols.simulation.run_trace import Trace

__all__ = ["LinkFault", "LinkFaults", "broken_links", "links_between"]

M = TypeVar("M")

Weather = Delay | Duplicate | Loss | Reorder
LinkFault = Clog | Delay | Duplicate | Flap | Loss | Partition | Reorder | Reset


class LinkFaults(Generic[M]):
    """Makes the network's part of a plan happen. `rng` is the plan's own stream."""

    def __init__(
        self,
        nodes: Sequence[NodeId],
        timeline: Timeline,
        trace: Trace,
        lasting: Lasting,
        network: Network[M],
        rng: random.Random,
    ) -> None:
        self._nodes = nodes
        self._timeline = timeline
        self._trace = trace
        self._lasting = lasting
        self._network = network
        self._rng = rng

    def begin(self, fault: LinkFault, target: NodeId | None = None) -> None:
        """Let `fault` begin, now; `target` is the node at the centre of a partition."""
        match fault:
            case Partition():
                self._apply(fault, block, broken_links(fault.shape, target or fault.target, fault.others, self._nodes))
            case Clog():
                self._clog(fault)
            case Flap():
                self._flap(fault)
            case Reset():
                self._reset(fault)
            case _:
                self._apply(fault, self._judge(fault), self._links(fault))

    def _links(self, fault: Weather | Flap | Reset) -> list[Link]:
        return links_between(fault.source, fault.destination, self._nodes)

    def _judge(self, fault: Weather) -> Judge:
        match fault:
            case Delay():
                return delaying(Latency(fault.delay_s, fault.tail, fault.tail_s), self._rng)
            case Duplicate():
                return doubling(fault.probability, self._rng)
            case Loss():
                return losing(fault.probability, self._rng)
            case Reorder():
                return holding(fault.probability, fault.hold_s, self._rng)

    def _apply(self, fault: Weather | Partition, judge: Judge, links: Sequence[Link]) -> None:
        rule = Rule(kind(fault), judge)
        self._network.begin(rule, links)
        self._last(kind(fault), fault.duration_s, links, lambda: self._network.end(rule, links))

    def _last(self, name: str, duration_s: float, links: Sequence[Link], end: Callable[[], object]) -> None:
        self._trace.record(None, f"{name}_began", links)

        def recorded() -> None:
            self._trace.record(None, f"{name}_ended", links)
            end()

        self._lasting.begin(name, duration_s, recorded)

    def _clog(self, fault: Clog) -> None:
        links = [(NodeId(source), NodeId(to)) for source, to in fault.links]
        opens = [(NodeId(source), NodeId(to)) for source, to in fault.opens] or links
        clogging = Clogging(self._network, kind(fault), links)
        half_s = fault.duration_s / 2
        self._one_by_one(links, half_s, clogging.close)

        def reopen() -> None:
            self._one_by_one(opens, half_s, clogging.open)

        self._last(kind(fault), half_s, links, reopen)
        self._lasting.until_healed(clogging.open_all)  # should that be before the last one opens

    def _one_by_one(self, links: Sequence[Link], duration_s: float, act: Callable[[Link], None]) -> None:
        for place, link in enumerate(links):
            self._timeline.after(place * duration_s / len(links), act, link)

    def _flap(self, fault: Flap) -> None:
        rule, links = Rule(kind(fault), block), self._links(fault)
        is_over = False

        def go_down() -> None:
            if not is_over:
                self._network.begin(rule, links)
                self._timeline.after(fault.period_s / 2, go_up)

        def go_up() -> None:
            self._network.end(rule, links)
            self._timeline.after(fault.period_s / 2, go_down)

        def end() -> None:
            nonlocal is_over
            is_over = True
            self._network.end(rule, links)

        go_down()
        self._last(kind(fault), fault.duration_s, links, end)

    def _reset(self, fault: Reset) -> None:
        links = self._links(fault)

        def cut() -> None:
            self._network.cut(links)
            self._network.end(rule, links)

        rule = Rule(kind(fault), resetting(cut))
        self._network.begin(rule, links)
        self._last(kind(fault), 0.0, links, lambda: self._network.end(rule, links))


def links_between(source: str, destination: str, nodes: Sequence[NodeId]) -> list[Link]:
    """Return the links that a network fault names."""
    sources = nodes if source == ANYWHERE else [NodeId(source)]
    destinations = nodes if destination == ANYWHERE else [NodeId(destination)]
    return [(sender, to) for sender in sources for to in destinations if sender != to]


def broken_links(shape: Shape, target: str, others: Sequence[str], nodes: Sequence[NodeId]) -> list[Link]:
    """Return the links that a partition breaks: those out of one side first, then those into it."""
    if shape is Shape.RING:
        return _beyond_neighbours(target, nodes)
    side = [node for node in nodes if node == target or (shape is Shape.HALVES and node in others)]
    links = [(inside, outside) for inside in side for outside in nodes if outside not in side]
    return links if shape is Shape.ONE_WAY else links + [(outside, inside) for inside, outside in links]


def _beyond_neighbours(target: str, nodes: Sequence[NodeId]) -> list[Link]:
    """Return the links between nodes that are too far from each other on a ring, for each to see only a majority.

    Three nodes are all neighbours: there the link breaks that does not touch `target`.
    """
    size, reach = len(nodes), math.ceil(len(nodes) // 2 / 2)
    places = [(one, other) for one in range(size) for other in range(size)]
    far = [(nodes[one], nodes[other]) for one, other in places if reach < (one - other) % size < size - reach]
    return far or [(one, other) for one in nodes for other in nodes if one != other and target not in (one, other)]
