"""A transport without sockets: the accepting half of a node, fed with bytes by hand. What it is told is kept.

Everything from `Connection.data_received` up to `delivered` is the code that runs in a node; only the loop, the socket
and the clock are stand-ins that do nothing by themselves, so that a case is a pure function of the bytes fed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any, cast

from coterie.runtime.transport import Identity, Peer, SharedKey, TransportConfig
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.listener import Acceptor
from coterie.runtime.transport.peers import Roster
from coterie.runtime.transport.transport_state import Hub

CONFIG = TransportConfig(
    frame_cap_bytes=64 * 1024,
    frame_soft_bytes=2048,
    message_cap_bytes=128 * 1024,
    outbound_limit_bytes=128 * 1024,
)
VICTIM = Identity("fuzz", "victim", 1)


class Timer:
    """A timer that never fires."""

    def cancel(self) -> None:
        pass


class StillFuture:
    """A future that nobody awaits."""

    def __init__(self) -> None:
        self._is_done = False

    def done(self) -> bool:
        return self._is_done

    def set_result(self, result: object) -> None:
        del result
        self._is_done = True


class StillLoop:
    """A loop that runs nothing."""

    def call_soon(self, callback: Callable[..., object], *args: object) -> Timer:
        del callback, args
        return Timer()

    def call_later(self, delay_s: float, callback: Callable[..., object], *args: object) -> Timer:
        del delay_s, callback, args
        return Timer()

    def create_future(self) -> StillFuture:
        return StillFuture()


class Wire(asyncio.Transport):
    """The stranger's end of one connection: what he feeds, and what he hears."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection
        self.heard = bytearray()
        self.fed: list[bytes] = []
        self.is_closed = False

    def feed(self, data: bytes) -> None:
        """Let bytes arrive, unless the victim has hung up."""
        if not self.is_closed:
            self.fed.append(data)
            self._connection.data_received(data)

    def hang_up(self) -> None:
        """Let the connection end, as the loop would."""
        self.is_closed = True
        self._connection.connection_lost(None)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self.heard += data

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


class Victim:
    """A node that accepts (TransportEvents): `ups` counts links, `items` are what was delivered since `forget`."""

    def __init__(self, auth: SharedKey, rng: random.Random) -> None:
        loop = cast(asyncio.AbstractEventLoop, StillLoop())
        self.hub = Hub(loop, lambda: 0.0, VICTIM, CONFIG, rng, auth)
        self.roster = Roster(self.hub, self)
        self.acceptor = Acceptor(self.hub, self.roster, self)
        self.ups = 0
        self.items: list[object] = []
        self._wires: list[Wire] = []

    def connect(self) -> Wire:
        """Open a connection to it."""
        connection = self.acceptor.accept()
        wire = Wire(connection)
        connection.connection_made(wire)
        self._wires.append(wire)
        return wire

    def fed(self) -> list[list[bytes]]:
        """Return what each connection since `forget` was fed."""
        return [wire.fed for wire in self._wires]

    def forget(self) -> None:
        """End every connection and let the clock run until everybody is lost."""
        for wire in self._wires:
            wire.hang_up()
        self._wires.clear()
        self.roster.sweep(2 * CONFIG.lost_after_s)
        self.ups = 0
        self.items = []

    def traces(self) -> int:
        """Return how many entries are left of those who were here: none, if all of them are gone."""
        acceptor = self.acceptor
        return len(self.hub.live) + len(acceptor._handshakes) + len(acceptor._halves) + len(self.roster._nodes)  # noqa: SLF001 (who looks for leaks looks inside)

    def link_up(self, peer: Peer) -> None:
        del peer
        self.ups += 1

    def link_down(self, peer: Peer, reason: str) -> None:
        del peer, reason

    def node_lost(self, peer: Peer, reason: str) -> None:
        del peer, reason

    def delivered(self, peer: Peer, lane_class: int, items: list[object]) -> None:
        del peer, lane_class
        self.items += items

    def refused(self, address: str, reason: str) -> None:
        del address, reason
