"""Datagrams in memory: lost where a stream would stall, and in a bounded buffer where a process does not run."""

from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.virtual.virtual_datagrams import BUFFERED_MAX, SIZE_MAX, VirtualDatagramSocket
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork

LATENCY_S = 0.25  # a power of two: sums of it are exact

pytestmark = pytest.mark.virtual


class Inbox(list[tuple[bytes, tuple[str, int]]]):
    """The datagrams that a socket has received."""

    def __call__(self, data: bytes, source: tuple[str, int]) -> None:
        self.append((data, source))

    @property
    def texts(self) -> list[bytes]:
        return [data for data, _ in self]


async def opened(network: VirtualNetwork, node: str, inbox: Inbox, port: int = 0) -> VirtualDatagramSocket:
    return await network.for_node(node).open_datagrams(inbox, "127.0.0.1", port)


@pytest.fixture
async def network() -> VirtualNetwork:
    return VirtualNetwork(latency_s=LATENCY_S)


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_datagram_arrives_after_the_latency_with_the_address_of_its_sender(network: VirtualNetwork) -> None:
    arrived_s: list[float] = []
    one = await opened(network, "a", Inbox())
    inbox = Inbox()

    def received(data: bytes, source: tuple[str, int]) -> None:
        arrived_s.append(now())
        inbox(data, source)

    other = await network.for_node("b").open_datagrams(received, "127.0.0.1", 0)
    one.send(b"hello", other.address)
    await asyncio.sleep(1)

    assert inbox == [(b"hello", one.address)]
    assert arrived_s == [LATENCY_S]


async def test_a_port_of_datagrams_is_taken_once_and_is_none_of_the_streams(network: VirtualNetwork) -> None:
    one = await opened(network, "a", Inbox(), 7401)
    await network.for_node("a").listen(asyncio.Protocol, "127.0.0.1", 7401)
    with pytest.raises(OSError, match=r"address already in use: 127\.0\.0\.1:7401"):
        await opened(network, "b", Inbox(), 7401)
    one.close()
    one.close()

    assert (await opened(network, "b", Inbox(), 7401)).address == ("127.0.0.1", 7401)


async def test_datagrams_without_a_receiver_are_lost(network: VirtualNetwork) -> None:
    one, inbox = await opened(network, "a", Inbox()), Inbox()
    one.send(b"nobody is there", ("127.0.0.1", 7401))
    other = await opened(network, "b", inbox, 7401)
    one.send(b"it closes meanwhile", other.address)
    other.close()
    await asyncio.sleep(1)

    assert inbox == []


async def test_a_datagram_reaches_the_process_that_has_the_port_when_it_arrives(network: VirtualNetwork) -> None:
    one, inbox = await opened(network, "a", Inbox()), Inbox()
    other = await opened(network, "b", Inbox(), 7401)
    one.send(b"hello", other.address)
    other.close()
    await opened(network, "b", inbox, 7401)
    await asyncio.sleep(1)

    assert inbox.texts == [b"hello"]


async def test_a_partition_drops_what_is_sent_and_what_is_on_its_way(network: VirtualNetwork) -> None:
    one, inbox = await opened(network, "a", Inbox()), Inbox()
    other = await opened(network, "b", inbox)
    one.send(b"on its way", other.address)
    network.block("a", "b")
    assert not network.holds_back("a", "b")
    one.send(b"sent meanwhile", other.address)
    assert network.holds_back("a", "b")
    await asyncio.sleep(1)
    network.heal()
    one.send(b"healed", other.address)
    await asyncio.sleep(1)

    assert inbox.texts == [b"healed"]


async def test_a_black_hole_swallows_one_direction(network: VirtualNetwork) -> None:
    here, there = Inbox(), Inbox()
    one, other = await opened(network, "a", here), await opened(network, "b", there)
    network.open_black_hole("a", "b")
    one.send(b"forth", other.address)
    other.send(b"back", one.address)
    await asyncio.sleep(1)
    assert network.has_lost_data("a", "b")
    network.close_black_hole("a", "b")
    one.send(b"closed", other.address)
    await asyncio.sleep(1)

    assert (here.texts, there.texts) == ([b"back"], [b"closed"])


async def test_a_frozen_node_gets_what_its_buffer_held_once_it_thaws(network: VirtualNetwork) -> None:
    one, inbox = await opened(network, "a", Inbox()), Inbox()
    other = await opened(network, "b", inbox)
    network.freeze("b")
    for number in range(BUFFERED_MAX + 10):
        one.send(b"%d" % number, other.address)
    await asyncio.sleep(10)
    assert inbox == []
    network.thaw("b")
    await asyncio.sleep(0)

    assert inbox.texts == [b"%d" % number for number in range(BUFFERED_MAX)]
    assert other.overflowed == 10


async def test_a_frozen_node_sends_nothing(network: VirtualNetwork) -> None:
    one, inbox = await opened(network, "a", Inbox()), Inbox()
    other = await opened(network, "b", inbox)
    network.freeze("a")
    one.send(b"hello", other.address)
    network.thaw("a")
    await asyncio.sleep(1)

    assert inbox == []


async def test_a_wildcard_is_reached_by_the_name_of_its_node(network: VirtualNetwork) -> None:
    one, inbox = await opened(network, "a", Inbox()), Inbox()
    await network.for_node("b").open_datagrams(inbox, "0.0.0.0", 7401)
    one.send(b"hello", ("b", 7401))
    await asyncio.sleep(1)

    assert inbox.texts == [b"hello"]


async def test_a_datagram_that_is_too_long_is_counted_and_not_sent(network: VirtualNetwork) -> None:
    one, inbox = await opened(network, "a", Inbox()), Inbox()
    other = await opened(network, "b", inbox)
    one.send(bytes(SIZE_MAX), other.address)
    one.send(bytes(SIZE_MAX + 1), other.address)
    await asyncio.sleep(1)

    assert list(map(len, inbox.texts)) == [SIZE_MAX]
    assert one.errors == 1
