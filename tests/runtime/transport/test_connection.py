from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from coterie.errors import OutboundFull
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport import TransportConfig
from coterie.runtime.transport.connection import EARLY_BYTES, EARLY_ITEMS

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

virtual = pytest.mark.virtual

LIMIT_BYTES = 100_000
CONFIG = TransportConfig(
    frame_cap_bytes=20_000, frame_soft_bytes=15_000, outbound_limit_bytes=LIMIT_BYTES, write_buffer_bytes=30_000
)


def stop_reading(node: Node) -> None:
    for connection in node.transport._shared.connections:
        assert connection._transport is not None
        connection._transport.pause_reading()


def go_on_reading(node: Node) -> None:
    for connection in node.transport._shared.connections:
        assert connection._transport is not None
        connection._transport.resume_reading()


def fill(node: Node) -> tuple[int, OutboundFull]:
    """Send until it is refused, within this tick; return how many items were taken, and the refusal."""
    for taken in range(10_000):
        try:
            node.transport.send("b", Lane.BULK, b"x" * 1000)
        except OutboundFull as error:
            return taken, error
    raise AssertionError("nothing was ever refused")


def pending_bytes(node: Node) -> int:
    """What waits in the queue and in the socket's buffer, for the fuller connection."""
    pending = []
    for connection in node.transport._shared.connections:
        assert connection._transport is not None
        pending.append(connection.queued_bytes + connection._transport.get_write_buffer_size())
    return max(pending)


@virtual
async def test_a_peer_that_never_reads_fills_the_outbound_buffer_and_no_more(world: World) -> None:
    a, b = await world.pair(CONFIG)
    stop_reading(b)
    refused = 0

    for number in range(1000):
        try:
            a.transport.send("b", Lane.BULK, (number, b"x" * 1000))
        except OutboundFull:
            refused += 1
        await asyncio.sleep(0.001)
        # Headers of frames come on top of the items.
        assert pending_bytes(a) <= LIMIT_BYTES * 1.02

    assert refused > 700
    assert a.transport.stats()["items_refused"] == refused


@virtual
async def test_one_tick_cannot_queue_more_than_the_limit(world: World) -> None:
    a, _ = await world.pair(CONFIG)

    taken, error = fill(a)

    assert taken >= LIMIT_BYTES // 1003  # some has left meanwhile
    assert (error.node, error.size_bytes, error.limit_bytes) == ("b", 1003, LIMIT_BYTES)
    assert LIMIT_BYTES - 1003 < error.pending_bytes == pending_bytes(a) <= LIMIT_BYTES
    assert "outbound buffer to node 'b' is full" in str(error)


@virtual
async def test_a_full_bulk_connection_leaves_control_alone(world: World) -> None:
    a, b = await world.pair(CONFIG)
    stop_reading(b)
    fill(a)

    a.transport.send("b", Lane.CONTROL, "heartbeat")
    a.transport.send("b", Lane.CONSENSUS, "vote")


@virtual
async def test_when_the_peer_reads_again_everything_accepted_arrives_in_order(world: World) -> None:
    a, b = await world.pair(CONFIG)
    stop_reading(b)
    accepted = []
    for number in range(400):
        try:
            a.transport.send("b", Lane.BULK, (number, b"x" * 1000))
            accepted.append(number)
        except OutboundFull:
            pass
        await asyncio.sleep(0.001)
    go_on_reading(b)
    await asyncio.sleep(1.0)
    a.transport.send("b", Lane.BULK, (-1, b""))
    await asyncio.sleep(0.1)

    assert 50 < len(accepted) < 400
    assert [item[0] for item in b.items if isinstance(item, tuple)] == [*accepted, -1]
    assert a.transport.stats()["queued_bytes"] == 0


@virtual
async def test_room_is_measured_again_before_an_item_is_refused(world: World) -> None:
    a, _ = await world.pair(CONFIG)
    for _ in range(80):  # more than the network takes at once, less than what makes the socket's buffer pause us
        a.transport.send("b", Lane.BULK, b"x" * 1000)
    await asyncio.sleep(0.1)  # all of it has gone, and nobody told us

    taken, _ = fill(a)

    assert taken >= LIMIT_BYTES // 1003


@virtual
async def test_what_a_tick_queues_begins_to_leave_before_the_tick_is_over(world: World) -> None:
    a, b = await world.pair()
    before = a.transport.stats()

    for number in range(40):
        a.transport.send("b", Lane.BULK, (number, b"x" * 20))
    now = a.transport.stats()

    assert now["frames_out"] == before["frames_out"] + 1
    assert EARLY_BYTES - 40 < now["bytes_out"] - before["bytes_out"] < EARLY_BYTES + 40
    assert 0 < now["queued_bytes"] < 40 * 24
    await asyncio.sleep(0.01)
    assert [item[0] for item in b.items if isinstance(item, tuple)] == list(range(40))


@virtual
async def test_every_tick_writes_early_again_but_ever_more_seldom_within_it(world: World) -> None:
    a, b = await world.pair()
    frames = []

    for _ in range(3):
        before = a.transport.stats()["frames_out"]
        for _ in range(1000):
            a.transport.send("b", Lane.BULK, b"x" * 30)
        frames.append(a.transport.stats()["frames_out"] - before)
        await asyncio.sleep(0.01)

    assert frames == [4, 4, 4]  # after 256 bytes, 1, 4 and 16 KiB
    assert len(b.items) == 3000


@virtual
async def test_few_large_items_wait_for_the_end_of_the_tick(world: World) -> None:
    a, b = await world.pair()
    before = a.transport.stats()["frames_out"]

    for _ in range(EARLY_ITEMS):
        a.transport.send("b", Lane.BULK, b"x" * 1000)

    assert a.transport.stats()["frames_out"] == before
    await asyncio.sleep(0.01)
    assert a.transport.stats()["frames_out"] == before + 1
    assert len(b.items) == EARLY_ITEMS


@virtual
async def test_nothing_leaves_early_through_a_socket_whose_buffer_is_full(world: World) -> None:
    a, b = await world.pair(CONFIG)
    stop_reading(b)
    for _ in range(130):
        a.transport.send("b", Lane.BULK, b"x" * 1000)
        await asyncio.sleep(0.001)
    before = a.transport.stats()["bytes_out"]

    for _ in range(40):
        a.transport.send("b", Lane.BULK, b"x" * 30)

    assert a.transport.stats()["bytes_out"] == before


@virtual
async def test_nothing_more_is_handed_to_a_socket_whose_buffer_is_full(world: World) -> None:
    a, b = await world.pair(CONFIG)
    stop_reading(b)

    for _ in range(130):
        a.transport.send("b", Lane.BULK, b"x" * 1000)
        await asyncio.sleep(0.001)

    sockets = [connection._transport for connection in a.transport._shared.connections]
    assert 30_000 < max(sock.get_write_buffer_size() for sock in sockets if sock) < 32_000
    assert a.transport.stats()["queued_bytes"] > 30_000


@virtual
async def test_keep_alives_do_not_pile_up_behind_a_full_buffer(world: World) -> None:
    a, b = await world.pair(CONFIG)
    stop_reading(b)
    fill(a)
    await asyncio.sleep(0.6)
    before = pending_bytes(a)

    await asyncio.sleep(2.0)

    assert pending_bytes(a) == before


async def test_memory_is_bounded_over_real_sockets_too(real_world: World) -> None:
    a, b = await real_world.pair(CONFIG)
    stop_reading(b)
    refused = accepted = 0

    while refused < 1000:
        try:
            a.transport.send("b", Lane.BULK, (accepted, b"x" * 10_000))
            accepted += 1
        except OutboundFull:
            refused += 1
        await asyncio.sleep(0)
        assert pending_bytes(a) <= LIMIT_BYTES * 1.02
    go_on_reading(b)
    await real_world.until(lambda: len(b.items) == accepted)

    assert [item[0] for item in b.items if isinstance(item, tuple)] == list(range(accepted))
