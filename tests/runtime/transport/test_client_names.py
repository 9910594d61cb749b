"""Names of clients and nodes: who may take which, and what becomes of the one that had it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import PeerRole, SharedKey
from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.framing.items import join

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual


def client(world: World, name: str, incarnation: int | None = None) -> Node:
    return world.make(name, role=PeerRole.CLIENT, cluster="", incarnation=incarnation)


async def test_a_second_client_is_refused_while_the_first_one_is_heard(world: World) -> None:
    node = await world.start("n1")
    first, second = client(world, "billing", incarnation=1001), client(world, "billing", incarnation=1002)
    first.transport.dial(*node.address)
    await world.linked(first)
    second.transport.dial(*node.address)
    await asyncio.sleep(20.0)

    assert first.recorder.kinds() == ["up"]
    assert second.recorder.only("up") == []
    text = str(second.recorder.only("refused")[0][2])
    assert "name_in_use: a client named 'billing' is linked, and is heard" in text
    assert "'billing+two'" in text


async def test_a_client_that_was_started_again_gets_its_name_back(world: World) -> None:
    node = await world.start("n1")
    first, second = client(world, "billing", incarnation=1001), client(world, "billing", incarnation=1002)
    first.transport.dial(*node.address)
    await world.linked(first)
    world.network.partition("billing", "n1")  # its machine is gone: nothing says goodbye
    await asyncio.sleep(1.5)
    await first.transport.close()
    world.network.heal()

    second.transport.dial(*node.address)
    await world.linked(second)
    assert [peer.incarnation for peer in node.transport.peers()] == [1002]


async def test_a_client_is_not_shut_out_once_another_one_had_its_name(world: World) -> None:
    node = await world.start("n1")
    first, second = client(world, "billing", incarnation=1001), client(world, "billing", incarnation=1002)
    first.transport.dial(*node.address)
    await world.linked(first)
    node.transport.declare_lost("billing", "for the test")  # the link of the first is gone for a moment
    second.transport.dial(*node.address)
    await world.until(lambda: bool(node.transport.peers()))
    for each in (first, second):
        if each.transport.peers():
            await each.transport.close()
    await asyncio.sleep(30.0)

    assert len(node.transport.peers()) == 1


async def test_a_node_takes_its_name_from_a_client(world: World) -> None:
    n1 = await world.start("n1")
    impostor = client(world, "n0", incarnation=1001)
    impostor.transport.dial(*n1.address)
    await world.linked(impostor)

    n0 = world.make("n0", incarnation=1002)
    n0.transport.add_peer("n1", *n1.address)
    await world.linked(n0)
    await asyncio.sleep(20.0)

    assert [(peer.node, peer.role) for peer in n1.transport.peers()] == [("n0", PeerRole.NODE)]
    assert impostor.transport.peers() == []
    assert "name_taken: 'n0' is the name of a node" in str(impostor.recorder.only("refused")[-1][2])


async def test_reserved_names_are_for_nodes_from_the_start(world: World) -> None:
    n1 = await world.start("n1")
    n1.transport.reserve_names(["n1", "n2", "n3"])
    impostor = client(world, "n3")
    impostor.transport.dial(*n1.address)
    await asyncio.sleep(2.0)

    assert n1.transport.peers() == []
    assert "name_taken: 'n3' is the name of a node" in str(impostor.recorder.only("refused")[0][2])


@pytest.mark.parametrize("is_keyed", [True, False])
async def test_who_can_write_into_a_connection_needs_the_key_to_say_something(world: World, is_keyed: bool) -> None:
    """A frame in its place, with a right CRC: it counts without keys, which is why those are for loopback only."""
    auth = SharedKey(b"k" * 32) if is_keyed else None
    b = await world.start("b", auth=auth)
    a = await world.start("a", auth=auth)
    for one, other in ((a, b), (b, a)):
        one.transport.add_peer(other.transport.identity.node, *other.address)
    await world.linked(a, b)
    bulk = b.transport._links["a"].bulk
    injected = FrameEncoder()
    injected._sequence = bulk._decoder.frames

    bulk.data_received(injected.encode(join([b"\xa8injected"])))
    await asyncio.sleep(10.0)
    a.transport.send("b", Lane.BULK, "honest")
    await asyncio.sleep(1.0)

    assert b.items == (["honest"] if is_keyed else ["injected", "honest"])
    assert b.recorder.kinds() == ["up", "down", "up"]  # without keys the true frame is out of sequence
