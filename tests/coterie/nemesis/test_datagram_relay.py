"""Datagrams of real systems through the chaos proxies: the faults of their links strike them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable

import pytest

from coterie.nemesis.chaos_proxies import ChaosProxies
from coterie.nemesis.datagram_relay import HELD_DATAGRAMS_MAX, DatagramRelay
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.simulation.random_durations import RandomDuration
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.shared_key import SharedKey

KEY = SharedKey(b"the key of the datagrams' relays")


@message(name="datagram_relay.Number")
class Number:
    value: int


class Keeper(Actor[Number]):
    def __init__(self) -> None:
        self.values: list[int] = []

    def receive(self, msg: Number) -> None:
        self.values.append(msg.value)


class Proxied:
    """Systems a and b that reach each other through proxies only."""

    def __init__(self, proxies: ChaosProxies, a: System, b: System) -> None:
        self.proxies = proxies
        self.a = a
        self.b = b

    def tell(self, value: int) -> None:
        self.a.datagrams.tell(Address("b", "keeper"), Number(value))

    @property
    def values(self) -> list[int]:
        cell = self.b.registry.cell_at("keeper")
        assert cell is not None
        assert isinstance(cell.actor, Keeper)
        return cell.actor.values

    async def until(self, condition: Callable[[], bool], *, telling: int | None = None) -> None:
        """Wait for a condition; meanwhile tell a number again and again."""
        async with asyncio.timeout(30):
            while not condition():
                if telling is not None:
                    self.tell(telling)
                await asyncio.sleep(0.002)


@pytest.fixture
async def proxied() -> AsyncIterator[Proxied]:
    proxies = ChaosProxies(["a", "b"], ["client"], rng=random.Random(1), clock=RealHost().clock)
    async with (
        proxies,
        System("a", cluster="test", auth=KEY) as a,
        System("b", cluster="test", auth=KEY) as b,
    ):
        listens_at = {
            name: "{}:{}".format(*await system.listen(datagrams=True)) for name, system in (("a", a), ("b", b))
        }
        proxies.listens_at = listens_at.__getitem__
        for system, peer in ((a, "b"), (b, "a")):
            host, _, port = proxies.address(system.node, peer).rpartition(":")
            system.add_peer(peer, host, int(port))
        b.spawn(Keeper, name="keeper")
        await a.linked("b")
        await b.linked("a")
        yield Proxied(proxies, a, b)


async def test_datagrams_pass_the_proxy_in_both_directions(proxied: Proxied) -> None:
    proxied.a.spawn(Keeper, name="keeper")
    await proxied.until(lambda: proxied.values != [], telling=1)
    async with asyncio.timeout(30):
        while proxied.a.stats().datagrams["delivered"] == 0:
            proxied.b.datagrams.tell(Address("a", "keeper"), Number(2))
            await asyncio.sleep(0.002)

    assert proxied.proxies.link("a", "b").carried > 0
    assert proxied.a.stats().datagrams["sent_by_link"] == 0


async def test_a_partition_drops_datagrams_and_has_taken_effect_with_the_first(proxied: Proxied) -> None:
    proxied.proxies.block("a", "b")
    await proxied.until(lambda: proxied.proxies.link("a", "b").has_dropped_datagram, telling=1)
    assert proxied.proxies.holds_back("a", "b")
    proxied.proxies.heal()
    await proxied.until(lambda: proxied.values != [], telling=2)

    assert set(proxied.values) == {2}


async def test_a_black_hole_swallows_datagrams(proxied: Proxied) -> None:
    proxied.proxies.open_black_hole("a", "b")
    await proxied.until(lambda: proxied.proxies.has_lost_data("a", "b"), telling=1)

    assert proxied.values == []
    proxied.proxies.close_black_hole("a", "b")


async def test_lost_datagrams_do_not_arrive(proxied: Proxied) -> None:
    link = proxied.proxies.link("a", "b")
    link.loss = 1.0
    proxied.tell(1)
    await proxied.until(lambda: link.fired["lost"] > 0, telling=1)
    link.clear_conditions()
    await proxied.until(lambda: proxied.values != [], telling=2)

    assert set(proxied.values) == {2}


async def test_a_datagram_that_arrives_twice_is_handled_once(proxied: Proxied) -> None:
    link = proxied.proxies.link("a", "b")
    link.duplication = 1.0
    proxied.tell(1)
    await proxied.until(lambda: proxied.b.stats().datagrams["dropped_replayed"] > 0)

    assert proxied.values == [1]
    assert link.fired["duplicated"] == 1


async def test_a_damaged_datagram_is_not_believed(proxied: Proxied) -> None:
    link = proxied.proxies.link("a", "b")
    link.corruption = 1.0
    for number in range(50):
        proxied.tell(number)
    await proxied.until(lambda: link.fired["corrupted"] >= 50)
    dropped = proxied.b.stats().datagrams

    assert proxied.values == []
    assert dropped["delivered"] == 0


async def test_a_delayed_datagram_arrives_later_and_none_is_relayed_after_the_end(proxied: Proxied) -> None:
    link = proxied.proxies.link("a", "b")
    link.extra_delay = RandomDuration(0.02)
    proxied.tell(1)
    await proxied.until(lambda: proxied.values == [1])
    link.extra_delay = RandomDuration(1000.0)
    proxied.tell(2)
    await proxied.until(lambda: link.fired["delayed"] == 2)
    (relay,) = [relay for relay in proxied.proxies._relays if relay._link is link]
    relay.close()
    relay.close()

    assert relay._held == {}


async def test_the_number_of_delayed_datagrams_is_bounded() -> None:
    proxies = ChaosProxies(["a", "b"], [], rng=random.Random(1), clock=RealHost().clock)
    link = proxies.link("a", "b")
    link.extra_delay = RandomDuration(1000.0)
    relay = DatagramRelay(link, lambda: "127.0.0.1:9")
    for _ in range(HELD_DATAGRAMS_MAX + 10):
        relay._received(b"hello", ("127.0.0.1", 1))

    assert len(relay._held) == HELD_DATAGRAMS_MAX
    relay.close()
