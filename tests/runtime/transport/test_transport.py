from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from coterie.errors import FrameTooLarge, InsecureBind, NodeUnreachable, TransportError
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import Peer, PeerRole, TransportConfig

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import World

virtual = pytest.mark.virtual

SMALL = TransportConfig(frame_cap_bytes=4096, frame_soft_bytes=1000, outbound_limit_bytes=20_000)


@virtual
async def test_items_arrive_in_order_per_lane_class(world: World) -> None:
    a, b = await world.pair()

    for number in range(1000):
        a.transport.send("b", Lane(number % 3), number)
    await asyncio.sleep(1.0)

    by_class = list(zip(b.recorder.lane_classes, b.items, strict=True))
    assert [item for lane_class, item in by_class if lane_class == 0] == [n for n in range(1000) if n % 3 != Lane.BULK]
    assert [item for lane_class, item in by_class if lane_class == 1] == [n for n in range(1000) if n % 3 == Lane.BULK]


@virtual
async def test_control_leaves_before_bulk_of_the_same_tick(world: World) -> None:
    a, b = await world.pair()

    a.transport.send("b", Lane.BULK, "later")
    a.transport.send("b", Lane.CONTROL, "sooner")
    await asyncio.sleep(0.1)

    assert b.items == ["sooner", "later"]


@virtual
async def test_items_travel_both_ways(world: World) -> None:
    a, b = await world.pair()

    a.transport.send("b", Lane.CONSENSUS, "to b")
    b.transport.send("a", Lane.CONSENSUS, "to a")
    await asyncio.sleep(0.1)

    assert (a.items, b.items) == (["to a"], ["to b"])


@virtual
async def test_few_items_of_one_tick_become_one_frame(world: World) -> None:
    a, b = await world.pair()
    frames_before = a.transport.stats()["frames_out"]

    for number in range(100):
        a.transport.send("b", Lane.BULK, number)
    await asyncio.sleep(0.01)
    a.transport.send("b", Lane.BULK, "next tick")
    await asyncio.sleep(0.01)

    assert b.recorder.frames == [100, 1]
    assert a.transport.stats()["frames_out"] == frames_before + 2


@virtual
async def test_many_bytes_of_one_tick_become_several_frames(world: World) -> None:
    a, b = await world.pair(SMALL)

    for number in range(10):
        a.transport.send("b", Lane.BULK, (number, b"x" * 390))
    a.transport.send("b", Lane.BULK, b"y" * 3000)  # beyond the soft size: alone
    a.transport.send("b", Lane.BULK, "last")
    await asyncio.sleep(0.1)

    assert b.recorder.frames == [2, 2, 2, 2, 2, 1, 1]
    assert b.items[-1] == "last"


@virtual
async def test_flush_writes_before_the_tick_ends(world: World) -> None:
    a, _ = await world.pair()
    before = a.transport.stats()["bytes_out"]

    a.transport.send("b", Lane.BULK, "now")
    assert a.transport.stats()["bytes_out"] == before
    a.transport.flush()

    assert a.transport.stats()["bytes_out"] > before
    assert a.transport.stats()["queued_bytes"] == 0


@virtual
async def test_item_is_packed_at_the_call(world: World) -> None:
    a, b = await world.pair()
    item = [1]

    a.transport.send("b", Lane.BULK, item)
    item.append(2)
    await asyncio.sleep(0.1)

    assert b.items == [(1,)]


@virtual
async def test_item_that_cannot_be_packed_hurts_nobody_else(world: World) -> None:
    a, b = await world.pair()

    a.transport.send("b", Lane.BULK, "before")
    with pytest.raises(TypeError, match=r"item\[1\] is a builtins\.object"):
        a.transport.send("b", Lane.BULK, ("x", object()))
    a.transport.send("b", Lane.BULK, "after")
    await asyncio.sleep(0.1)

    assert b.items == ["before", "after"]


@virtual
@pytest.mark.parametrize(("version", "limit_bytes"), [(3, 30_000), (2, 4096 - 5)])  # with chunks; in one frame
async def test_largest_item_arrives_and_one_byte_more_is_refused(world: World, version: int, limit_bytes: int) -> None:
    a, b = await world.pair(replace(SMALL, message_cap_bytes=30_000, version_max=version))
    largest = b"x" * (limit_bytes - 3)  # without the header of the item

    a.transport.send("b", Lane.BULK, largest)
    with pytest.raises(FrameTooLarge) as raised:
        a.transport.send("b", Lane.BULK, largest + b"x")
    await asyncio.sleep(0.1)

    assert b.items == [largest]
    assert (raised.value.size_bytes, raised.value.limit_bytes) == (limit_bytes + 1, limit_bytes)
    assert a.recorder.only("down") == []


@virtual
async def test_item_deeper_than_the_receiver_unpacks_is_refused_by_the_sender(world: World) -> None:
    a, b = await world.pair()
    item: object = ()
    for _ in range(1023):
        item = (item,)

    with pytest.raises(TypeError):
        a.transport.send("b", Lane.BULK, item)
    a.transport.send("b", Lane.BULK, "sound")
    await asyncio.sleep(0.1)

    assert b.items == ["sound"]


@virtual
async def test_send_without_a_link_is_definite_and_says_why(world: World) -> None:
    a = await world.start("a")

    with pytest.raises(NodeUnreachable, match="'b' is unreachable \\(no such node is known\\)"):
        a.transport.send("b", Lane.BULK, 1)
    a.transport.add_peer("b", "b", 1)
    with pytest.raises(NodeUnreachable, match="it has not been linked yet"):
        a.transport.send("b", Lane.BULK, 1)


@virtual
async def test_nothing_is_queued_while_a_link_is_down(world: World) -> None:
    a, b = await world.pair()
    world.network.partition("a", "b")
    await asyncio.sleep(5.0)

    with pytest.raises(NodeUnreachable, match="its link has been down for"):
        a.transport.send("b", Lane.BULK, "lost")
    world.network.heal()
    await world.linked(a, b)
    await asyncio.sleep(1.0)

    assert b.items == []


@virtual
async def test_events_may_send(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    told = b.recorder.link_up

    def answer(peer: Peer) -> None:
        told(peer)
        b.transport.send(peer.node, Lane.CONTROL, "hello")

    b.recorder.link_up = answer  # type: ignore[method-assign]
    b.transport.add_peer("a", *a.address)
    a.transport.add_peer("b", *b.address)
    await world.linked(a, b)
    await asyncio.sleep(0.1)

    assert a.items == ["hello"]


@virtual
async def test_peers_are_those_linked_now(world: World) -> None:
    a, b = await world.pair()
    assert a.transport.peers() == [Peer("b", 2, PeerRole.NODE)]

    await b.transport.close()
    await asyncio.sleep(0.1)

    assert a.transport.peers() == []


@virtual
async def test_client_is_linked_without_knowing_the_cluster(world: World) -> None:
    node = await world.start("n1")
    client = world.make("visitor", role=PeerRole.CLIENT, cluster="")

    client.transport.dial(*node.address)
    await world.linked(client, node)
    client.transport.send("n1", Lane.BULK, "question")
    await asyncio.sleep(0.1)
    node.transport.send("visitor", Lane.BULK, "answer")
    await asyncio.sleep(0.1)

    assert client.transport.identity.cluster == "test"
    assert node.transport.peers()[0].role is PeerRole.CLIENT
    assert (node.items, client.items) == (["question"], ["answer"])


@virtual
async def test_client_does_not_listen(world: World) -> None:
    client = world.make("visitor", role=PeerRole.CLIENT)
    with pytest.raises(TransportError, match="cannot listen"):
        await client.transport.listen("127.0.0.1", 0)


@virtual
@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "10.0.0.1", "example.org"])
async def test_listening_beyond_loopback_is_refused_before_binding(world: World, host: str) -> None:
    node = world.make("n1")

    with pytest.raises(InsecureBind, match="insecure=True"):
        await node.transport.listen(host, 7)

    assert (await node.transport.listen(host, 7, insecure=True))[1] == 7


@virtual
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
async def test_listening_on_loopback_needs_no_word(world: World, host: str) -> None:
    node = world.make("n1")
    assert (await node.transport.listen(host, 0))[1] > 0


@virtual
async def test_a_node_is_not_its_own_peer(world: World) -> None:
    node = await world.start("n1")
    with pytest.raises(ValueError, match="its own peer"):
        node.transport.add_peer("n1", *node.address)


@virtual
async def test_close_lets_everything_queued_leave_first(world: World) -> None:
    a, b = await world.pair()
    for number in range(2000):  # more than the network's window takes at once
        a.transport.send("b", Lane.BULK, (number, b"x" * 100))
        a.transport.send("b", Lane.CONTROL, number)

    await a.transport.close()
    await asyncio.sleep(1.0)

    assert len(b.items) == 4000
    assert a.told[-1] == ("down", "b", 2, "this end was closed")
    assert b.recorder.only("down") == [("down", "a", 1, "the peer closed the link")]


@virtual
async def test_close_is_bounded_when_the_peer_never_reads(world: World) -> None:
    a, _ = await world.pair()
    world.network.freeze("b")
    for _ in range(2000):
        a.transport.send("b", Lane.BULK, b"x" * 1000)
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    await a.transport.close()

    assert loop.time() - began_s <= 1.01
    assert a.transport.stats()["connections"] == 0


@virtual
async def test_closing_twice_and_using_a_closed_transport(world: World) -> None:
    a, _ = await world.pair()
    await a.transport.close()
    await a.transport.close()

    with pytest.raises(NodeUnreachable, match="this transport is closed"):
        a.transport.send("b", Lane.BULK, 1)
    with pytest.raises(TransportError, match="is closed"):
        await a.transport.listen("127.0.0.1", 0)
    with pytest.raises(TransportError, match="is closed"):
        a.transport.add_peer("c", "c", 1)
    with pytest.raises(TransportError, match="is closed"):
        a.transport.dial("c", 1)
    assert len(a.recorder.only("down")) == 1


@virtual
async def test_both_ends_may_close_at_once(world: World) -> None:
    a, b = await world.pair()
    a.transport.send("b", Lane.BULK, 1)

    await asyncio.gather(a.transport.close(), b.transport.close())

    world.assert_nothing_is_left()


@virtual
async def test_two_calls_of_close_may_overlap(world: World) -> None:
    a, _ = await world.pair()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    await asyncio.gather(a.transport.close(), a.transport.close())

    assert loop.time() - began_s < 0.1
    assert a.transport.stats()["connections"] == 0


@virtual
async def test_one_end_may_close_right_after_the_other(world: World) -> None:
    a, b = await world.pair()

    await a.transport.close()
    await b.transport.close()

    world.assert_nothing_is_left()  # b's link was still draining a moment ago


@virtual
async def test_close_reports_a_link_that_was_draining(world: World) -> None:
    a, b = await world.pair()
    transport = a.transport._links["b"].control._transport
    assert transport is not None
    transport.write_eof()
    await asyncio.sleep(0.01)
    assert b.transport.peers() == []
    assert b.recorder.kinds() == ["up"]

    await b.transport.close()

    assert b.recorder.kinds() == ["up", "down"]


@virtual
async def test_close_in_the_middle_of_dialling_leaves_nothing(world: World) -> None:
    a, b = await world.start("a"), await world.start("b")
    a.transport.add_peer("b", *b.address)
    a.transport.dial("nobody", 9)
    for _ in range(8):
        await asyncio.sleep(0.0003)
        if a.transport.stats()["connections"]:
            break

    await a.transport.close()
    await b.transport.close()

    world.assert_nothing_is_left()


@virtual
async def test_counters_agree_at_both_ends(world: World) -> None:
    a, b = await world.pair()
    for number in range(100):
        a.transport.send("b", Lane.BULK, number)
    await asyncio.sleep(0.2)

    sent, received = a.transport.stats(), b.transport.stats()

    assert sent["items_out"] == received["items_in"] == 100
    assert (sent["frames_out"], sent["bytes_out"]) == (received["frames_in"], received["bytes_in"])
    assert (sent["links"], sent["connections"], sent["links_up"]) == (1, 2, 1)


@virtual
async def test_three_nodes_link_each_pair_once(world: World) -> None:
    nodes = [await world.start(name) for name in ("n1", "n2", "n3")]
    for node in nodes:
        for other in nodes:
            if node is not other:
                node.transport.add_peer(other.transport.identity.node, *other.address)
    await world.linked(*nodes)
    await asyncio.sleep(3.0)

    assert [node.recorder.kinds() for node in nodes] == [["up", "up"]] * 3
    assert [node.transport.stats()["connections"] for node in nodes] == [4, 4, 4]


async def test_items_travel_over_real_sockets(real_world: World) -> None:
    a, b = await real_world.pair()
    large = b"x" * 3_000_000

    for number in range(3000):
        a.transport.send("b", Lane.CONSENSUS, number)
        b.transport.send("a", Lane.BULK, (number, "back"))
    a.transport.send("b", Lane.BULK, large)
    await real_world.until(lambda: len(a.items) == 3000 and len(b.items) == 3001)

    assert [item for item in b.items if item != large] == list(range(3000))
    assert a.items == [(number, "back") for number in range(3000)]


async def test_queued_items_survive_a_close_over_real_sockets(real_world: World) -> None:
    a, b = await real_world.pair()
    for number in range(500):
        a.transport.send("b", Lane.BULK, (number, b"x" * 10_000))
        b.transport.send("a", Lane.BULK, "unread by then")
        a.transport.send("b", Lane.CONTROL, number)

    await a.transport.close()
    await real_world.until(lambda: bool(b.recorder.only("down")))

    assert len(b.items) == 1000
    assert b.recorder.only("down") == [("down", "a", 1, "the peer closed the link")]


async def test_real_connections_send_without_delay(real_world: World) -> None:
    a, b = await real_world.pair()
    for node in (a, b):
        for connection in node.transport._shared.connections:
            assert connection._transport is not None
            sock = connection._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_real_peer_that_vanishes_is_noticed_and_found_again(real_world: World) -> None:
    a, b = await real_world.pair()
    port = b.address[1]
    for connection in list(b.transport._shared.connections):
        assert connection._transport is not None
        connection._transport.abort()  # as if the process had died

    await real_world.until(lambda: a.recorder.kinds().count("up") == b.recorder.kinds().count("up") == 2)
    await b.transport.close()
    again = await real_world.start("b", port=port)
    await real_world.until(lambda: a.recorder.up.get("b") == Peer("b", 3, PeerRole.NODE) and "a" in again.recorder.up)

    assert a.recorder.kinds() == ["up", "down", "up", "down", "lost", "up"]
    assert again.recorder.kinds() == ["up"]
