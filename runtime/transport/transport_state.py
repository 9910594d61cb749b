"""`TransportState`: holds the settings, counters and pending writes that all connections of a transport share."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coterie.runtime.messages.unpacking import COUNTED_BYTES
from coterie.runtime.transport.client_reads import ClientReads
from coterie.runtime.transport.connection_slots import ConnectionSlots
from coterie.runtime.transport.framing.items import ARRAY_HEADER_BYTES
from coterie.runtime.transport.handshake.handshake import Credentials
from coterie.runtime.transport.handshake.identity import PeerRole, SystemIdentity
from coterie.runtime.transport.handshake.shared_key import Auth, fresh_nonce
from coterie.runtime.transport.transport_config import TransportConfig

if TYPE_CHECKING:
    from coterie.runtime.transport.connection import Connection
    from coterie.runtime.transport.handshake.certificate import Certificate

__all__ = ["TransportCounters", "TransportState"]


@dataclass(slots=True)
class TransportCounters:
    """Counters since the transport was made. Bytes and frames include handshakes and keep-alives."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    items_in: int = 0
    items_out: int = 0
    items_refused: int = 0  # a send that raised `OutboundFull`
    items_dropped: int = 0  # queued when their link went down, or arrived after `close`
    broken_frames: int = 0
    refused_handshakes: int = 0
    failed_dials: int = 0  # no answer at the address
    links_up: int = 0
    links_down: int = 0
    reconnects: int = 0  # a link to a node that had one before
    nodes_lost: int = 0


class TransportState:
    """State that the connections of one transport share.

    Args:
        loop: the running loop.
        monotonic: the host's clock (s).
        identity: of this system; a client's cluster may still be "".
        config: the settings.
        rng: source of nonces.
        auth: the shared keys, if any.
    """

    __slots__ = (
        "_all_closed",
        "_auth",
        "_dirty",
        "_is_corked",
        "_rng",
        "batch_bytes",
        "client_reads",
        "config",
        "connections",
        "counters",
        "distrust",
        "has_refused_own_dial",
        "identity",
        "loop",
        "monotonic",
        "slots",
        "soft_bytes",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        monotonic: Callable[[], float],
        identity: SystemIdentity,
        config: TransportConfig,
        rng: random.Random,
        auth: Auth | None = None,
    ) -> None:
        self.loop = loop
        self.monotonic = monotonic
        self._rng = rng
        self._auth = auth
        self.identity = identity
        self.config = config
        self.soft_bytes = config.frame_soft_bytes
        if identity.role is PeerRole.CLIENT:
            self.soft_bytes = min(self.soft_bytes, config.client_cap_bytes - ARRAY_HEADER_BYTES)
        """Where an item is cut into chunks."""
        self.batch_bytes = min(self.soft_bytes, COUNTED_BYTES)
        """Where the items of one tick are cut into several frames; see `split_items`."""
        self.client_reads = ClientReads(loop, monotonic)
        self.counters = TransportCounters()
        self.distrust: Callable[[Certificate], str | None] | None = None  # why a certificate does not count, with TLS
        self.has_refused_own_dial = False  # our listener has refused our own dialer
        self.connections: dict[Connection, None] = {}  # a set, in order of opening
        self.slots = ConnectionSlots(strangers_max=config.handshakes_max, clients_max=config.connections_max)
        self._dirty: list[Connection] = []
        self._is_corked = False
        self._all_closed: asyncio.Future[None] | None = None

    def credentials(self) -> Credentials | None:
        """Return the shared keys with a fresh nonce, for one handshake; None without keys."""
        return None if self._auth is None else Credentials(self._auth, fresh_nonce(self._auth, self._rng))

    def write_later(self, connection: Connection) -> None:
        """Flush `connection` when this tick of the loop (or the cork) ends."""
        if not self._dirty and not self._is_corked:
            self.loop.call_soon(self.flush)
        self._dirty.append(connection)

    def cork(self) -> None:
        """Hold queued items (unless they leave early) until `uncork`, which must come in the same call of the loop."""
        self._is_corked = True

    def uncork(self) -> None:
        """Write the items queued since `cork`; this saves the turn of the loop that `write_later` would take."""
        self._is_corked = False
        if self._dirty:
            self.flush()

    def flush(self) -> None:
        """Write all queued items, control and consensus before bulk."""
        dirty, self._dirty = self._dirty, []
        if len(dirty) > 1:
            dirty.sort(key=_lane_class)
        for connection in dirty:
            connection.flush()

    def forget(self, connection: Connection) -> None:
        """Remove a connection that is closed."""
        self.connections.pop(connection, None)
        self.slots.leave(connection)
        if not self.connections and self._all_closed is not None:
            self._all_closed.set_result(None)
            self._all_closed = None

    async def wait_until_closed(self, timeout_s: float) -> bool:
        """Wait at most `timeout_s` until no connection is open; return whether none is."""
        if self.connections:
            # One future for all callers: `close` may be called twice at once.
            self._all_closed = self._all_closed or self.loop.create_future()
            await asyncio.wait([self._all_closed], timeout=timeout_s)
        return not self.connections


def _lane_class(connection: Connection) -> int:
    return connection.lane_class
