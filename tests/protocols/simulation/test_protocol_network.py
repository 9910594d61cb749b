"""The simulated network: latency, rules, and what is cut."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.link_rules import block, clog_rule
from coterie.protocols.simulation.protocol_network import FaultRule, Latency, OutgoingMessage, ProtocolNetwork

A, B = NodeId("a"), NodeId("b")


class Arrivals:
    """A network of two, what arrived at it and what hit its messages."""

    def __init__(self, latency: Latency | None = None) -> None:
        self.heap = EventHeap(ViolationContext())
        self.arrived: list[tuple[NodeId, NodeId, int]] = []
        self.times: list[float] = []
        self.hits: list[str] = []
        self.network: ProtocolNetwork[int] = ProtocolNetwork(
            self.heap, random.Random(1), self._arrive, self.hits.append
        )
        self.network.latency = latency or Latency(tail=0.0)

    def send(self, count: int) -> None:
        for number in range(count):
            self.network.send(A, B, number)
        self.run()

    def run(self) -> None:
        self.heap.run(until_s=1e9)

    def _arrive(self, to: NodeId, sender: NodeId, message: int) -> None:
        self.arrived.append((to, sender, message))
        self.times.append(self.heap.now)


def test_network_without_rules_delivers_each_message_once() -> None:
    it = Arrivals()

    it.send(50)

    assert sorted(it.arrived) == [(B, A, number) for number in range(50)]
    assert it.hits == []
    assert it.heap.events == it.network.sent == 50


def test_latency_has_a_heavy_but_bounded_tail() -> None:
    it = Arrivals(Latency(tail=0.2, delay_s=0.001, tail_s=0.01))

    it.send(1000)

    assert min(it.times) >= 0.0005
    assert 0.05 < max(it.times) <= 0.101


def test_rule_applies_to_its_links_one_way_only_and_counts_by_its_name() -> None:
    it = Arrivals()
    it.network.add_rule(FaultRule("partition.one_way", block), [(A, B)])

    it.network.send(B, A, 7)
    it.send(1)

    assert it.arrived == [(A, B, 7)]
    assert it.hits == ["partition.one_way"]


def test_rules_add_up_and_each_is_ended_alone() -> None:
    it = Arrivals()
    first, second = FaultRule("first", block), FaultRule("second", block)
    it.network.add_rule(first, [(A, B)])
    it.network.add_rule(second, [(A, B)])

    it.network.remove_rule(first, [(A, B)])
    it.send(1)
    assert it.arrived == []
    it.network.remove_rule(second, [(A, B)])
    it.network.remove_rule(second, [(A, B)])
    it.send(1)

    assert len(it.arrived) == 1
    assert it.hits == ["second"]


def test_what_is_lost_is_seen_by_all_rules_that_would_have_stopped_it() -> None:
    it = Arrivals()
    it.network.add_rule(FaultRule("first", block), [(A, B)])
    it.network.add_rule(FaultRule("second", block), [(A, B)])

    it.send(1)

    assert it.hits == ["first", "second"]


def test_cut_loses_what_is_under_way_over_its_links_and_nothing_that_leaves_later() -> None:
    it = Arrivals()
    it.network.send(A, B, 1)
    it.network.send(B, A, 2)

    it.network.drop_in_flight([(A, B)])
    it.network.send(A, B, 3)
    it.run()

    assert sorted(message for _, _, message in it.arrived) == [2, 3]
    assert it.heap.events == 2


def test_what_a_rule_has_kept_can_be_released() -> None:
    it = Arrivals()
    kept: list[OutgoingMessage] = []
    it.network.add_rule(FaultRule("clog", clog_rule(kept)), [(A, B)])
    it.send(2)
    assert it.arrived == []

    for message in kept:
        it.network.release(message)
    it.run()

    assert sorted(message for _, _, message in it.arrived) == [0, 1]
