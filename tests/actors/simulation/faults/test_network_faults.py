"""Network faults set the conditions of links, for streams and datagrams, and clear them when they end."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.actors.simulation.faults.network_faults import NetworkFaults
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import HalfOpen, Loss, Partition, Shape
from coterie.runtime.hosts.simulation.link_conditions import SimulatedNetwork
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost

pytestmark = pytest.mark.virtual


class Calls:
    """Calls that are made later, by hand."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def later(self, delay_s: float, act: Callable[[], object]) -> None:
        self.waiting.append(act)

    def make(self) -> None:
        waiting, self.waiting = self.waiting, []
        for act in waiting:
            act()


@pytest.fixture
async def network(virtual_host: VirtualHost) -> SimulatedNetwork:
    return SimulatedNetwork(virtual_host.clock, random.Random(1))


def faults_of(network: SimulatedNetwork, calls: Calls, counts: FaultCounts) -> NetworkFaults:
    timing = FaultTiming(lambda: 0.0, calls.later)
    return NetworkFaults(network, ("a", "b"), timing, counts, clients=lambda: (), is_gone=lambda name: False)


async def test_loss_loses_datagrams_and_doubles_others_until_it_ends(network: SimulatedNetwork) -> None:
    calls, counts = Calls(), FaultCounts()
    faults_of(network, calls, counts).inject(Loss(0.0, 1.0, 0.3, "a", "b"))
    link = network.link("a", "b")
    arrived = [len(link.deliveries(b"hello")) for _ in range(1000)]
    calls.make()

    assert 200 < arrived.count(0) < 400
    assert 100 < arrived.count(2) < 300
    assert counts.count("loss") == 1
    assert {len(link.deliveries(b"hello")) for _ in range(100)} == {1}


@pytest.mark.parametrize("fault", [Partition(0.0, 1.0, Shape.ONE, "a"), HalfOpen(0.0, 1.0, "a", "b")])
async def test_a_fault_that_drops_has_taken_effect_with_the_first_datagram(
    network: SimulatedNetwork, fault: Partition | HalfOpen
) -> None:
    calls, counts = Calls(), FaultCounts()
    faults = faults_of(network, calls, counts)
    if isinstance(fault, Partition):
        faults.partition(fault, "a")
    else:
        faults.inject(fault)
    sender = network.open_datagrams("a", lambda data, source: None, "127.0.0.1", 1)
    network.open_datagrams("b", lambda data, source: None, "127.0.0.1", 2)
    calls.make()
    assert counts.count_by_kind == {}
    sender.send(b"hello", ("127.0.0.1", 2))
    calls.make()

    assert list(counts.count_by_kind.values()) == [1]
