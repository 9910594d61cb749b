"""The parts of items, at both ends: what the sender lets pass, the receiver decodes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from coterie.errors import FrameTooLarge, TooManyParts
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.unpacking import COUNTED_BYTES, parts_max
from coterie.runtime.transport import PeerRole, TransportConfig
from coterie.runtime.transport.framing.items import split_items

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual

SIZE = 300_000
COARSE = TransportConfig(frame_soft_bytes=1024 * 1024)
CONFIGS = [TransportConfig(), TransportConfig(version_max=2), COARSE]
"""In chunks; in one frame of an older version; in one frame of the newest."""


def dense(parts: int) -> tuple[object, ...]:
    """Return an item of `SIZE` bytes with so many parts, two arrays among them."""
    arrays: tuple[object, ...] = ((),) * (parts - 2)
    return (arrays, b"x" * (SIZE - 1 - 5 - len(arrays) - 5))


@pytest.mark.parametrize("config", CONFIGS, ids=["chunks", "version 2", "one frame"])
async def test_the_densest_item_arrives_and_a_denser_one_is_refused_where_it_is_sent(
    world: World, config: TransportConfig
) -> None:
    a, b = await world.pair(config)

    a.transport.send("b", Lane.BULK, dense(parts_max(SIZE)))
    with pytest.raises(TooManyParts, match=rf"'b' of {SIZE} bytes has more than {parts_max(SIZE)} parts") as caught:
        a.transport.send("b", Lane.BULK, dense(parts_max(SIZE) + 1))
    a.transport.send("b", Lane.BULK, "after")
    await world.until(lambda: len(b.items) == 2)

    assert b.items == [dense(parts_max(SIZE)), "after"]
    assert isinstance(caught.value, FrameTooLarge)
    assert a.recorder.kinds() == ["up"]


@pytest.mark.parametrize("config", CONFIGS, ids=["chunks", "version 2", "one frame"])
async def test_many_dense_items_of_one_tick_arrive(world: World, config: TransportConfig) -> None:
    a, b = await world.pair(config)
    items: list[object] = [((),) * 30_000, *(((),) * 900 for _ in range(600)), ((),) * 60_000]

    for item in items:
        a.transport.send("b", Lane.BULK, item)
    await world.until(lambda: len(b.items) == len(items))

    assert b.items == items
    assert a.recorder.kinds() == ["up"]


def test_no_frame_of_several_items_is_so_long_that_its_parts_are_counted() -> None:
    packed = [bytes(1000)] * 500 + [bytes(COUNTED_BYTES + 1), b"\x01", bytes(COUNTED_BYTES - 1), b"\x01", b"\x01"]

    split = list(split_items(packed, 10**6))

    assert all(len(batch) == 1 or sum(map(len, batch)) <= COUNTED_BYTES for batch in split)
    assert [item for batch in split for item in batch] == packed


async def test_a_peer_that_sends_more_parts_than_it_may_loses_its_link(world: World) -> None:
    a, b = await world.pair()
    a.transport._links["b"].bulk.send_payload(b"\x91\xdd\x00\x03\x00\x00" + b"\x80" * 0x30000)
    await world.until(lambda: bool(b.recorder.only("down")))

    assert "more than" in str(b.recorder.only("down")[0][3])
    assert b.items == []


# --- what a client may send -----------------------------------------------------------------------------------------


async def linked_client(world: World, config: TransportConfig | None = None) -> tuple[Node, Node]:
    node = await world.start("a", config=config)
    client = world.make("client", role=PeerRole.CLIENT, config=config)
    client.transport.dial(*node.address)
    await world.linked(node, client)
    return node, client


@pytest.mark.parametrize(("version", "limit"), [(3, 20_000), (2, 20_000 - 5)])
async def test_a_client_refuses_what_its_node_would_not_take(world: World, version: int, limit: int) -> None:
    config = TransportConfig(client_frame_cap_bytes=20_000, version_max=version)
    node, client = await linked_client(world, config)

    client.transport.send("a", Lane.BULK, b"x" * (limit - 3))
    with pytest.raises(FrameTooLarge, match=rf"{limit + 1} bytes, the limit is {limit}.*client_frame_cap_bytes="):
        client.transport.send("a", Lane.BULK, b"x" * (limit - 2))
    node.transport.send("client", Lane.BULK, b"y" * 100_000)
    await world.until(lambda: bool(node.items and client.items))

    assert node.items == [b"x" * (limit - 3)]
    assert client.items == [b"y" * 100_000]
    assert node.recorder.kinds() == ["up"]


async def test_the_items_of_a_client_in_one_tick_fit_whatever_its_frames_are(world: World) -> None:
    config = TransportConfig(client_frame_cap_bytes=5000, frame_soft_bytes=1024 * 1024)
    node, client = await linked_client(world, config)
    items = [bytes(size) for size in (10, 4000, 900, 3000, 4990, 4995, 7, 4000, 4000, 4990)]

    for item in items:
        client.transport.send("a", Lane.BULK, item)
    await world.until(lambda: len(node.items) == len(items))

    assert node.items == items


async def test_a_frame_longer_than_a_client_may_send_ends_its_link_at_its_header(world: World) -> None:
    node, client = await linked_client(world)
    cap = TransportConfig().client_cap_bytes

    client.transport._links["a"].bulk._write((cap + 1).to_bytes(4, "big") + bytes(8), frames=1)
    await world.until(lambda: bool(node.recorder.only("down")))

    assert f"a frame of {cap + 1} bytes is announced, the cap is {cap}; see client_frame_cap_bytes=" in str(
        node.recorder.only("down")[0][3]
    )


async def test_a_chunk_is_no_longer_than_the_longest_frame(world: World) -> None:
    a, b = await world.pair(TransportConfig(frame_cap_bytes=4096, frame_soft_bytes=4091))

    a.transport.send("b", Lane.BULK, b"x" * 10_000)
    await world.until(lambda: len(b.items) == 1)

    assert a.recorder.kinds() == ["up"]


async def test_a_node_may_send_longer_frames_than_a_client(world: World) -> None:
    a, b = await world.pair(TransportConfig(version_max=2))

    a.transport.send("b", Lane.BULK, b"x" * 3_000_000)
    await asyncio.sleep(1)

    assert b.items == [b"x" * 3_000_000]
