"""Clogged links keep what they are given; what is opened stays open."""

from __future__ import annotations

import random

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import Bench
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.faults.clogged_links import Clogging
from coterie.protocols.simulation.protocol_network import Network

A, B = NodeId("a"), NodeId("b")


def test_clogged_link_delivers_late_and_once() -> None:
    timeline, arrived = Timeline(Bench()), list[int]()
    network: Network[int] = Network(
        timeline, random.Random(1), lambda to, sender, message: arrived.append(message), lambda name: None
    )
    clogging = Clogging(network, "clog", [(A, B)])
    clogging.close((A, B))
    network.send(A, B, 1)
    timeline.run(until_s=1.0)
    assert arrived == []

    clogging.open((A, B))
    clogging.open_all()
    clogging.close((A, B))  # too late: it is open for good
    network.send(A, B, 2)
    timeline.run(until_s=2.0)

    assert sorted(arrived) == [1, 2]
