"""Frames of clients share a time in each turn of the loop: nodes are heard meanwhile, and every client in its turn."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from typing import Any

import pytest

from coterie.runtime.transport.client_reads import CLIENTS_TURN_S
from coterie.runtime.transport.connection import READ_SLICE_S, Connection
from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.handshake.identity import PeerRole, SystemIdentity
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_state import TransportState

pytestmark = pytest.mark.virtual

FRAME_S = 0.6 * READ_SLICE_S


class Transport(asyncio.Transport):
    """A transport that only notes whether it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def abort(self) -> None: ...

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class Node:
    """One transport's connections; each frame takes `FRAME_S` of its time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.heard: list[str] = []
        self.on_frame: Callable[[str], None] = lambda peer: None
        self.names: dict[Connection, str] = {}
        self.transports: dict[str, Transport] = {}
        self.shared = TransportState(
            asyncio.get_running_loop(),
            lambda: self.now_s,
            SystemIdentity("c", "n", 1),
            TransportConfig(),
            random.Random(1),
        )

    def connect(self, name: str, role: PeerRole) -> Connection:
        connection = Connection(self, self.shared)
        self.names[connection] = name
        self.transports[name] = Transport()
        connection.connection_made(self.transports[name])
        connection.begin_items(None, role)
        return connection

    def connection_opened(self, connection: Connection) -> None: ...

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        self.now_s += FRAME_S
        self.heard.append(self.names[connection])
        self.on_frame(self.names[connection])

    def connection_ended(self, connection: Connection) -> None: ...

    def connection_lost(self, connection: Connection, reason: str) -> None: ...

    async def turn(self) -> list[str]:
        """Let one turn of the loop pass; return who was heard in it."""
        begun = len(self.heard)
        await asyncio.sleep(0)
        return self.heard[begun:]


def frames(count: int) -> bytes:
    encoder: Any = FrameEncoder()
    return b"".join(encoder.encode(b"%d" % number) for number in range(count))


async def test_many_clients_take_no_more_of_a_turn_than_their_share_and_a_node_waits_for_none() -> None:
    node = Node()
    clients = [node.connect(f"c{at}", PeerRole.CLIENT) for at in range(50)]
    peer = node.connect("peer", PeerRole.NODE)

    for client in clients:  # the loop finds all of their sockets in one turn
        client.data_received(frames(4))
    peer.data_received(frames(1))

    assert node.heard[-1] == "peer"
    assert node.now_s <= CLIENTS_TURN_S + READ_SLICE_S + 2 * FRAME_S
    turns = 0
    while len(node.heard) < 50 * 4 + 1:
        begun_s = node.now_s
        assert await node.turn()
        assert node.now_s - begun_s <= CLIENTS_TURN_S + READ_SLICE_S + FRAME_S
        turns += 1
    assert turns > 10
    assert all(node.heard.count(f"c{at}") == 4 for at in range(50))
    await node.turn()
    assert all(transport.reads for transport in node.transports.values())


async def test_every_client_is_heard_before_one_is_heard_again() -> None:
    """A client that always has more goes to the end of the line."""
    node = Node()
    clients = [node.connect(f"c{at}", PeerRole.CLIENT) for at in range(30)]
    for client in clients:
        client.data_received(frames(100))
    while len(node.heard) < 30 * 3 * 2:
        await node.turn()

    counts = [node.heard.count(f"c{at}") for at in range(30)]
    assert max(counts) - min(counts) <= 2  # the frames of one slice


async def test_a_client_alone_is_heard_at_once_and_pays_for_no_line() -> None:
    node = Node()
    client = node.connect("c", PeerRole.CLIENT)

    client.data_received(frames(2))

    assert node.heard == ["c", "c"]
    assert node.transports["c"].reads


async def test_a_client_that_waits_is_not_read_and_may_be_closed_in_line() -> None:
    node = Node()
    clients = [node.connect(f"c{at}", PeerRole.CLIENT) for at in range(20)]
    for client in clients:
        client.data_received(frames(2))
    assert not node.transports["c19"].reads

    clients[19].abort()
    while len(node.heard) < 19 * 2:
        await node.turn()
    await node.turn()

    assert "c19" not in node.heard


async def test_an_exception_in_a_handler_does_not_leave_the_others_in_line() -> None:
    node = Node()
    errors: list[BaseException | None] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context.get("exception")))
    clients = [node.connect(f"c{at}", PeerRole.CLIENT) for at in range(20)]

    def fail(peer: str) -> None:
        if peer in {"c0", "c15"}:
            raise RuntimeError(peer)

    node.on_frame = fail
    for client in clients:
        with contextlib.suppress(RuntimeError):
            client.data_received(frames(1))
    for _ in range(20):
        await node.turn()

    assert sorted(set(node.heard)) == sorted(f"c{at}" for at in range(20))
    assert [str(error) for error in errors] == ["c15"]


async def test_the_last_frames_of_a_client_that_has_ended_are_heard_within_a_bound() -> None:
    """TLS reports the end with the last bytes, though the connection waits in line."""
    node = Node()
    clients = [node.connect(f"c{at}", PeerRole.CLIENT) for at in range(20)]
    for client in clients:
        client.data_received(frames(3))

    clients[19].eof_received()

    assert node.heard.count("c19") == 3
