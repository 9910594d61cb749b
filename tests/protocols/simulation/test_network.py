"""The simulated network: weather, blocks, and what counts as a hit."""

from __future__ import annotations

import random

from coterie.protocols.checking.violation import Bench
from coterie.protocols.seam import NodeId
from coterie.protocols.simulation.network import CALM, Network, Weather
from coterie.protocols.simulation.timeline import Timeline

A, B = NodeId("a"), NodeId("b")


class Arrivals:
    """A network of two, what arrived at it and what hit its messages."""

    def __init__(self, weather: Weather) -> None:
        self.timeline = Timeline(Bench())
        self.arrived: list[tuple[NodeId, NodeId, int]] = []
        self.times: list[float] = []
        self.hits: list[str] = []
        self.network: Network[int] = Network(self.timeline, random.Random(1), self._arrive, self.hits.append)
        self.network.set_weather(weather, "storm")

    def send(self, count: int) -> None:
        for number in range(count):
            self.network.send(A, B, number)
        self.timeline.run(until_s=1e9, stop=lambda: False)

    def _arrive(self, to: NodeId, sender: NodeId, message: int) -> None:
        self.arrived.append((to, sender, message))
        self.times.append(self.timeline.now)


def test_network_delivers_each_message_once_in_calm_weather() -> None:
    it = Arrivals(CALM)

    it.send(50)

    assert sorted(it.arrived) == [(B, A, number) for number in range(50)]
    assert it.hits == []


def test_network_loses_messages_at_the_rate_of_the_weather() -> None:
    it = Arrivals(Weather(loss=0.3, duplication=0.0))

    it.send(1000)

    assert 600 < len(it.arrived) < 800
    assert it.hits == ["storm"] * (1000 - len(it.arrived))


def test_network_doubles_messages_and_lets_them_overtake_each_other() -> None:
    it = Arrivals(Weather(loss=0.0, duplication=0.3, tail=0.3))

    it.send(1000)

    messages = [message for _, _, message in it.arrived]
    assert 1200 < len(messages) < 1400
    assert messages != sorted(messages)
    assert it.hits == ["storm"] * (len(messages) - 1000)


def test_network_delays_have_a_heavy_but_bounded_tail() -> None:
    it = Arrivals(Weather(loss=0.0, duplication=0.0, tail=0.2, delay_s=0.001, tail_s=0.01))

    it.send(1000)

    assert min(it.times) >= 0.0005
    assert 0.05 < max(it.times) <= 0.101


def test_network_stops_messages_one_way_only() -> None:
    it = Arrivals(CALM)
    it.network.block([(A, B)], "partition.one_way")

    it.network.send(B, A, 7)
    it.send(1)

    assert it.arrived == [(A, B, 7)]
    assert it.hits == ["partition.one_way"]


def test_network_blocks_add_up_and_each_is_taken_back_alone() -> None:
    it = Arrivals(CALM)
    it.network.block([(A, B)], "first")
    it.network.block([(A, B)], "second")

    it.network.unblock([(A, B)], "first")
    it.send(1)
    assert it.arrived == []
    it.network.unblock([(A, B)], "second")
    it.network.unblock([(A, B)], "second")
    it.send(1)

    assert len(it.arrived) == 1
    assert it.hits == ["second"]


def test_network_heals_at_once() -> None:
    it = Arrivals(Weather(loss=1.0))
    it.network.block([(A, B)], "first")

    it.network.heal()
    it.send(3)

    assert len(it.arrived) == 3
