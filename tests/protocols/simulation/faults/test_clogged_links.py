"""Clogged links keep what they are given; what is opened stays open."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.clogged_links import CloggedLinks
from coterie.protocols.simulation.protocol_network import ProtocolNetwork

A, B = NodeId("a"), NodeId("b")


def test_clogged_link_delivers_late_and_once() -> None:
    heap, arrived = EventHeap(ViolationContext()), list[int]()
    network: ProtocolNetwork[int] = ProtocolNetwork(
        heap, random.Random(1), lambda to, sender, message: arrived.append(message), lambda name: None
    )
    links = CloggedLinks(network, "clog", [(A, B)])
    links.clog((A, B))
    network.send(A, B, 1)
    heap.run(until_s=1.0)
    assert arrived == []

    links.open((A, B))
    links.open_all()
    links.clog((A, B))  # too late: it is open permanently
    network.send(A, B, 2)
    heap.run(until_s=2.0)

    assert sorted(arrived) == [1, 2]
