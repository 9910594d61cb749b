from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest

from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink
from coterie.runtime.hosts.simulation.random_durations import RandomDuration
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld

SENT = bytes(range(256)) * 4


class End(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.at_s: list[float] = []
        self.lost: list[Exception | None] = []

    @property
    def received(self) -> bytes:
        return b"".join(self.chunks)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.chunks.append(data)
        self.at_s.append(asyncio.get_running_loop().time())

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.append(exc)


class Wire:
    """A connection from node c to node s of a world."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.client, self.server = world.begin("c"), world.begin("s")
        self.near, self.far = End(), End()
        self.forth: ConditionedLink = world.network.link("c", "s")
        self.back: ConditionedLink = world.network.link("s", "c")

    async def connect(self) -> None:
        await self.server.create_task(self.server.host.network.listen(lambda: self.far, "127.0.0.1", 1))
        await self.client.create_task(self.client.host.network.connect(lambda: self.near, "127.0.0.1", 1))
        await asyncio.sleep(1)

    async def again(self) -> None:
        self.near, self.far = End(), End()
        await self.client.create_task(self.client.host.network.connect(lambda: self.near, "127.0.0.1", 1))
        await asyncio.sleep(1)

    def send(self, data: bytes = SENT) -> None:
        with self.client:
            self.near.transport.write(data)


def on_wire(main: Callable[[Wire], Awaitable[None]], *, seed: int = 1) -> None:
    world = SimulatedWorld(seed)

    async def observe() -> None:
        wire = Wire(world)
        await wire.connect()
        await main(wire)

    world.run(observe)


def test_what_a_link_has_carried_is_counted_one_way_and_for_the_whole_network() -> None:
    async def main(wire: Wire) -> None:
        for _ in range(3):
            wire.send()
            await asyncio.sleep(1)

        assert wire.far.received == 3 * SENT
        assert (wire.forth.carried, wire.back.carried, wire.world.network.carried()) == (3, 0, 3)

    on_wire(main)


def test_everything_takes_longer_in_one_direction_only() -> None:
    async def main(wire: Wire) -> None:
        wire.forth.extra_delay = RandomDuration(2.0)
        begin = wire.world.loop.time()
        wire.send()
        with wire.server:
            wire.far.transport.write(b"quick")
        await asyncio.sleep(10)
        assert 1.0 < wire.far.at_s[0] - begin < 4.0
        assert wire.near.at_s[0] - begin < 0.5
        assert wire.forth.fired == {"delayed": 1}
        assert wire.world.network.fired() == {"delayed": 1}

    on_wire(main)


@pytest.mark.parametrize("seed", range(10))
def test_loss_delays_or_breaks_the_connection_and_never_leaves_a_gap(seed: int) -> None:
    async def main(wire: Wire) -> None:
        wire.forth.loss = 0.3
        for number in range(200):
            wire.send(bytes([number]))
            await asyncio.sleep(0.01)
        await asyncio.sleep(100)
        assert bytes(range(200)).startswith(wire.far.received)
        assert (wire.far.received != bytes(range(200))) == bool(wire.far.lost) == bool(wire.forth.fired["broken"])
        gaps = [later - earlier for earlier, later in itertools.pairwise(wire.far.at_s)]
        assert max(gaps) > 0.19 or wire.far.lost, "what was sent again came late"

    on_wire(main, seed=seed)


def test_about_one_lost_segment_in_twenty_breaks_its_connection() -> None:
    async def main(wire: Wire) -> None:
        wire.forth.loss = 0.3
        for _ in range(5000):
            wire.send()
            await asyncio.sleep(30)
            if wire.far.lost:
                await wire.again()
        assert 1 / 40 < wire.forth.fired["broken"] / wire.forth.fired["lost"] < 1 / 10

    on_wire(main)


def test_one_bit_is_flipped() -> None:
    async def main(wire: Wire) -> None:
        wire.forth.corruption = 1.0
        wire.send()
        await asyncio.sleep(1)
        spoilt = [a ^ b for a, b in zip(wire.far.received, SENT, strict=True) if a != b]
        assert len(spoilt) == 1
        assert spoilt[0].bit_count() == 1
        assert wire.forth.fired == {"corrupted": 1}

    on_wire(main)


def test_a_narrow_link_takes_its_time_for_all_connections_together() -> None:
    async def main(wire: Wire) -> None:
        wire.forth.bytes_per_s = 1024.0
        begin = wire.world.loop.time()
        for _ in range(5):
            wire.send()
        await asyncio.sleep(100)
        assert 5.0 <= wire.far.at_s[-1] - begin < 5.2
        assert wire.forth.fired["throttled"] == 5

    on_wire(main)


def test_the_next_chunk_is_cut_and_the_connection_broken() -> None:
    async def main(wire: Wire) -> None:
        wire.forth.cuts_next = True
        wire.send()
        await asyncio.sleep(1)
        assert 0 < len(wire.far.received) < len(SENT)
        assert SENT.startswith(wire.far.received)
        assert isinstance(wire.far.lost[0], ConnectionResetError)
        wire.send()
        await asyncio.sleep(1)
        assert isinstance(wire.near.lost[0], ConnectionResetError)
        await wire.again()
        wire.send()
        await asyncio.sleep(1)
        assert wire.far.received == SENT, "the next connection is whole"
        assert wire.forth.fired == {"cut": 1}

    on_wire(main)


def test_clearing_the_conditions_ends_all_of_them() -> None:
    async def main(wire: Wire) -> None:
        wire.forth.extra_delay, wire.forth.loss, wire.forth.corruption = RandomDuration(1.0), 1.0, 1.0
        wire.forth.bytes_per_s, wire.forth.cuts_next = 1.0, True
        wire.forth.clear_conditions()
        begin = wire.world.loop.time()
        wire.send()
        await asyncio.sleep(1)
        assert wire.far.received == SENT
        assert wire.far.at_s[0] - begin < 0.5
        assert not wire.forth.fired

    on_wire(main)


def test_a_black_hole_drops_bytes_silently_until_it_closes() -> None:
    async def main(wire: Wire) -> None:
        wire.world.network.open_black_hole("c", "s")
        wire.send()
        with wire.server:
            wire.far.transport.write(b"the other way")
        await asyncio.sleep(100)
        assert wire.far.received == b""
        assert wire.near.received == b"the other way"
        assert wire.near.lost == wire.far.lost == []
        assert wire.world.network.close_black_hole("c", "s") == 2
        await asyncio.sleep(1)
        assert [type(lost) for lost in wire.near.lost + wire.far.lost] == [ConnectionResetError] * 2

    on_wire(main)


def test_a_connection_that_lost_nothing_in_a_black_hole_stays_open() -> None:
    async def main(wire: Wire) -> None:
        wire.world.network.open_black_hole("c", "s")
        await asyncio.sleep(1)
        assert wire.world.network.close_black_hole("c", "s") == 0
        wire.send()
        await asyncio.sleep(1)
        assert wire.far.received == SENT

    on_wire(main)


def test_blocking_is_one_way_and_so_is_its_end() -> None:
    async def main(wire: Wire) -> None:
        network = wire.world.network
        network.partition("c", "s")
        network.unblock("c", "s")
        wire.send()
        with wire.server:
            wire.far.transport.write(b"held back")
        await asyncio.sleep(10)
        assert wire.far.received == SENT
        assert wire.near.received == b""
        network.unblock("s", "c")
        await asyncio.sleep(1)
        assert wire.near.received == b"held back"

    on_wire(main)


# --- what a crash leaves of connections


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_crash_resets_the_peer_or_tells_it_nothing_and_the_dead_never_hear(is_silent: bool) -> None:
    async def main(wire: Wire) -> None:
        wire.server.crash(is_silent=is_silent)
        await asyncio.sleep(1)
        assert len(wire.near.lost) == (0 if is_silent else 1)
        wire.send()
        await asyncio.sleep(100)
        assert len(wire.near.lost) == (0 if is_silent else 1), "nobody is there to answer"
        assert (wire.far.received, wire.far.lost) == (b"", [])

    on_wire(main)


def test_who_comes_back_answers_old_connections_with_a_reset() -> None:
    async def main(wire: Wire) -> None:
        wire.server.crash(is_silent=True)
        await asyncio.sleep(1)
        wire.world.begin("s")
        await asyncio.sleep(1)
        assert wire.near.lost == [], "it knows nothing of that connection until something arrives"
        wire.send()
        await asyncio.sleep(1)
        assert isinstance(wire.near.lost[0], ConnectionResetError)

    on_wire(main)


def test_what_was_under_way_to_the_dead_does_not_keep_the_next_life_from_answering() -> None:
    async def main(wire: Wire) -> None:
        wire.send()
        wire.server.crash(is_silent=True)
        await asyncio.sleep(1)
        wire.world.begin("s")
        wire.send()
        await asyncio.sleep(1)
        assert isinstance(wire.near.lost[0], ConnectionResetError)

    on_wire(main)


def test_what_had_left_before_a_crash_arrives_before_the_reset() -> None:
    async def main(wire: Wire) -> None:
        wire.send()
        wire.client.crash()
        await asyncio.sleep(1)
        assert wire.far.received == SENT
        assert isinstance(wire.far.lost[0], ConnectionResetError)

    on_wire(main)


def test_nobody_listens_at_the_address_of_who_crashed() -> None:
    async def main(wire: Wire) -> None:
        wire.server.crash()
        with pytest.raises(ConnectionRefusedError):
            await wire.client.create_task(wire.client.host.network.connect(End, "127.0.0.1", 1))

    on_wire(main)


def test_who_was_connected_but_not_accepted_yet_is_reset() -> None:
    async def main(wire: Wire) -> None:
        wire.server.pause()
        await wire.again()
        assert wire.near.lost == []
        wire.server.crash()
        await asyncio.sleep(1)
        assert isinstance(wire.near.lost[0], ConnectionResetError)

    on_wire(main)


def test_a_paused_reader_gets_everything_when_it_goes_on() -> None:
    async def main(wire: Wire) -> None:
        wire.server.pause()
        wire.send()
        await asyncio.sleep(10)
        assert wire.far.received == b""
        wire.server.resume()
        await asyncio.sleep(1)
        assert wire.far.received == SENT

    on_wire(main)
