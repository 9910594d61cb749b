"""What all connections of one transport share: settings, counters, who is alive, and the write at the end of a tick."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coterie.runtime.transport.handshake.handshake import Credentials
from coterie.runtime.transport.handshake.identity import Identity
from coterie.runtime.transport.handshake.shared_key import SharedKey
from coterie.runtime.transport.transport_config import TransportConfig

if TYPE_CHECKING:
    from coterie.runtime.transport.connection import Connection

__all__ = ["Counters", "Hub"]


@dataclass(slots=True)
class Counters:
    """What has happened since the transport was made. Bytes and frames include handshakes and keep-alives."""

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
    failed_dials: int = 0  # nobody answered at the address
    links_up: int = 0
    links_down: int = 0
    reconnects: int = 0  # a link to a node that had one before
    nodes_lost: int = 0


class Hub:
    """One per transport.

    Args:
        loop: the running loop.
        monotonic: the host's clock (s).
        identity: who we are; a client's cluster may still be "".
        config: the settings.
        rng: where nonces come from.
        auth: the shared keys, if there are any.
    """

    __slots__ = (
        "_auth",
        "_dirty",
        "_gone",
        "_is_corked",
        "_rng",
        "config",
        "counters",
        "has_met_itself",
        "identity",
        "live",
        "loop",
        "monotonic",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        monotonic: Callable[[], float],
        identity: Identity,
        config: TransportConfig,
        rng: random.Random,
        auth: SharedKey | None = None,
    ) -> None:
        self.loop = loop
        self.monotonic = monotonic
        self._rng = rng
        self._auth = auth
        self.identity = identity
        self.config = config
        self.counters = Counters()
        self.has_met_itself = False  # our acceptor has heard our dialer
        self.live: dict[Connection, None] = {}  # a set in order of opening: whoever iterates must not depend on hashes
        self._dirty: list[Connection] = []
        self._is_corked = False
        self._gone: asyncio.Future[None] | None = None

    def credentials(self) -> Credentials | None:
        """Return what we bring into a new handshake: the shared keys with a fresh nonce; None without keys."""
        return None if self._auth is None else Credentials(self._auth, self._auth.nonce(self._rng))

    def write_later(self, connection: Connection) -> None:
        """Remember that `connection` has something queued; write it when this tick of the loop (or the cork) ends."""
        if not self._dirty and not self._is_corked:
            self.loop.call_soon(self.flush)
        self._dirty.append(connection)

    def cork(self) -> None:
        """Let what is queued wait for `uncork`, which must come in the same call of the loop (or leave early)."""
        self._is_corked = True

    def uncork(self) -> None:
        """Write what was queued since `cork`: that saves a turn of the loop against `write_later`'s own."""
        self._is_corked = False
        if self._dirty:
            self.flush()

    def flush(self) -> None:
        """Write what has been queued, control and consensus before bulk."""
        dirty, self._dirty = self._dirty, []
        if len(dirty) > 1:
            dirty.sort(key=_lane_class)
        for connection in dirty:
            connection.flush()

    def forget(self, connection: Connection) -> None:
        """Take note that `connection` is closed for good."""
        self.live.pop(connection, None)
        if not self.live and self._gone is not None:
            self._gone.set_result(None)
            self._gone = None

    async def wait_until_gone(self, timeout_s: float) -> bool:
        """Wait until no connection is left, or for `timeout_s`; return whether none is."""
        if self.live:
            self._gone = self._gone or self.loop.create_future()  # shared: `close` may be called twice at once
            await asyncio.wait([self._gone], timeout=timeout_s)
        return not self.live


def _lane_class(connection: Connection) -> int:
    return connection.lane_class
