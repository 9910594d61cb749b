from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from coterie.errors import NodeUnreachable
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.framing.items import EMPTY
from coterie.runtime.transport.link import LinkState

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual


def connection_of(node: Node, peer: str, lane_class: int) -> Connection:
    link = node.transport._links[peer]
    return link.bulk if lane_class else link.control


def inject(node: Node, peer: str, lane_class: int, data: bytes) -> None:
    """Write `data` beside the frames."""
    transport = connection_of(node, peer, lane_class)._transport
    assert transport is not None
    transport.write(data)


async def test_an_idle_link_stays_up(world: World) -> None:
    a, b = await world.pair()
    await asyncio.sleep(3600.0)
    assert (a.recorder.kinds(), b.recorder.kinds()) == (["up"], ["up"])


async def test_keep_alives_are_only_sent_where_nothing_else_was(world: World) -> None:
    a, _ = await world.pair()
    await asyncio.sleep(0.7)
    before = a.transport.stats()["frames_out"]

    for _ in range(100):
        a.transport.send("b", Lane.CONTROL, 1)
        await asyncio.sleep(0.1)

    # 100 frames of ours; on the silent connection one keep-alive each half second.
    assert a.transport.stats()["frames_out"] - before == 100 + 20


@pytest.mark.parametrize("lane", [Lane.CONTROL, Lane.BULK])
async def test_a_reset_of_either_connection_ends_both_and_is_told_once(world: World, lane: Lane) -> None:
    a, b = await world.pair()
    connection = connection_of(a, "b", 1 if lane is Lane.BULK else 0)
    assert connection._transport is not None

    connection._transport.abort()
    await asyncio.sleep(0.01)

    assert a.recorder.kinds() == b.recorder.kinds() == ["up", "down"]
    assert (a.transport.stats()["connections"], b.transport.stats()["connections"]) == (0, 0)


async def test_a_stopped_peer_is_silent_and_its_link_goes_down_in_time(world: World) -> None:
    a, _ = await world.pair()
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    world.network.freeze("b")  # as SIGSTOP: TCP stays up
    await world.until(lambda: "down" in a.recorder.kinds())

    assert 3.0 <= loop.time() - began_s <= 4.0
    assert str(a.recorder.only("down")[0][3]).startswith("silent for 3")


async def test_one_silent_direction_is_enough(world: World) -> None:
    a, b = await world.pair()
    world.network.block("b", "a")
    await asyncio.sleep(4.1)
    assert a.recorder.kinds()[:2] == ["up", "down"]
    world.network.heal()
    await asyncio.sleep(0.1)
    assert b.recorder.kinds()[:2] == ["up", "down"]


@pytest.mark.parametrize("lane_class", [0, 1])
async def test_silence_of_one_connection_alone_is_noticed(world: World, lane_class: int) -> None:
    a, b = await world.pair()
    connection_of(b, "a", lane_class)._is_writing_paused = True  # neither items nor keep-alives leave

    await asyncio.sleep(4.1)

    assert a.recorder.kinds()[:2] == ["up", "down"]


async def test_any_byte_counts_as_a_sign_of_life(world: World) -> None:
    a, b = await world.pair()
    connection_of(b, "a", 0)._is_writing_paused = True
    frame = FrameEncoder()
    frame._sequence = connection_of(b, "a", 0)._encoder._sequence
    data = frame.encode(EMPTY)

    for at in range(4):
        await asyncio.sleep(2.0)
        inject(b, "a", 0, data[at : at + 1])

    assert a.recorder.kinds() == ["up"]


async def test_a_frame_that_comes_byte_by_byte_is_given_up_in_time(world: World) -> None:
    a, b = await world.pair()
    connection_of(b, "a", 0)._is_writing_paused = True
    frame = FrameEncoder()
    frame._sequence = connection_of(b, "a", 0)._encoder._sequence
    data = frame.encode(b"\x91\xc4\xff" + bytes(255))

    for at in range(200):
        if a.recorder.only("down"):
            break
        inject(b, "a", 0, data[at : at + 1])
        await asyncio.sleep(0.15)

    assert a.recorder.kinds()[:2] == ["up", "down"]
    assert str(a.recorder.only("down")[0][3]).startswith("one frame has been arriving for 10")


async def test_frames_that_follow_each_other_closely_are_no_trickle(world: World) -> None:
    a, b = await world.pair()
    connection_of(b, "a", 0)._is_writing_paused = True
    frame = FrameEncoder()
    frame._sequence = connection_of(b, "a", 0)._encoder._sequence
    data = b"".join(frame.encode(EMPTY) for _ in range(40))

    for at in range(0, len(data), 13):  # the end of one and the beginning of the next, never between two
        inject(b, "a", 0, data[at : at + 13])
        await asyncio.sleep(0.5)

    assert a.recorder.kinds() == ["up"]


async def test_a_stall_of_our_own_loop_accuses_nobody(world: World) -> None:
    a, b = await world.pair()
    loop = asyncio.get_running_loop()

    # Time jumps by a minute while nothing runs here; what b sent meanwhile is unread when our timers fire.
    loop.clock.advance_to(loop.time() + 60.0)  # type: ignore[attr-defined]
    await asyncio.sleep(5.0)

    assert (a.recorder.kinds(), b.recorder.kinds()) == (["up"], ["up"])


async def test_repeated_stalls_accuse_nobody(world: World) -> None:
    a, b = await world.pair()
    loop = asyncio.get_running_loop()
    for _ in range(50):
        loop.clock.advance_to(loop.time() + 10.0)  # type: ignore[attr-defined]
        await asyncio.sleep(0.002)
    assert (a.recorder.kinds(), b.recorder.kinds()) == (["up"], ["up"])


async def test_a_damaged_frame_ends_the_link_and_is_counted(world: World) -> None:
    a, b = await world.pair()
    frame = bytearray(FrameEncoder().encode(b"\x91\x01"))
    frame[-1] ^= 1

    inject(a, "b", 1, bytes(frame))
    await asyncio.sleep(0.01)

    assert b.items == []
    assert b.transport.stats()["broken_frames"] == 1
    assert str(b.recorder.only("down")[0][3]).startswith("broken frame: ")
    await world.until(lambda: a.recorder.kinds() == ["up", "down", "up"])  # and it comes back


async def test_what_came_before_the_damage_is_delivered(world: World) -> None:
    a, b = await world.pair()
    encoder = connection_of(a, "b", 1)._encoder

    inject(a, "b", 1, encoder.encode(b"\x91\x01") + encoder.encode(b"\x91\xc1"))
    await asyncio.sleep(0.01)

    assert b.items == [1]
    assert "does not decode" in str(b.recorder.only("down")[0][3])


async def test_a_frame_beyond_the_cap_ends_the_link_before_it_is_buffered(world: World) -> None:
    a, b = await world.pair()

    inject(a, "b", 1, (4 * 1024 * 1024 + 1).to_bytes(4, "big") + bytes(8))
    await asyncio.sleep(0.01)

    assert "4194305 bytes is announced" in str(b.recorder.only("down")[0][3])


async def test_no_item_is_delivered_twice_or_out_of_order_through_resets(world: World) -> None:
    a, b = await world.pair()
    sent = 0
    for round_number in range(40):
        for _ in range(50):
            try:
                a.transport.send("b", Lane.BULK, sent)
                sent += 1
            except NodeUnreachable:
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.0004 * (round_number % 4))
        if round_number % 3 == 0:
            world.network.reset("a", "b")
    await asyncio.sleep(2.0)

    received = [item for item in b.items if isinstance(item, int)]
    assert received == sorted(set(received))
    assert 0 < len(received) < sent
    assert b.recorder.kinds().count("down") > 5


async def test_when_one_connection_ends_the_other_is_still_read(world: World) -> None:
    a, b = await world.pair()
    control = connection_of(a, "b", 0)._transport
    assert control is not None

    control.write_eof()
    await asyncio.sleep(0.1)  # b has seen the end of one, not of the other
    with pytest.raises(NodeUnreachable, match="its link is closing"):
        b.transport.send("a", Lane.BULK, "too late")
    a.transport.send("b", Lane.BULK, "still under way")
    await asyncio.sleep(0.01)

    assert b.items == ["still under way"]
    assert b.recorder.kinds() == ["up"]


async def test_a_link_does_not_drain_for_ever(world: World) -> None:
    a, b = await world.pair()
    control = connection_of(a, "b", 0)._transport
    assert control is not None

    control.write_eof()
    await asyncio.sleep(0.3)

    assert b.recorder.kinds()[:2] == ["up", "down"]


async def test_items_queued_when_the_link_breaks_are_counted_as_dropped(world: World) -> None:
    a, _ = await world.pair()
    a.transport.send("b", Lane.BULK, "never leaves")
    link = a.transport._links["b"]

    link.down("for a test")

    assert link.state is LinkState.DOWN
    assert a.transport.stats()["items_dropped"] == 1
    assert a.transport.stats()["queued_bytes"] == 0
