"""ChaosProxies between real sockets on loopback."""

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
    """A server that keeps what it is sent, by connection, and answers what it is told to."""

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


class Stand:
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
async def made() -> AsyncIterator[Stand]:
    async with Node() as node, ChaosProxies(["a", "b"], ["c"], rng=random.Random(1), clock=RealHost().clock) as proxies:
        proxies.listens_at = lambda _: node.address
        yield Stand(proxies, node)


async def test_megabytes_pass_both_ways_in_order() -> None:
    data = random.Random(2).randbytes(3_000_000)
    async with made() as stand:
        reader, writer = await stand.connect()

        writer.write(data)
        await stand.node.until(lambda: bool(stand.node.received) and len(stand.node.received[0]) == len(data))
        stand.node.writers[0].write(data)
        answer = await reader.readexactly(len(data))

        assert stand.node.received[0] == data
        assert answer == data
        assert stand.proxies.connections() == [("a", "b"), ("b", "a")]
        writer.close()


async def test_order_survives_bad_link_conditions() -> None:
    data = random.Random(3).randbytes(400_000)
    async with made() as stand:
        link = stand.proxies.link("a", "b")
        link.extra_delay, link.bytes_per_s = RandomDuration(0.002, tail=0.3, tail_s=0.004), 10_000_000.0
        _, writer = await stand.connect()

        for at in range(0, len(data), 4000):
            writer.write(data[at : at + 4000])
            await asyncio.sleep(0)
        await stand.node.until(lambda: bool(stand.node.received) and len(stand.node.received[0]) == len(data))

        assert stand.node.received[0] == data
        assert link.fired["delayed"] > 0
        assert link.fired["throttled"] > 0
        writer.close()


async def test_blocked_direction_is_held_and_the_other_passes() -> None:
    async with made() as stand:
        reader, writer = await stand.connect()
        writer.write(b"first")
        await stand.node.until(lambda: stand.node.received == [b"first"])

        stand.proxies.block("a", "b")
        assert not stand.proxies.holds_back("a", "b")
        writer.write(b"held")
        await stand.until(lambda: stand.proxies.holds_back("a", "b"))
        stand.node.writers[0].write(b"passes")
        assert await reader.readexactly(6) == b"passes"
        assert stand.node.received[0] == b"first"
        assert not stand.proxies.holds_back("b", "a")
        stand.proxies.unblock("a", "b")

        await stand.node.until(lambda: stand.node.received == [b"firstheld"])
        writer.close()


async def test_connection_attempt_over_a_blocked_link_is_noted() -> None:
    async with made() as stand:
        stand.proxies.block("b", "a")

        _, writer = await stand.connect()

        assert stand.proxies.holds_back("b", "a")
        writer.close()


async def test_blocked_link_holds_no_more_than_its_bound() -> None:
    async with made() as stand:
        stand.proxies.block("a", "b")
        _, writer = await stand.connect()

        writer.write(bytes(5_000_000))
        await stand.until(lambda: stand.proxies.held_bytes >= HELD_BYTES_MAX)
        for _ in range(200):
            await asyncio.sleep(0)
        assert stand.proxies.held_bytes < 3 * HELD_BYTES_MAX
        stand.proxies.heal()

        await stand.node.until(lambda: bool(stand.node.received) and len(stand.node.received[0]) == 5_000_000)
        writer.close()


async def test_reset_breaks_both_ends() -> None:
    async with made() as stand:
        reader, writer = await stand.connect()
        writer.write(b"x")
        await stand.node.until(lambda: stand.node.received == [b"x"])

        stand.proxies.reset("b", "a")

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        await stand.node.until(lambda: stand.node.broken == [True])
        await stand.until(lambda: stand.proxies.connections() == [])
        writer.close()


async def test_cut_frame_arrives_in_part_and_then_the_connection_breaks() -> None:
    async with made() as stand:
        stand.proxies.link("a", "b").cuts_next = True
        reader, writer = await stand.connect()

        writer.write(b"a whole frame")

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        await stand.node.until(lambda: stand.node.broken == [True])
        assert len(stand.node.received[0]) < len(b"a whole frame")
        writer.close()


async def test_connection_that_lost_bytes_is_reset() -> None:
    async with made() as stand:
        reader, writer = await stand.connect()
        writer.write(b"before")
        await stand.node.until(lambda: stand.node.received == [b"before"])

        stand.proxies.open_black_hole("a", "b")
        writer.write(b"gone")
        await stand.until(lambda: stand.proxies.has_lost_data("a", "b"))
        closed = stand.proxies.close_black_hole("a", "b")
        with suppress(ConnectionError):
            writer.write(b"after")

        assert closed == 1
        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        await stand.node.until(lambda: stand.node.broken == [True])
        assert stand.node.received == [b"before"]
        writer.close()


async def test_connection_that_lost_nothing_survives_a_black_hole() -> None:
    async with made() as stand:
        _, writer = await stand.connect()
        stand.proxies.open_black_hole("a", "b")

        assert stand.proxies.close_black_hole("a", "b") == 0
        writer.write(b"fine")

        await stand.node.until(lambda: stand.node.received == [b"fine"])
        writer.close()


async def test_end_of_one_direction_leaves_the_other_open() -> None:
    async with made() as stand:
        reader, writer = await stand.connect()
        writer.write(b"question")
        await stand.node.until(lambda: stand.node.received == [b"question"])
        stand.node.writers[0].write(b"answer")
        stand.node.writers[0].write_eof()

        assert await reader.read() == b"answer"
        writer.write(b", and thanks")
        await stand.node.until(lambda: stand.node.received == [b"question, and thanks"])
        writer.close()
        await stand.until(lambda: stand.proxies.connections() == [])


async def test_dialer_gets_a_reset_if_the_node_does_not_listen() -> None:
    async with made() as stand:
        nobody = ReservedPort()
        stand.proxies.listens_at = lambda _: nobody.address

        reader, writer = await stand.connect()

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        writer.close()
        await stand.until(lambda: stand.proxies.connections() == [])
        nobody.close()


async def test_too_many_connections_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chaos_proxies, "TUNNELS_MAX", 1)
    async with made() as stand:
        _, first = await stand.connect()
        first.write(b"x")
        await stand.node.until(lambda: stand.node.received == [b"x"])

        reader, second = await stand.connect()

        with pytest.raises(ConnectionError):
            await reader.readexactly(1)
        assert len(stand.proxies.connections()) == 2
        second.close()
        first.close()


async def test_clients_have_ways_of_their_own_to_each_node() -> None:
    async with made() as stand:
        ways = [stand.proxies.address(*way) for way in (("a", "b"), ("b", "a"), ("c", "a"), ("c", "b"))]

        assert len(dict.fromkeys(ways)) == 4
        with pytest.raises(KeyError):
            stand.proxies.address("a", "c")
