"""Items larger than a frame's soft size, between two transports."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from coterie.errors import FrameTooLarge, OutboundFull
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import TransportConfig

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

virtual = pytest.mark.virtual

LARGE = b"x" * 300_000
CONFIG = TransportConfig(
    frame_cap_bytes=8192,
    frame_soft_bytes=4000,
    message_cap_bytes=1_000_000,
    outbound_limit_bytes=100_000,
    write_buffer_bytes=20_000,
)


def held_bytes(node: Node) -> int:
    """What waits in the socket's buffers."""
    transports = [connection._transport for connection in node.transport._shared.connections]
    return max(transport.get_write_buffer_size() for transport in transports if transport is not None)


@virtual
@pytest.mark.parametrize("lane", list(Lane))
async def test_a_large_item_arrives_in_the_order_of_its_lane(world: World, lane: Lane) -> None:
    a, b = await world.pair(CONFIG)
    items: list[object] = ["before", LARGE, "between", b"y" * 4001, "after"]

    for item in items:
        a.transport.send("b", lane, item)
    await world.until(lambda: len(b.items) == 5)
    a.transport.send("b", lane, "later")
    await world.until(lambda: len(b.items) == 6)

    assert b.items == [*items, "later"]
    assert a.transport.stats()["items_out"] == b.transport.stats()["items_in"] == 6
    assert a.transport.stats()["queued_bytes"] == 0
    assert a.transport._links["b"].queue_by_lane[lane] in (
        a.transport._links["b"].control,
        a.transport._links["b"].bulk,
    )


@virtual
async def test_control_does_not_wait_for_a_large_item_of_consensus(world: World) -> None:
    world.network = VirtualNetwork(window_bytes=10_000, latency_s=0.01)  # a network that takes 1 MB/s
    a, b = await world.pair(CONFIG)
    loop = asyncio.get_running_loop()
    a.transport.send("b", Lane.CONSENSUS, LARGE)
    await asyncio.sleep(0.05)

    began_s = loop.time()
    a.transport.send("b", Lane.CONTROL, "heartbeat")
    await world.until(lambda: b.items == ["heartbeat"])
    delay_s = loop.time() - began_s
    a.transport.send("b", Lane.CONSENSUS, "behind it")
    await world.until(lambda: len(b.items) == 3)

    assert delay_s < 0.1  # what the socket holds already, and no more
    assert loop.time() - began_s > 0.2
    assert b.items == ["heartbeat", LARGE, "behind it"]


@virtual
async def test_two_lanes_with_large_items_take_turns(world: World) -> None:
    world.network = VirtualNetwork(window_bytes=10_000, latency_s=0.01)
    a, b = await world.pair(CONFIG)

    a.transport.send("b", Lane.CONSENSUS, LARGE)
    a.transport.send("b", Lane.CONTROL, b"y" * 50_000)
    await world.until(lambda: len(b.items) == 2)

    assert b.items == [b"y" * 50_000, LARGE]


@virtual
async def test_chunks_leave_only_as_the_socket_takes_them(world: World) -> None:
    a, b = await world.pair(CONFIG)
    for connection in b.transport._shared.connections:
        assert connection._transport is not None
        connection._transport.pause_reading()

    a.transport.send("b", Lane.BULK, b"x" * 900_000)
    for _ in range(100):
        await asyncio.sleep(0.001)
        assert held_bytes(a) <= CONFIG.write_buffer_bytes + CONFIG.frame_cap_bytes


@virtual
async def test_what_waits_behind_a_large_item_is_bounded_and_other_lanes_are_free(world: World) -> None:
    a, b = await world.pair(CONFIG)
    world.network.freeze("b")
    a.transport.send("b", Lane.CONSENSUS, LARGE)

    for _ in range(97):
        a.transport.send("b", Lane.CONSENSUS, b"y" * 1021)
    with pytest.raises(OutboundFull) as caught:
        a.transport.send("b", Lane.CONSENSUS, b"y" * 1021)
    a.transport.send("b", Lane.CONTROL, "heartbeat")
    a.transport.send("b", Lane.BULK, "bulk")
    world.network.thaw("b")
    await world.until(lambda: len(b.items) == 100)

    assert (caught.value.pending_bytes, caught.value.limit_bytes) == (97 * 1024, CONFIG.outbound_limit_bytes)
    assert {"heartbeat", "bulk", LARGE} <= set(b.items)


@virtual
async def test_the_cap_is_the_limit_and_what_exceeds_it_leaves_everything_as_it_was(world: World) -> None:
    a, b = await world.pair(CONFIG)
    with pytest.raises(FrameTooLarge, match="message_cap_bytes="):
        a.transport.send("b", Lane.BULK, b"x" * 1_000_000)
    a.transport.send("b", Lane.BULK, b"x" * (1_000_000 - 5))
    await world.until(lambda: len(b.items) == 1)
    assert a.recorder.kinds() == ["up"]


@virtual
async def test_an_item_beyond_the_receivers_cap_costs_the_link_at_its_first_chunk(world: World) -> None:
    small = TransportConfig(frame_cap_bytes=8192, frame_soft_bytes=4000, message_cap_bytes=8192)
    a, b = await world.start("a", config=CONFIG), await world.start("b", config=small)
    a.transport.add_peer("b", *b.address)
    b.transport.add_peer("a", *a.address)
    await world.linked(a, b)

    a.transport.send("b", Lane.BULK, LARGE)
    await world.until(lambda: bool(b.recorder.only("down")))

    assert "an item of 300005 bytes is announced, the cap is 8192; see message_cap_bytes=" in str(
        b.recorder.only("down")[0][3]
    )
    assert b.items == []


@virtual
async def test_close_lets_a_large_item_leave_first(world: World) -> None:
    a, b = await world.pair(CONFIG)
    a.transport.send("b", Lane.BULK, LARGE)
    a.transport.send("b", Lane.BULK, "behind it")

    await a.transport.close()
    await asyncio.sleep(1.0)

    assert b.items == [LARGE, "behind it"]


@virtual
async def test_half_an_item_is_forgotten_with_its_link(world: World) -> None:
    world.network = VirtualNetwork(window_bytes=10_000, latency_s=0.01)
    a, b = await world.pair(CONFIG)
    a.transport.send("b", Lane.BULK, LARGE)
    await asyncio.sleep(0.1)
    link = b.transport._links["a"]
    assert link._assemblers[1].held_bytes > 0

    world.network.reset("a", "b")
    await world.until(lambda: a.recorder.kinds().count("up") == b.recorder.kinds().count("up") == 2)
    a.transport.send("b", Lane.BULK, "new")
    await world.until(lambda: bool(b.items))

    assert b.items == ["new"]
    assert b.transport._links["a"]._assemblers[1].held_bytes == 0
    assert a.transport.stats()["items_dropped"] == 1


@virtual
async def test_an_item_that_does_not_decode_breaks_the_link(world: World) -> None:
    a, b = await world.pair(CONFIG)
    a.transport._links["b"].bulk.send_payload(b"\xc1\x02\x00\x00\x00\x00\xc1")
    await world.until(lambda: bool(b.recorder.only("down")))
    assert "does not decode" in str(b.recorder.only("down")[0][3])


async def test_large_items_cross_real_sockets_both_ways_beside_small_ones(real_world: World) -> None:
    a, b = await real_world.pair()
    large = [bytes([at]) * 7_000_000 for at in range(3)]
    for at, item in enumerate(large):
        a.transport.send("b", Lane.CONSENSUS, item)
        b.transport.send("a", Lane.BULK, item)
        a.transport.send("b", Lane.CONTROL, at)
    await real_world.until(lambda: len(a.items) == 3 and len(b.items) == 6)

    assert a.items == large
    assert [item for item in b.items if isinstance(item, bytes)] == large
    assert [item for item in b.items if isinstance(item, int)] == [0, 1, 2]


async def test_a_real_socket_is_never_handed_a_whole_large_item(real_world: World) -> None:
    a, b = await real_world.pair()
    for connection in b.transport._shared.connections:
        assert connection._transport is not None
        connection._transport.pause_reading()

    a.transport.send("b", Lane.BULK, b"x" * 60_000_000)
    highest = 0
    for _ in range(200):
        await asyncio.sleep(0)
        highest = max(highest, held_bytes(a))

    assert 0 < highest <= 256 * 1024 + 64 * 1024 + 100
    for connection in b.transport._shared.connections:
        assert connection._transport is not None
        connection._transport.resume_reading()
    await real_world.until(lambda: len(b.items) == 1)


@virtual
async def test_a_peer_that_does_not_read_for_long_is_dropped(world: World) -> None:
    a, b = await world.pair(CONFIG)
    for connection in b.transport._shared.connections:
        assert connection._transport is not None
        connection._transport.pause_reading()
        connection.has_received = True
    a.transport.send("b", Lane.BULK, LARGE)

    def hear_us() -> None:  # b goes on sending, and does not notice that it is deaf
        for connection in b.transport._shared.connections:
            connection.has_received = True

    for _ in range(150):
        hear_us()
        await asyncio.sleep(0.1)
        if a.recorder.only("down"):
            break

    assert "it has not read for 10" in str(a.recorder.only("down")[0][3])
