"""The places of accepted connections, by the address of their other end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.runtime.transport import Peer, PeerRole, TransportConfig, connection_slots
from coterie.runtime.transport.connection_slots import CLAIMANTS_MAX, ConnectionSlots
from tests.runtime.transport.test_listener import connect

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import World


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
    assert "have 14 of 15 connections for one address" in lacks[7]
    assert [slots.admit_client(one, client(20 + at)) for at, one in enumerate(connections("10.0.0.9", 3))] == [None] * 3
    (other,) = connections("10.0.0.8", 1)
    assert "clients have 20 of 20 connections" in str(slots.admit_client(other, client(30)))
    slots.leave(greedy[0])
    assert slots.admit_client(greedy[8], client(8)) is None


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_clients_on_this_machine_may_have_all_places(address: str) -> None:
    slots = ConnectionSlots(strangers_max=6, clients_max=20)

    assert [slots.admit_client(one, client(at)) for at, one in enumerate(connections(address, 10))] == [None] * 10


def test_each_claimant_too_many_ends_another_one_closed_or_not() -> None:
    slots = ConnectionSlots(strangers_max=100, clients_max=8)
    claimants = connections("10.0.0.1", 20)
    for one in claimants:
        slots.enter(one)

    surplus = [slots.claim(one, "n2") for one in claimants]

    assert surplus == [None] * CLAIMANTS_MAX + claimants[: 20 - CLAIMANTS_MAX]
    assert slots.strangers == 0


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


@pytest.mark.virtual
async def test_a_burst_of_strangers_leaves_as_many_as_may_stay(world: World) -> None:
    node = await world.start("n1", config=TransportConfig(handshakes_max=16))

    storm = await asyncio.gather(*(connect(world, node) for _ in range(300)))

    assert [one.is_lost for one in storm] == [True] * 284 + [False] * 16
    assert node.transport.stats()["connections"] == 16
