"""`LinkFaults`: carries out network faults: gives each affected link a rule that loses, delays or copies messages."""

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
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.active_faults import ActiveFaults
from coterie.protocols.simulation.faults.clogged_links import CloggedLinks
from coterie.protocols.simulation.faults.link_rules import (
    block,
    delay_rule,
    duplicate_rule,
    loss_rule,
    reorder_rule,
    reset_rule,
)
from coterie.protocols.simulation.protocol_network import FaultRule, Latency, LinkRule, NodePair, ProtocolNetwork
from coterie.protocols.simulation.run_trace import RunTrace

__all__ = ["LinkFault", "LinkFaults", "broken_links", "links_between"]

M = TypeVar("M")

MessageFault = Delay | Duplicate | Loss | Reorder
LinkFault = Clog | Delay | Duplicate | Flap | Loss | Partition | Reorder | Reset


class LinkFaults(Generic[M]):
    """Carries out a plan's faults of the network. `rng`: the random stream of the faults."""

    def __init__(
        self,
        nodes: Sequence[NodeId],
        heap: EventHeap,
        trace: RunTrace,
        active: ActiveFaults,
        network: ProtocolNetwork[M],
        rng: random.Random,
    ) -> None:
        self._nodes = nodes
        self._heap = heap
        self._trace = trace
        self._active = active
        self._network = network
        self._rng = rng

    def begin(self, fault: LinkFault, target: NodeId | None = None) -> None:
        """Begin `fault` now; `target` is the node at the centre of a partition."""
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
                self._apply(fault, self._rule(fault), self._links(fault))

    def _links(self, fault: MessageFault | Flap | Reset) -> list[NodePair]:
        return links_between(fault.source, fault.destination, self._nodes)

    def _rule(self, fault: MessageFault) -> LinkRule:
        match fault:
            case Delay():
                return delay_rule(Latency(fault.delay_s, fault.tail, fault.tail_s), self._rng)
            case Duplicate():
                return duplicate_rule(fault.probability, self._rng)
            case Loss():
                return loss_rule(fault.probability, self._rng)
            case Reorder():
                return reorder_rule(fault.probability, fault.hold_s, self._rng)

    def _apply(self, fault: MessageFault | Partition, link_rule: LinkRule, links: Sequence[NodePair]) -> None:
        rule = FaultRule(kind(fault), link_rule)
        self._network.add_rule(rule, links)
        self._keep_active(kind(fault), fault.duration_s, links, lambda: self._network.remove_rule(rule, links))

    def _keep_active(self, name: str, duration_s: float, links: Sequence[NodePair], end: Callable[[], object]) -> None:
        self._trace.record(None, f"{name}_began", links)

        def end_and_record() -> None:
            self._trace.record(None, f"{name}_ended", links)
            end()

        self._active.begin(name, duration_s, end_and_record)

    def _clog(self, fault: Clog) -> None:
        links = [(NodeId(source), NodeId(to)) for source, to in fault.links]
        opens = [(NodeId(source), NodeId(to)) for source, to in fault.opens] or links
        clogging = CloggedLinks(self._network, kind(fault), links)
        half_s = fault.duration_s / 2
        self._one_by_one(links, half_s, clogging.clog)

        def reopen() -> None:
            self._one_by_one(opens, half_s, clogging.open)

        self._keep_active(kind(fault), half_s, links, reopen)
        self._active.until_healed(clogging.open_all)  # if that is before the last link opens

    def _one_by_one(self, links: Sequence[NodePair], duration_s: float, act: Callable[[NodePair], None]) -> None:
        for place, link in enumerate(links):
            self._heap.after(place * duration_s / len(links), act, link)

    def _flap(self, fault: Flap) -> None:
        rule, links = FaultRule(kind(fault), block), self._links(fault)
        is_over = False

        def go_down() -> None:
            if not is_over:
                self._network.add_rule(rule, links)
                self._heap.after(fault.period_s / 2, go_up)

        def go_up() -> None:
            self._network.remove_rule(rule, links)
            self._heap.after(fault.period_s / 2, go_down)

        def end() -> None:
            nonlocal is_over
            is_over = True
            self._network.remove_rule(rule, links)

        go_down()
        self._keep_active(kind(fault), fault.duration_s, links, end)

    def _reset(self, fault: Reset) -> None:
        links = self._links(fault)

        def drop_in_flight() -> None:
            self._network.drop_in_flight(links)
            self._network.remove_rule(rule, links)

        rule = FaultRule(kind(fault), reset_rule(drop_in_flight))
        self._network.add_rule(rule, links)
        self._keep_active(kind(fault), 0.0, links, lambda: self._network.remove_rule(rule, links))


def links_between(source: str, destination: str, nodes: Sequence[NodeId]) -> list[NodePair]:
    """Return the links that a network fault names."""
    sources = nodes if source == ANYWHERE else [NodeId(source)]
    destinations = nodes if destination == ANYWHERE else [NodeId(destination)]
    return [(sender, to) for sender in sources for to in destinations if sender != to]


def broken_links(shape: Shape, target: str, others: Sequence[str], nodes: Sequence[NodeId]) -> list[NodePair]:
    """Return the links that a partition breaks: those out of one side first, then those into it."""
    if shape is Shape.RING:
        return _beyond_neighbours(target, nodes)
    side = [node for node in nodes if node == target or (shape is Shape.HALVES and node in others)]
    links = [(inside, outside) for inside in side for outside in nodes if outside not in side]
    return links if shape is Shape.ONE_WAY else links + [(outside, inside) for inside, outside in links]


def _beyond_neighbours(target: str, nodes: Sequence[NodeId]) -> list[NodePair]:
    """Return the links between nodes that are far from each other on a ring, so that each reaches only a majority.

    Three nodes are all neighbours: then the link without `target` breaks.
    """
    size, reach = len(nodes), math.ceil(len(nodes) // 2 / 2)
    places = [(one, other) for one in range(size) for other in range(size)]
    far = [(nodes[one], nodes[other]) for one, other in places if reach < (one - other) % size < size - reach]
    return far or [(one, other) for one in nodes for other in nodes if one != other and target not in (one, other)]
