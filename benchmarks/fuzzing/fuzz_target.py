"""`FuzzTarget`: feeds bytes to the accepting side of a node, without sockets; records the messages the node delivers.

From `Connection.data_received` up to `delivered` it runs the code of a node; only the loop, the socket and the clock
are inert stand-ins, so that a case is a pure function of the bytes fed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

from coterie.runtime.transport import Peer, SharedKey, SystemIdentity, TransportConfig
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.descriptor_budget import DescriptorReport
from coterie.runtime.transport.listener import LinkListener
from coterie.runtime.transport.peers import Peers
from coterie.runtime.transport.transport_state import TransportState

CONFIG = TransportConfig(
    frame_cap_bytes=64 * 1024,
    frame_soft_bytes=2048,
    message_cap_bytes=128 * 1024,
    outbound_limit_bytes=128 * 1024,
)
TARGET = SystemIdentity("fuzz", "victim", 1)


class Timer:
    """A timer that never fires."""

    def cancel(self) -> None:
        pass


class InertFuture:
    """A future that is never awaited."""

    def __init__(self) -> None:
        self._is_done = False

    def done(self) -> bool:
        return self._is_done

    def set_result(self, result: object) -> None:
        del result
        self._is_done = True


class InertLoop:
    """A loop that runs nothing."""

    def call_soon(self, callback: Callable[..., object], *args: object) -> Timer:
        del callback, args
        return Timer()

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer:
        del delay_s, callback, args
        return Timer()

    def create_future(self) -> InertFuture:
        return InertFuture()


class FuzzConnection(asyncio.Transport):
    """The peer's end of one connection: `fed` is what it sent, `received` what the target answered."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self.received = bytearray()
        self.fed: list[bytes] = []
        self.is_closed = False

    def feed(self, data: bytes) -> None:
        """Deliver bytes to the target, unless it has closed the connection."""
        if not self.is_closed:
            self.fed.append(data)
            self._connection.data_received(data)

    def disconnect(self) -> None:
        """Report the loss of the connection, as the loop would."""
        self.is_closed = True
        self._connection.connection_lost(None)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.received += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True


class FuzzTarget:
    """A node that accepts (`TransportEvents`): `links_up` counts links, `items` were delivered since `reset`."""

    def __init__(self, auth: SharedKey, rng: random.Random) -> None:
        loop = cast(asyncio.AbstractEventLoop, InertLoop())
        self.shared = TransportState(loop, lambda: 0.0, TARGET, CONFIG, rng, auth)
        self.peers = Peers(self.shared, self)
        self.acceptor = LinkListener(self.shared, self.peers, self)
        self.links_up = 0
        self.items: list[object] = []
        self._connections: list[FuzzConnection] = []

    def connect(self) -> FuzzConnection:
        """Open a connection to it."""
        connection = self.acceptor.accept()
        fuzz_connection = FuzzConnection(connection)
        connection.connection_made(fuzz_connection)
        self._connections.append(fuzz_connection)
        return fuzz_connection

    def fed(self) -> list[list[bytes]]:
        """Return what each connection since `reset` was fed."""
        return [fuzz_connection.fed for fuzz_connection in self._connections]

    def reset(self) -> None:
        """End every connection and advance the clock until every peer is lost."""
        for fuzz_connection in self._connections:
            fuzz_connection.disconnect()
        self._connections.clear()
        self.peers.check_liveness(2 * CONFIG.lost_after_s)
        self.links_up = 0
        self.items = []

    def leftover_entries(self) -> int:
        """Return the number of entries left of closed connections and lost peers; more than 0 is a leak."""
        acceptor = self.acceptor
        return (
            len(self.shared.connections)
            + len(acceptor._handshakes)  # noqa: SLF001 (the leak check reads private state)
            + len(acceptor._unpaired)  # noqa: SLF001
            + len(self.peers._entries)  # noqa: SLF001
        )

    def link_up(self, peer: Peer) -> None:
        del peer
        self.links_up += 1

    def link_down(self, peer: Peer, reason: str) -> None:
        del peer, reason

    def node_lost(self, peer: Peer, reason: str) -> None:
        del peer, reason

    def delivered(self, peer: Peer, lane_class: int, items: list[object]) -> None:
        del peer, lane_class
        self.items += items

    def descriptors_changed(self, report: DescriptorReport) -> None:
        """Ignore it: the target has no host."""

    def refused(self, address: str, reason: str, *, is_dialled: bool = False) -> None:
        del address, reason, is_dialled
