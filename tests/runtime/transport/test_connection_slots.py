"""The places of accepted connections, by the address of their other end."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, cast

import pytest

from coterie.runtime.transport import (
    ClientKey,
    Peer,
    PeerRole,
    SharedKey,
    TransportConfig,
    connection,
    connection_slots,
)
from coterie.runtime.transport.connection_slots import CLAIMANTS_MAX, ConnectionSlots
from coterie.runtime.transport.handshake.certificate import Certificate
from coterie.runtime.transport.handshake.handshake_messages import Hello
from coterie.runtime.transport.handshake.protocol_versions import VERSION_MAX
from tests.runtime.transport.test_listener import Raw, connect

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

CLUSTER_KEY, CLIENT, OTHER = b"n" * 32, b"c" * 32, b"o" * 32


class At:
    """Stands for a connection from an address."""

    def __init__(self, address: str) -> None:
        self.address = f"{address}:1"


def connections(address: str, count: int) -> list[Any]:
    return [At(address) for _ in range(count)]


def client(number: int) -> Peer:
    return Peer(f"client{number}", number, PeerRole.CLIENT)


def test_the_oldest_stranger_of_the_busiest_address_gives_way() -> None:
    slots = ConnectionSlots(strangers_max=6, clients_max=8)
    quiet, busy = connections("10.0.0.1", 2), connections("10.0.0.2", 20)
    assert [slots.enter(one) for one in (*quiet, *busy[:4])] == [None] * 6

    assert [slots.enter(one) for one in busy[4:]] == busy[:16], "each ends another one, closed or not"
    late = connections("10.0.0.3", 1)[0]
    gone = slots.enter(late)

    assert gone is busy[16]
    assert slots.strangers == 6
    assert all(one in slots._strangers._network_by_holder for one in (*quiet, late))


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::1"])
def test_clients_at_one_address_leave_places_to_those_at_others(address: str) -> None:
    slots = ConnectionSlots(strangers_max=6, clients_max=20)
    greedy = connections(address, 9)

    lacks = [slots.admit_client(one, client(at)) for at, one in enumerate(greedy)]

    assert lacks[:7] == [None] * 7
    assert lacks[7] is not None
    assert "have 14 of 15 connections, the most of 20" in lacks[7]
    assert [slots.admit_client(one, client(20 + at)) for at, one in enumerate(connections("10.0.0.9", 3))] == [None] * 3
    (other,) = connections("10.0.0.8", 1)
    assert "clients have 20 of 20 connections" in str(slots.admit_client(other, client(30)))
    slots.leave(greedy[0])
    assert slots.admit_client(greedy[8], client(8)) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_clients_on_this_machine_may_have_all_places(address: str) -> None:
    slots = ConnectionSlots(strangers_max=6, clients_max=20)

    assert [slots.admit_client(one, client(at)) for at, one in enumerate(connections(address, 10))] == [None] * 10


@pytest.mark.parametrize("addresses", [["127.0.0.1"], [f"10.0.0.{number}" for number in range(9)]])
def test_clients_of_one_owner_leave_places_to_others_wherever_they_are(addresses: list[str]) -> None:
    slots = ConnectionSlots(strangers_max=6, clients_max=20)
    greedy = [At(addresses[number % len(addresses)]) for number in range(9)]
    others = connections("127.0.0.1", 3)

    lacks = [slots.admit_client(cast(Any, one), client(at), "billing") for at, one in enumerate(greedy)]

    assert lacks[:7] == [None] * 7
    assert lacks[7] is not None
    assert "clients with the key or certificate of 'billing' have 14 of 15 connections" in lacks[7]
    assert slots.admit_client(others[0], client(20), "shop") is None
    assert [slots.admit_client(one, client(21 + at)) for at, one in enumerate(others[1:])] == [None] * 2, "no name"
    slots.leave(cast(Any, greedy[0]))
    assert slots.admit_client(cast(Any, greedy[8]), client(8), "billing") is None


@pytest.mark.virtual
@pytest.mark.parametrize(("key", "linked"), [(CLIENT, 12), (CLUSTER_KEY, 16)])
async def test_a_client_key_takes_three_of_four_places(world: World, key: bytes, linked: int) -> None:
    """With the nodes' key a name proves nothing, and whoever has it is trusted anyway."""
    config = TransportConfig(connections_max=32, reconnect_full_cap_s=30.0)
    auth = SharedKey(CLUSTER_KEY, clients=(ClientKey("billing", CLIENT), ClientKey("shop", OTHER)))
    node = await world.start("n1", config=config, auth=auth)
    for number in range(16):
        greedy = world.make(f"billing+{number}", role=PeerRole.CLIENT, auth=SharedKey(key))
        greedy.transport.dial(*node.address)
    await asyncio.sleep(5.0)
    assert len(node.transport.peers()) == linked

    honest = world.make("shop", role=PeerRole.CLIENT, auth=SharedKey(OTHER))
    honest.transport.dial(*node.address)
    await asyncio.sleep(5.0)

    assert len(honest.transport.peers()) == (1 if linked < 16 else 0)


def test_each_claimant_too_many_ends_another_one_closed_or_not() -> None:
    slots = ConnectionSlots(strangers_max=100, clients_max=8)
    claimants = connections("10.0.0.1", 20)
    for one in claimants:
        slots.enter(one)

    surplus = [slots.claim(one, "n2") for one in claimants]

    assert surplus == [None] * CLAIMANTS_MAX + claimants[: 20 - CLAIMANTS_MAX]
    assert slots.strangers == 0


def test_claimants_at_one_address_do_not_end_those_at_others() -> None:
    slots = ConnectionSlots(strangers_max=100, clients_max=8)
    far, storm = connections("10.0.0.9", 2), connections("10.0.0.1", 50)

    surplus = [slots.claim(one, "n2") for one in (far[0], *storm[:25], far[1], *storm[25:])]

    assert not set(far) & set(surplus)


@pytest.mark.parametrize("known", ["added", "linked"])
def test_claimants_at_any_number_of_addresses_leave_two_places_to_the_address_of_the_member(known: str) -> None:
    slots = ConnectionSlots(strangers_max=100, clients_max=8)
    if known == "added":
        slots.expect_member("n2", "10.9.0.9")
    else:
        slots.expect_member("n2", "n2.example.org")
        (before,) = connections("10.9.0.9", 1)
        slots.claim(before, "n2")
        slots.link_member(before)
    far, storm = connections("10.9.0.9", 2), [At(f"10.0.{number // 200}.{number % 200}") for number in range(400)]

    surplus = [slots.claim(cast(Any, one), "n2") for one in (far[0], *storm[:200], far[1], *storm[200:])]

    assert not set(far) & set(surplus)


def test_claimants_at_the_address_of_a_member_do_not_end_it_where_it_has_moved_to() -> None:
    slots = ConnectionSlots(strangers_max=100, clients_max=8)
    slots.expect_member("n2", "10.0.0.1")
    moved, storm = connections("10.0.0.9", 2), connections("10.0.0.1", 50)

    surplus = [slots.claim(one, "n2") for one in (moved[0], *storm[:25], moved[1], *storm[25:])]

    assert not set(moved) & set(surplus)


def test_the_least_places_of_clients_may_be_taken_from_one_address() -> None:
    slots = ConnectionSlots(strangers_max=6, clients_max=8)

    assert [slots.admit_client(one, client(at)) for at, one in enumerate(connections("10.0.0.1", 4))] == [None] * 4


def test_a_client_that_is_a_member_by_now_takes_no_place_at_its_address() -> None:
    slots = ConnectionSlots(strangers_max=6, clients_max=16)
    for at, one in enumerate(connections("10.0.0.1", 6)):
        slots.admit_client(one, client(at))

    slots.release_members(lambda peer: peer.node in ("client0", "client1"))

    assert slots.clients == 8
    assert [slots.admit_client(one, client(9 + at)) for at, one in enumerate(connections("10.0.0.1", 2))] == [None] * 2


@pytest.mark.virtual
async def test_strangers_at_one_address_do_not_end_those_at_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = ""  # on the virtual network all addresses are loopback
    monkeypatch.setattr(connection_slots, "_network", lambda connection: at)
    node = await world.start("n1", config=TransportConfig(handshakes_max=16))

    at = "quiet"
    early = [await connect(world, node) for _ in range(3)]
    at = "storm"
    storm = [await connect(world, node) for _ in range(50)]
    at = "late"
    late = await connect(world, node)

    assert not any(one.is_lost for one in (*early, late))
    assert [one.is_lost for one in storm] == [True] * 38 + [False] * 12
    assert node.transport.stats()["refused_handshakes"] == 38
    assert "the oldest at the address with most was ended" in str(node.recorder.only("refused")[0][2])


class Liar:
    """Claims to be a member without end, each time from the next one of its addresses, and never proves it."""

    def __init__(self, world: World, node: Node, member: str, addresses: int) -> None:
        self._world, self._node, self._member = world, node, member
        self._addresses = itertools.cycle(f"liar{number}" for number in range(addresses))
        self.claims = 0

    async def run(self) -> None:
        while True:
            await self._claim(Raw())
            await asyncio.sleep(0.002)

    async def _claim(self, raw: Raw) -> None:
        await self._world.network.for_node(next(self._addresses)).connect(lambda: raw, *self._node.address)
        peer = Peer(self._member, 5, PeerRole.NODE)
        raw.say(Hello(VERSION_MAX, VERSION_MAX, "test", peer, 0, self.claims, "n1", nonce=b"n" * 32).encode())
        self.claims += 1


@pytest.mark.virtual
@pytest.mark.parametrize(("addresses", "was_linked"), [(1, False), (3, False), (300, True)])
async def test_a_far_member_gets_in_while_liars_claim_its_name(
    world: World, monkeypatch: pytest.MonkeyPatch, addresses: int, was_linked: bool
) -> None:
    """Every few milliseconds a claim, and a handshake of the member takes a second."""
    monkeypatch.setattr(connection_slots, "_network", _other_end)  # all addresses are loopback on the virtual network
    world.network.latency_s = lambda source, target: 0.12 if "far" in (source, target) else 0.0005
    auth = SharedKey(CLUSTER_KEY)
    node, far = await world.start("n1", auth=auth), world.make("far", auth=auth)
    node.transport.add_peer("far", "far.example.org", 1)
    liar = Liar(world, node, "far", addresses)
    if was_linked:
        far.transport.add_peer("n1", *node.address)
        await world.linked(node)
        node.transport.end_link("far", "for the test")
        await world.until(lambda: not far.transport.peers())
    lies = asyncio.create_task(liar.run())
    await asyncio.sleep(0.5)

    far.transport.add_peer("n1", *node.address)
    await asyncio.sleep(3.0)
    lies.cancel()

    assert [peer.node for peer in node.transport.peers()] == ["far"]
    assert liar.claims > 500


@pytest.mark.virtual
async def test_a_certificate_of_another_name_makes_no_claimant(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "certificate_of", lambda channel: Certificate(("billing",), may_be_node=False))
    node = await world.start("n1", auth=SharedKey(CLUSTER_KEY))
    node.transport.add_peer("n2", "n2", 1)

    lie = Hello(VERSION_MAX, VERSION_MAX, "test", Peer("n2", 5, PeerRole.NODE), 0, 7, "n1", nonce=b"n" * 32)
    raw = await connect(world, node, lie.encode())

    assert raw.word == "coterie.challenge"
    assert node.transport._shared.slots.strangers == 1
    assert len(node.transport._shared.slots._member_by_claimant) == 0


def _other_end(connection: Any) -> str:
    return str(connection._transport.outgoing.link.target)


@pytest.mark.virtual
async def test_a_burst_of_strangers_leaves_as_many_as_may_stay(world: World) -> None:
    node = await world.start("n1", config=TransportConfig(handshakes_max=16))

    storm = await asyncio.gather(*(connect(world, node) for _ in range(300)))

    assert [one.is_lost for one in storm] == [True] * 284 + [False] * 16
    assert node.transport.stats()["connections"] == 16
