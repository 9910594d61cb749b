"""Datagrams in a simulated world: every condition of a link strikes them, and every run of a seed is the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from coterie.runtime.hosts.host import DatagramSocket
from coterie.runtime.hosts.simulation.random_durations import RandomDuration
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.hosts.virtual.virtual_datagrams import BUFFERED_MAX

SENT = 1000


class Wire:
    """Datagram sockets of node c and node s; what s receives is kept."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.client, self.server = world.begin("c"), world.begin("s")
        self.received: list[bytes] = []
        self.link = world.network.link("c", "s")
        self.socket: DatagramSocket | None = None

    def take(self, data: bytes, source: tuple[str, int]) -> None:
        self.received.append(data)

    async def open(self) -> None:
        await self.open_server()
        client = self.client.host.network.open_datagrams(lambda data, source: None, "127.0.0.1", 2)
        self.socket = await self.client.create_task(client)

    async def open_server(self) -> None:
        await self.server.create_task(self.server.host.network.open_datagrams(self.take, "127.0.0.1", 1))

    async def send(self, count: int = SENT) -> None:
        """Send the numbers 0 to `count`, one in each millisecond, and wait until all have arrived."""
        assert self.socket is not None
        for number in range(count):
            with self.client:
                self.socket.send(b"%d" % number, ("127.0.0.1", 1))
            await asyncio.sleep(0.001)
        await asyncio.sleep(10)

    @property
    def numbers(self) -> list[int]:
        return list(map(int, self.received))


def on_wire(main: Callable[[Wire], Awaitable[None]], *, seed: int = 1, trace: StepTrace | None = None) -> Wire:
    world = SimulatedWorld(seed, trace=trace)
    wires: list[Wire] = []

    async def observe() -> None:
        wires.append(Wire(world))
        await wires[0].open()
        await main(wires[0])

    world.run(observe)
    return wires[0]


def test_without_faults_every_datagram_arrives_once() -> None:
    wire = on_wire(lambda wire: wire.send())

    assert sorted(wire.numbers) == list(range(SENT))
    assert wire.link.carried == SENT


def test_lost_datagrams_never_arrive() -> None:
    async def main(wire: Wire) -> None:
        wire.link.loss = 0.3
        await wire.send()

    wire = on_wire(main)
    assert 600 < len(wire.received) < 800
    assert wire.link.fired == {"lost": SENT - len(wire.received)}


def test_duplicated_datagrams_arrive_twice() -> None:
    async def main(wire: Wire) -> None:
        wire.link.duplication = 0.3
        await wire.send()

    wire = on_wire(main)
    assert set(wire.numbers) == set(range(SENT))
    assert 200 < len(wire.received) - SENT < 400
    assert wire.link.fired == {"duplicated": len(wire.received) - SENT}


def test_delayed_datagrams_overtake_each_other() -> None:
    async def main(wire: Wire) -> None:
        wire.link.extra_delay = RandomDuration(0.05)
        await wire.send()

    wire = on_wire(main)
    assert wire.numbers != sorted(wire.numbers)
    assert sorted(wire.numbers) == list(range(SENT))


def test_a_damaged_datagram_differs_in_one_bit() -> None:
    async def main(wire: Wire) -> None:
        wire.link.corruption = 1.0
        await wire.send(1)

    wire = on_wire(main)
    (arrived,) = wire.received
    assert (arrived[0] ^ ord("0")).bit_count() == 1
    assert wire.link.fired == {"corrupted": 1}


def test_a_narrow_link_delays_datagrams_and_drops_those_for_which_its_queue_has_no_room() -> None:
    async def main(wire: Wire) -> None:
        wire.link.bytes_per_s = 1000.0
        await wire.send()

    wire = on_wire(main)
    assert 500 < len(wire.received) < 600
    assert wire.link.fired == {"throttled": SENT}


def test_conditions_that_have_been_cleared_have_no_effect() -> None:
    async def main(wire: Wire) -> None:
        wire.link.loss = wire.link.duplication = wire.link.corruption = 1.0
        wire.link.clear_conditions()
        await wire.send()

    assert sorted(on_wire(main).numbers) == list(range(SENT))


def test_a_paused_process_has_a_bounded_buffer_and_reads_it_when_it_continues() -> None:
    async def main(wire: Wire) -> None:
        wire.server.pause()
        await wire.send()
        assert wire.received == []
        wire.server.resume()
        await asyncio.sleep(1)

    assert sorted(on_wire(main).numbers) == list(range(BUFFERED_MAX))


def test_a_crashed_process_receives_nothing_and_the_next_one_gets_its_port() -> None:
    async def main(wire: Wire) -> None:
        assert wire.socket is not None
        with wire.client:
            wire.socket.send(b"1", ("127.0.0.1", 1))
        wire.server.crash()
        await wire.send(10)
        assert wire.received == []
        wire.server = wire.world.begin("s")
        await wire.open_server()
        await wire.send(10)

    assert sorted(on_wire(main).numbers) == list(range(10))


def test_a_partition_drops_datagrams() -> None:
    async def main(wire: Wire) -> None:
        wire.world.network.partition("c", "s")
        await wire.send(10)
        assert wire.world.network.holds_back("c", "s")

    assert on_wire(main).received == []


@pytest.mark.parametrize("seed", [1, 2])
def test_a_seed_gives_the_same_trace_whatever_strikes_the_datagrams(seed: int) -> None:
    async def main(wire: Wire) -> None:
        wire.link.loss = wire.link.duplication = wire.link.corruption = 0.2
        wire.link.extra_delay = RandomDuration(0.05)
        await wire.send(200)

    digests: list[str] = []
    for number in (seed, seed, seed + 2):
        trace = StepTrace(keeps_lines=True)
        on_wire(main, seed=number, trace=trace)
        assert any(" datagram " in line for line in trace.lines), "arrivals are recorded"
        digests.append(trace.digest)

    assert digests[0] == digests[1] != digests[2]
