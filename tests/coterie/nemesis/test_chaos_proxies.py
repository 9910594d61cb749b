"""`ChaosProxies` between real sockets on loopback."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Self

import pytest

from coterie.nemesis import chaos_proxies
from coterie.nemesis.chaos_proxies import ChaosProxies
from coterie.nemesis.proxy_pipe import HELD_BYTES_MAX
from coterie.reserved_port import ReservedPort
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.simulation.random_durations import RandomDuration


class Node:
    """A server that keeps what it receives, by connection; tests write to its `writers`."""

    def __init__(self) -> None:
        self.received: list[bytearray] = []
        self.broken: list[bool] = []
        self.writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self.writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    @property
    def address(self) -> str:
        assert self._server is not None
        return "{}:{}".format(*self._server.sockets[0].getsockname()[:2])

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at = len(self.received)
        self.received.append(bytearray())
        self.broken.append(False)
        self.writers.append(writer)
        try:
            while data := await reader.read(65536):
                self.received[at] += data
                self._changed.set()
            writer.close()
        except ConnectionError:
            self.broken[at] = True
        self._changed.set()


class ProxySetup:
    """Node b behind its proxies, and connections of a to it."""

    def __init__(self, proxies: ChaosProxies, node: Node) -> None:
        self.proxies = proxies
        self.node = node

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.proxies.address("a", "b").rpartition(":")
        return await asyncio.open_connection(host, int(port))

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 (it happens between sockets: nothing of it can be awaited)
            await asyncio.sleep(0.001)


@asynccontextmanager
async def made() -> AsyncIterator[ProxySetup]:
    async with Node() as node, ChaosProxies(["a", "b"], ["c"], rng=random.Random(1), clock=RealHost().clock) as proxies:
        proxies.listens_at = lambda _: node.address
        yield ProxySetup(proxies, node)


async def test_megabytes_pass_both_ways_in_order() -> None:
    data = random.Random(2).randbytes(3_000_000)
    async with made() as setup:
        reader, writer = await setup.connect()

        writer.write(data)
        await setup.node.until(lambda: bool(setup.node.received) and len(setup.node.received[0]) == len(data))
        setup.node.writers[0].write(data)
        answer = await reader.readexactly(len(data))

        assert setup.node.received[0] == data
        assert answer == data
        assert setup.proxies.connections() == [("a", "b"), ("b", "a")]
        writer.close()


async def test_order_survives_bad_link_conditions() -> None:
    data = random.Random(3).randbytes(400_000)
    async with made() as setup:
        link = setup.proxies.link("a", "b")
        link.extra_delay, link.bytes_per_s = RandomDuration(0.002, tail=0.3, tail_s=0.004), 10_000_000.0
        _, writer = await setup.connect()

        for at in range(0, len(data), 4000):
            writer.write(data[at : at + 4000])
            await asyncio.sleep(0)
        await setup.node.until(lambda: bool(setup.node.received) and len(setup.node.received[0]) == len(data))

        assert setup.node.received[0] == data
        assert link.fired["delayed"] > 0
        assert link.fired["throttled"] > 0
        writer.close()


async def test_blocked_direction_is_held_and_the_other_passes() -> None:
    async with made() as setup:
        reader, writer = await setup.connect()
        writer.write(b"first")
        await setup.node.until(lambda: setup.node.received == [b"first"])

        setup.proxies.block("a", "b")
        assert not setup.proxies.holds_back("a", "b")
        writer.write(b"held")
        await setup.until(lambda: setup.proxies.holds_back("a", "b"))
        setup.node.writers[0].write(b"passes")
        assert await reader.readexactly(6) == b"passes"
        assert setup.node.received[0] == b"first"
        assert not setup.proxies.holds_back("b", "a")
        setup.proxies.unblock("a", "b")

        await setup.node.until(lambda: setup.node.received == [b"firstheld"])
        writer.close()


async def test_connection_attempt_over_a_blocked_link_is_noted() -> None:
    async with made() as setup:
        setup.proxies.block("b", "a")

        _, writer = await setup.connect()

        assert setup.proxies.holds_back("b", "a")
        writer.close()


async def test_blocked_link_holds_no_more_than_its_bound() -> None:
    async with made() as setup:
        setup.proxies.block("a", "b")
        _, writer = await setup.connect()

        writer.write(bytes(5_000_000))
        await setup.until(lambda: setup.proxies.held_bytes >= HELD_BYTES_MAX)
        for _ in range(200):
            await asyncio.sleep(0)
        assert setup.proxies.held_bytes < 3 * HELD_BYTES_MAX
        setup.proxies.heal()

        await setup.node.until(lambda: bool(setup.node.received) and len(setup.node.received[0]) == 5_000_000)
        writer.close()


async def test_reset_breaks_both_ends() -> None:
    async with made() as setup:
        reader, writer = await setup.connect()
        writer.write(b"x")
        await setup.node.until(lambda: setup.node.received == [b"x"])

        setup.proxies.reset("b", "a")

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        await setup.node.until(lambda: setup.node.broken == [True])
        await setup.until(lambda: setup.proxies.connections() == [])
        writer.close()


async def test_cut_frame_arrives_in_part_and_then_the_connection_breaks() -> None:
    async with made() as setup:
        setup.proxies.link("a", "b").cuts_next = True
        reader, writer = await setup.connect()

        writer.write(b"a whole frame")

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        await setup.node.until(lambda: setup.node.broken == [True])
        assert len(setup.node.received[0]) < len(b"a whole frame")
        writer.close()


async def test_connection_that_lost_bytes_is_reset() -> None:
    async with made() as setup:
        reader, writer = await setup.connect()
        writer.write(b"before")
        await setup.node.until(lambda: setup.node.received == [b"before"])

        setup.proxies.open_black_hole("a", "b")
        writer.write(b"gone")
        await setup.until(lambda: setup.proxies.has_lost_data("a", "b"))
        closed = setup.proxies.close_black_hole("a", "b")
        with suppress(ConnectionError):
            writer.write(b"after")

        assert closed == 1
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        await setup.node.until(lambda: setup.node.broken == [True])
        assert setup.node.received == [b"before"]
        writer.close()


async def test_connection_that_lost_nothing_survives_a_black_hole() -> None:
    async with made() as setup:
        _, writer = await setup.connect()
        setup.proxies.open_black_hole("a", "b")

        assert setup.proxies.close_black_hole("a", "b") == 0
        writer.write(b"fine")

        await setup.node.until(lambda: setup.node.received == [b"fine"])
        writer.close()


async def test_end_of_one_direction_leaves_the_other_open() -> None:
    async with made() as setup:
        reader, writer = await setup.connect()
        writer.write(b"question")
        await setup.node.until(lambda: setup.node.received == [b"question"])
        setup.node.writers[0].write(b"answer")
        setup.node.writers[0].write_eof()

        assert await reader.read() == b"answer"
        writer.write(b", and thanks")
        await setup.node.until(lambda: setup.node.received == [b"question, and thanks"])
        writer.close()
        await setup.until(lambda: setup.proxies.connections() == [])


async def test_dialer_gets_a_reset_if_the_node_does_not_listen() -> None:
    async with made() as setup:
        nobody = ReservedPort()
        setup.proxies.listens_at = lambda _: nobody.address

        reader, writer = await setup.connect()

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()
        await setup.until(lambda: setup.proxies.connections() == [])
        nobody.close()


async def test_too_many_connections_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_proxies, "TUNNELS_MAX", 1)
    async with made() as setup:
        _, first = await setup.connect()
        first.write(b"x")
        await setup.node.until(lambda: setup.node.received == [b"x"])

        reader, second = await setup.connect()

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        assert len(setup.proxies.connections()) == 2
        second.close()
        first.close()


async def test_clients_have_ways_of_their_own_to_each_node() -> None:
    async with made() as setup:
        ways = [setup.proxies.address(*way) for way in (("a", "b"), ("b", "a"), ("c", "a"), ("c", "b"))]

        assert len(dict.fromkeys(ways)) == 4
        with pytest.raises(KeyError):
            setup.proxies.address("a", "c")
