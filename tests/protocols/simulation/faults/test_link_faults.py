"""Faults of links: which links they concern, for how long, and what becomes of what is sent over them."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import (
    Clog,
    Delay,
    Duplicate,
    Flap,
    Loss,
    Partition,
    Reorder,
    Reset,
    Shape,
)
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.active_faults import ActiveFaults
from coterie.protocols.simulation.faults.link_faults import LinkFault, LinkFaults, broken_links, links_between
from coterie.protocols.simulation.protocol_network import Latency, ProtocolNetwork
from coterie.protocols.simulation.run_trace import RunTrace

MEMBERS = tuple(NodeId(f"n{number}") for number in range(1, 6))
A, B, C = MEMBERS[:3]


class Bed:
    """A network of five, and what arrived when: (link, number of the message, time)."""

    def __init__(self) -> None:
        self.heap = EventHeap(ViolationContext())
        self.fault_counts = FaultCounts()
        self.arrived: list[tuple[str, int, float]] = []
        self.network: ProtocolNetwork[int] = ProtocolNetwork(
            self.heap, random.Random(1), self._arrive, self.fault_counts.note
        )
        self.network.latency = Latency(tail=0.0)
        self.active = ActiveFaults(self.heap, self.fault_counts)
        trace = RunTrace(self.heap, hashed=False)
        self.faults = LinkFaults(MEMBERS, self.heap, trace, self.active, self.network, random.Random(2))

    def begin(self, fault: LinkFault) -> None:
        self.heap.at(fault.at_s, lambda: self.faults.begin(fault))

    def send(self, *times: float, sender: NodeId = A, to: NodeId = B) -> None:
        for number, at_s in enumerate(times):
            self.heap.at(at_s, self._sending(sender, to, number))

    def run(self, until_s: float = 100.0) -> None:
        self.heap.run(until_s=until_s)

    def numbers(self) -> list[int]:
        return [number for _, number, _ in self.arrived]

    def times(self) -> list[float]:
        return [at_s for _, _, at_s in self.arrived]

    def _sending(self, sender: NodeId, to: NodeId, number: int) -> Callable[[], None]:
        return lambda: self.network.send(sender, to, number)

    def _arrive(self, to: NodeId, sender: NodeId, message: int) -> None:
        self.arrived.append((f"{sender}>{to}", message, self.heap.now))


def links(shape: Shape, target: str = "n1", *others: str, nodes: int = 5) -> list[str]:
    return sorted(f"{one[1]}{other[1]}" for one, other in broken_links(shape, target, others, MEMBERS[:nodes]))


def test_partition_breaks_the_links_of_its_shape() -> None:
    assert links(Shape.ONE) == ["12", "13", "14", "15", "21", "31", "41", "51"]
    assert links(Shape.ONE_WAY) == ["12", "13", "14", "15"]
    assert links(Shape.HALVES, "n1", "n2") == [
        "13", "14", "15", "23", "24", "25", "31", "32", "41", "42", "51", "52",
    ]  # fmt: skip
    assert links(Shape.LEADER, "n4") == ["14", "24", "34", "41", "42", "43", "45", "54"]


def test_ring_leaves_each_node_another_majority() -> None:
    broken = links(Shape.RING)
    seen = [[other for other in "12345" if f"{one}{other}" not in broken] for one in "12345"]

    assert seen == [["1", "2", "5"], ["1", "2", "3"], ["2", "3", "4"], ["3", "4", "5"], ["1", "4", "5"]]
    assert links(Shape.RING, "n2", nodes=3) == ["13", "31"]
    assert links(Shape.RING, "n2", nodes=4) == ["13", "24", "31", "42"]


def test_star_means_every_node() -> None:
    assert len(links_between("*", "*", MEMBERS)) == 20
    assert links_between("n1", "*", MEMBERS) == [(A, other) for other in MEMBERS[1:]]
    assert links_between("*", "n2", MEMBERS[:3]) == [(A, B), (C, B)]
    assert links_between("n1", "n1", MEMBERS) == []


def test_partition_stops_one_direction_until_it_is_over() -> None:
    bed = Bed()
    bed.begin(Partition(1.0, 0.5, Shape.ONE_WAY, "n1"))
    bed.send(0.9, 1.2, 1.6)
    bed.send(1.2, sender=B, to=A)

    bed.run()

    assert [(link, number) for link, number, _ in bed.arrived] == [("n1>n2", 0), ("n2>n1", 0), ("n1>n2", 2)]
    assert bed.fault_counts.count_by_kind == {"partition.one_way": 1}


def test_fault_that_has_hit_nothing_goes_on() -> None:
    bed = Bed()
    bed.begin(Partition(1.0, 0.5, Shape.ONE, "n1"))
    bed.send(1.95, 2.1)

    bed.run()

    assert bed.numbers() == [1]


@pytest.mark.parametrize(
    ("fault", "fewest", "most"),
    [(Loss(1.0, 1.0, 0.3), 600, 800), (Duplicate(1.0, 1.0, 0.3), 1200, 1400), (Delay(1.0, 1.0, 0.1), 1000, 1000)],
)
def test_link_fault_hits_at_its_rate_and_only_in_its_time(fault: LinkFault, fewest: int, most: int) -> None:
    bed = Bed()
    bed.begin(fault)
    bed.send(*(1.0 + number / 1000 for number in range(1, 1000)), 2.5)
    bed.send(0.5, sender=C)

    bed.run()

    arrived = [number for link, number, _ in bed.arrived if link == "n1>n2"]
    assert fewest <= len(arrived) <= most
    assert arrived.count(999) == 1
    assert bed.fault_counts.count(fault.KIND) == (999 if isinstance(fault, Delay) else abs(1000 - len(arrived)))


def test_delay_delays_with_a_heavy_but_bounded_tail() -> None:
    bed = Bed()
    bed.begin(Delay(0.0, 5.0, 0.1, source="n1", tail=0.2, tail_s=0.05))
    bed.send(*[0.5] * 500)
    bed.send(*[0.5] * 10, sender=C)

    bed.run()

    late = [at_s - 0.5 for link, _, at_s in bed.arrived if link == "n1>n2"]
    assert min(late) >= 0.05
    assert 0.3 < max(late) < 0.7
    assert max(at_s for link, _, at_s in bed.arrived if link == "n3>n2") < 0.51


def test_reorder_lets_later_messages_overtake() -> None:
    bed = Bed()
    bed.begin(Reorder(0.0, 5.0, 0.5, hold_s=0.1))
    bed.send(*(number / 100 for number in range(100)))

    bed.run()

    assert bed.numbers() != sorted(bed.numbers())
    assert sorted(bed.numbers()) == list(range(100))
    assert 30 < bed.fault_counts.count("reorder") < 70


def test_reset_loses_what_is_under_way_with_the_next_message_and_nothing_more() -> None:
    bed = Bed()
    bed.network.latency = Latency(delay_s=10.0, tail=0.0)
    bed.begin(Reset(2.0, source="n1"))
    bed.send(1.9, 3.1)
    bed.send(3.0, sender=A, to=C)  # the next one
    bed.send(1.9, sender=B, to=A)

    bed.run()

    assert sorted((link, number) for link, number, _ in bed.arrived) == [("n1>n2", 1), ("n2>n1", 0)]
    assert bed.fault_counts.count_by_kind == {"reset": 1}


def test_clogged_links_keep_what_they_are_given_until_they_open_in_another_order() -> None:
    ab, ac = ("n1", "n2"), ("n1", "n3")
    bed = Bed()
    bed.begin(Clog(1.0, 2.0, (ab, ac), (ac, ab)))  # closed at 1.0 and 1.5, opened at 2.0 and 2.5
    bed.send(1.2, 1.7, 2.2, to=B)
    bed.send(1.2, 1.7, 2.2, to=C)

    bed.run()

    assert [(link, round(at_s, 1)) for link, _, at_s in bed.arrived] == [
        ("n1>n3", 1.2), ("n1>n3", 2.0), ("n1>n3", 2.2), ("n1>n2", 2.5), ("n1>n2", 2.5), ("n1>n2", 2.5),
    ]  # fmt: skip
    assert bed.fault_counts.count_by_kind == {"clog": 4}


def test_everything_that_is_clogged_opens_at_once_when_everything_heals() -> None:
    for healed_s in (1.2, 2.1):
        bed = Bed()
        bed.begin(Clog(1.0, 2.0, (("n1", "n2"), ("n1", "n3"))))
        bed.send(1.1, 3.0, to=B)
        bed.heap.at(healed_s, bed.active.heal)

        bed.run()

        assert bed.numbers() == [0, 1]
        assert round(bed.times()[1], 1) == 3.0


def test_flapping_link_is_down_and_up_in_turn() -> None:
    bed = Bed()
    bed.begin(Flap(1.0, 2.0, period_s=0.5, source="n1"))
    bed.send(*(1.005 + number / 100 for number in range(300)))

    bed.run()

    lost = [number for number in range(300) if number not in bed.numbers()]
    assert lost == [number for number in range(200) if number % 50 < 25]
    assert bed.fault_counts.count("flap") == len(lost)


def test_healing_stops_a_flap_for_good() -> None:
    bed = Bed()
    bed.begin(Flap(1.0, 5.0, period_s=0.5))
    bed.heap.at(1.3, bed.active.heal)
    bed.send(*(1.31 + number / 100 for number in range(100)))

    bed.run()

    assert len(bed.arrived) == 100
