from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import msgpack
import pytest

from coterie.runtime.transport import Peer, PeerRole, SharedKey, TransportConfig
from coterie.runtime.transport.connection_slots import CLAIMANTS_MAX
from coterie.runtime.transport.framing.frames import HEADER_BYTES, FrameDecoder, FrameEncoder
from coterie.runtime.transport.handshake.handshake_messages import Hello
from coterie.runtime.transport.handshake.protocol_versions import VERSION_MAX, VERSION_MIN

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual

HELLO = Hello(VERSION_MIN, VERSION_MAX, "test", Peer("raw", 5, PeerRole.NODE), 0, 7, "n1")


class Raw(asyncio.Protocol):
    """A peer that we play byte by byte."""

    def __init__(self) -> None:
        self.encoder = FrameEncoder()
        self.decoder = FrameDecoder(1_000_000)
        self.received: list[object] = []
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.decoder.feed(data)
        while (payload := self.decoder.next_payload()) is not None:
            self.received.append(msgpack.unpackb(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True

    def say(self, payload: bytes) -> None:
        self.transport.write(self.encoder.encode(payload))

    @property
    def word(self) -> object:
        """The first word of the answer."""
        first = self.received[0]
        assert isinstance(first, list)
        return first[:2] if first[0] == "coterie.refuse" else first[0]


async def connect(world: World, node: Node, *payloads: bytes) -> Raw:
    raw = Raw()
    await world.network.for_node("raw").connect(lambda: raw, *node.address)
    for payload in payloads:
        raw.say(payload)
    await asyncio.sleep(0.01)
    return raw


async def test_a_link_comes_up_with_the_first_frame_after_both_hellos(world: World) -> None:
    node = await world.start("n1")
    control = await connect(world, node, HELLO.encode())
    bulk = await connect(world, node, replace(HELLO, lane_class=1).encode())
    assert (control.word, bulk.word) == ("coterie.welcome", "coterie.welcome")
    assert node.told == []

    bulk.say(b"\x91\x05")  # even if the other connection is slower
    await asyncio.sleep(0.01)

    assert node.told == [("up", "raw", 5)]
    assert (node.items, node.recorder.lane_classes) == ([5], [1])


async def test_no_link_comes_up_once_the_transport_closes(world: World) -> None:
    node = await world.start("n1")
    control = await connect(world, node, HELLO.encode())
    await connect(world, node, replace(HELLO, lane_class=1).encode())
    loop = asyncio.get_running_loop()
    began_s = loop.time()

    control.say(b"\x91\x05")  # under way when the transport closes
    await node.transport.close()
    await asyncio.sleep(0.1)

    assert (node.told, node.items) == ([], [])
    assert loop.time() - began_s < 0.2


async def test_silence_after_connecting_is_ended_in_time(world: World) -> None:
    node = await world.start("n1")
    raw = await connect(world, node)
    await asyncio.sleep(1.9)
    assert node.transport.stats()["connections"] == 1
    await asyncio.sleep(0.2)

    assert raw.is_lost
    assert node.recorder.kinds() == ["refused"]
    assert node.transport.stats()["connections"] == 0


async def test_a_hello_that_drips_is_ended_in_time(world: World) -> None:
    node = await world.start("n1")
    raw = await connect(world, node)
    for byte in FrameEncoder().encode(HELLO.encode())[:30]:
        raw.transport.write(bytes([byte]))
        await asyncio.sleep(0.1)
    assert raw.is_lost


async def test_a_first_connection_without_its_second_is_ended_in_time(world: World) -> None:
    node = await world.start("n1")
    raw = await connect(world, node, HELLO.encode())
    await asyncio.sleep(2.1)

    assert raw.is_lost
    assert node.transport._link_listener._unpaired == {}
    assert node.transport._link_listener._handshakes == {}


async def test_a_pair_that_never_says_a_word_is_ended_in_time(world: World) -> None:
    node = await world.start("n1")
    control = await connect(world, node, HELLO.encode())
    bulk = await connect(world, node, replace(HELLO, lane_class=1).encode())
    await asyncio.sleep(2.1)

    assert control.is_lost
    assert bulk.is_lost
    assert node.recorder.only("up") == []


async def test_a_second_connection_without_its_first_is_refused(world: World) -> None:
    node = await world.start("n1")
    await connect(world, node, HELLO.encode())
    for hello in (
        replace(HELLO, lane_class=1, link_id=8),
        replace(HELLO, lane_class=1, peer=Peer("raw", 6, PeerRole.NODE)),
        replace(HELLO, lane_class=1, peer=Peer("other", 5, PeerRole.NODE)),
        HELLO,  # the first one, twice
    ):
        raw = await connect(world, node, hello.encode())
        assert raw.word == ["coterie.refuse", "bad_link"]
        assert raw.is_lost


async def test_items_before_the_link_is_made_are_not_decoded(world: World) -> None:
    node = await world.start("n1")
    raw = await connect(world, node, HELLO.encode(), b"\x91\x05")

    assert raw.is_lost
    assert node.items == []
    assert node.transport.stats()["broken_frames"] == 1


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32),  # a TLS client
        FrameEncoder().encode(b"\x91\x05"),
        FrameEncoder().encode(b"x" * 4097),
        FrameEncoder().encode(b"x" * 4097)[:HEADER_BYTES],  # the announcement is enough
    ],
)
async def test_strangers_are_dropped_at_once_and_counted(world: World, data: bytes) -> None:
    node = await world.start("n1")
    raw = await connect(world, node)
    raw.transport.write(data)
    await asyncio.sleep(0.01)

    assert raw.is_lost
    assert raw.received == ([[]] if data.startswith(b"\x16") else []), "an empty frame tells a TLS library all"
    stats = node.transport.stats()
    assert (stats["broken_frames"], stats["refused_handshakes"], stats["connections"]) == (1, 1, 0)


async def test_random_strangers_never_get_a_link_and_leave_nothing(world: World) -> None:
    node = await world.start("n1")
    rng = random.Random(13)
    sound = FrameEncoder().encode(HELLO.encode())
    for _ in range(150):
        raw = await connect(world, node)
        damaged = bytearray(sound)
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        raw.transport.write(bytes(damaged[: rng.randrange(1, len(damaged))]))
        if rng.random() < 0.5:
            raw.transport.close()
    await asyncio.sleep(2.1)

    assert node.recorder.only("up") == []
    assert node.transport.stats()["connections"] == 0
    assert node.transport._link_listener._handshakes == {}
    assert len(asyncio.all_tasks()) == 1


def hello_of(name: str, link_id: int, role: PeerRole = PeerRole.CLIENT) -> Hello:
    return replace(HELLO, peer=Peer(name, link_id, role), link_id=link_id)


async def test_clients_beyond_the_limit_are_refused_with_the_reason_until_one_has_gone(world: World) -> None:
    node = await world.start("n1", config=TransportConfig(connections_max=4))
    kept = [await connect(world, node, hello_of(f"c{at}", at).encode()) for at in (1, 2)]
    raw = await connect(world, node, hello_of("c3", 3).encode())

    assert raw.word == ["coterie.refuse", "too_many_connections"]
    assert "clients have 4 of 4 connections; see connections_max=" in str(raw.received)
    assert raw.is_lost
    assert not any(one.is_lost for one in kept)
    kept[0].transport.close()
    await asyncio.sleep(0.01)
    assert (await connect(world, node, hello_of("c3", 4).encode())).word == "coterie.welcome"
    bulk = replace(hello_of("c2", 2), lane_class=1)
    assert (await connect(world, node, bulk.encode())).word == "coterie.welcome"  # its place was taken by the first


async def test_places_of_members_are_theirs_alone(world: World) -> None:
    node = await world.start("n1", config=TransportConfig(connections_max=8, keepalive_interval_s=0.5))
    node.transport.add_peer("a", "a", 1)  # of smaller name: it dials
    node.transport.add_peer("b", "b", 1)
    await asyncio.sleep(0.6)

    clients = [await connect(world, node, hello_of(f"c{at}", at).encode()) for at in range(4)]
    member = await connect(world, node, hello_of("a", 9, PeerRole.NODE).encode())

    assert [one.word for one in clients[:2]] == ["coterie.welcome"] * 2  # 8 - 2 for each member
    assert clients[2].word == clients[3].word == ["coterie.refuse", "too_many_connections"]
    assert member.word == "coterie.welcome"


async def test_one_stranger_too_many_ends_the_oldest(world: World) -> None:
    node = await world.start("n1", config=TransportConfig(handshakes_max=3))
    strangers = [await connect(world, node) for _ in range(5)]

    assert [one.is_lost for one in strangers] == [True, True, False, False, False]
    assert strangers[0].word == ["coterie.refuse", "too_many_connections"]
    assert "has 3 strangers; see handshakes_max=: the oldest at the address with most was ended" in str(
        strangers[0].received
    )
    assert (await connect(world, node, HELLO.encode())).word == "coterie.welcome"


async def test_a_storm_of_strangers_does_not_end_the_handshake_of_a_member(world: World) -> None:
    node = await world.start("n1", config=TransportConfig(handshakes_max=3), auth=SharedKey(b"k" * 32))
    node.transport.add_peer("a", "a", 1)
    member = await connect(world, node, replace(hello_of("a", 9, PeerRole.NODE), nonce=bytes(32)).encode())
    assert member.word == "coterie.challenge"

    for _ in range(20):
        await connect(world, node)
    assert not member.is_lost


async def test_unfinished_handshakes_in_the_name_of_a_member_are_bounded(world: World) -> None:
    node = await world.start("n1", auth=SharedKey(b"k" * 32))
    node.transport.add_peer("a", "a", 1)
    liars = [
        await connect(world, node, replace(hello_of("a", at, PeerRole.NODE), nonce=bytes(32)).encode())
        for at in range(CLAIMANTS_MAX + 2)
    ]
    assert [one.is_lost for one in liars] == [True, True] + [False] * CLAIMANTS_MAX


async def test_a_newer_version_hears_which_versions_are_spoken(world: World) -> None:
    node = await world.start("n1")
    raw = await connect(world, node, replace(HELLO, version_min=8, version_max=9).encode())

    assert raw.word == ["coterie.refuse", "unsupported_version"]
    assert "speaks 8 … 9" in str(raw.received)
    assert node.recorder.kinds() == ["refused"]
