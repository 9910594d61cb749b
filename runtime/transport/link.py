"""A link: the two connections to one peer, which live and die together.

       both hellos passed       first frame, or we dialled        one end finished
    ────────────────────▶ PAIRED ──────────────────────▶ UP ──────────────────▶ DRAINING
                            │                            │                         │ the other finished too,
                            └──────── either broke, fell silent, was replaced ─────┴───▶ DOWN   or took too long

The acceptor waits in PAIRED for the dialer's first frame: the dialer may still be waiting for the second Welcome, and
what we said on the first connection could overtake it.
"""

from __future__ import annotations

import asyncio
import enum
from typing import Final, Protocol

from coterie.errors import FrameTooLarge
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport.chunk_backlog import Backlog
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.framing.chunks import CHUNK_MARK, Assembler
from coterie.runtime.transport.framing.items import ARRAY_HEADER_BYTES, EMPTY, unpack_item, unpack_items
from coterie.runtime.transport.handshake.handshake import Passed
from coterie.runtime.transport.handshake.protocol_versions import CHUNKS_SINCE
from coterie.runtime.transport.transport_state import Hub

__all__ = ["Link", "LinkObserver", "LinkState"]

_LANES_BY_CLASS: Final = ((Lane.CONTROL, Lane.CONSENSUS), (Lane.BULK,))


class LinkState(enum.Enum):
    """Where a link is in its life; see the module."""

    PAIRED = "paired"
    UP = "up"
    DRAINING = "draining"
    DOWN = "down"


class LinkObserver(Protocol):
    """Who hears of links."""

    def link_ready(self, link: Link) -> None:
        """Take note that `link` could be up: call `link.admit()` or `link.down(reason)`."""
        ...

    def link_draining(self, link: Link) -> None:
        """Take note that the peer finished: nothing can be sent any more, but something may still arrive."""
        ...

    def link_down(self, link: Link, reason: str) -> None:
        """Take note that `link` is down; called once, and only if it was admitted."""
        ...

    def items_received(self, link: Link, lane_class: int, items: list[object]) -> None:
        """Take the items of one frame."""
        ...


class Link:
    """Two connections to one peer.

    Args:
        passed: what the handshake found out.
        control, bulk: the connections; the link becomes their owner.
        hub: what the transport's connections share.
        observer: who hears of it.
        is_dialled_by_us: else by the peer.
    """

    __slots__ = (
        "_assemblers",
        "_drain",
        "_ended",
        "_hub",
        "_observer",
        "_state",
        "_was_admitted",
        "bulk",
        "by_lane",
        "closed",
        "control",
        "is_dialled_by_us",
        "peer",
        "version",
    )

    def __init__(
        self,
        passed: Passed,
        control: Connection,
        bulk: Connection,
        hub: Hub,
        observer: LinkObserver,
        *,
        is_dialled_by_us: bool = False,
    ) -> None:
        self.peer = passed.peer
        self.version = passed.version
        self.is_dialled_by_us = is_dialled_by_us
        self.control = control
        self.bulk = bulk
        self.by_lane: list[Connection | Backlog] = [control, control, bulk]  # where to queue, indexed by `Lane`
        cap_bytes = hub.config.message_cap_bytes
        self._assemblers = [Assembler(lanes, cap_bytes) for lanes in _LANES_BY_CLASS]
        self.closed: asyncio.Future[str] = hub.loop.create_future()
        self._hub = hub
        self._observer = observer
        self._state = LinkState.PAIRED
        self._was_admitted = False
        self._ended: list[Connection] = []
        self._drain: asyncio.TimerHandle | None = None
        control.owner = bulk.owner = self

    @property
    def state(self) -> LinkState:
        """Where it is in its life."""
        return self._state

    def queue_large(self, packed: bytes, lane: Lane) -> None:
        """Queue an item that exceeds a frame's soft size: in chunks, if the peer knows of them.

        Raises:
            FrameTooLarge: it exceeds what the peer takes.
            OutboundFull: there is no room.
        """
        has_chunks = self.version >= CHUNKS_SINCE
        config, queue = self._hub.config, self.by_lane[lane]
        limit = config.message_cap_bytes if has_chunks else config.frame_cap_bytes - ARRAY_HEADER_BYTES
        if len(packed) > limit:
            raise FrameTooLarge(self.peer.node, size_bytes=len(packed), limit_bytes=limit)
        if has_chunks and isinstance(queue, Connection):
            queue = self.by_lane[lane] = queue.open_backlog(lane, self._backlog_emptied)
        queue.queue(packed, self.peer.node)

    def begin(self) -> None:
        """Come up on the dialer's side, and let the acceptor know."""
        self._ready()
        self.control.send_payload(EMPTY)

    def admit(self) -> None:
        """Be up: called by the observer out of `link_ready`."""
        self._state = LinkState.UP
        self._was_admitted = True
        self.control.settle()
        self.bulk.settle()

    def beat(self, step_s: float) -> None:
        """Let `step_s` of watching pass: keep alive, and go down if either connection has been silent for too long."""
        for connection in (self.control, self.bulk):
            complaint = connection.beat(step_s)
            if complaint is not None:
                self.down(complaint)
                return

    @property
    def silent_s(self) -> float:
        """How long nothing has arrived on the quieter connection (s), in whole beats."""
        return max(self.control.silent_s, self.bulk.silent_s)

    def down(self, reason: str) -> None:
        """End both connections at once. Twice is harmless."""
        if self._leave():
            self.control.abort()
            self.bulk.abort()
            self._report(reason)

    def finish(self, reason: str) -> None:
        """End it, but let everything queued leave first; what still arrives is thrown away."""
        if self._state is not LinkState.UP:
            self.down(reason)
        elif self._leave():
            self.control.finish()
            self.bulk.finish()
            self._report(reason)

    # What the connections call.

    def connection_opened(self, connection: Connection) -> None:
        """Nothing to do: a link is made of connections that are open (ConnectionOwner)."""

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        """Take one frame's items (ConnectionOwner)."""
        if payload == EMPTY:
            items = []
        elif payload.startswith(CHUNK_MARK) and self.version >= CHUNKS_SINCE:
            items = self._assembled(connection, payload)
        else:
            items = unpack_items(payload)
        if self._state is LinkState.PAIRED:
            self._ready()
        if self._state is LinkState.DOWN:
            self._hub.counters.items_dropped += len(items)
        elif items:
            self._hub.counters.items_in += len(items)
            self._observer.items_received(self, connection.lane_class, items)

    def connection_ended(self, connection: Connection) -> None:
        """Wait for the other connection to end as well: what was sent before the end may be in it (ConnectionOwner)."""
        self._ended.append(connection)
        if self._state is LinkState.DOWN:
            connection.close()
        elif self._state is LinkState.PAIRED or len(self._ended) > 1:
            self._end()
        else:
            self._state = LinkState.DRAINING
            self._drain = self._hub.loop.call_later(self._hub.config.drain_timeout_s, self._end)
            self._observer.link_draining(self)

    def connection_lost(self, connection: Connection, reason: str) -> None:
        """Go down with the connection (ConnectionOwner)."""
        self.down(reason)

    # Below: how it changes state.

    def _assembled(self, connection: Connection, payload: bytes) -> list[object]:
        packed = self._assemblers[connection.lane_class].take(payload)
        return [] if packed is None else [unpack_item(packed)]

    def _backlog_emptied(self, lane: int) -> None:
        self.by_lane[lane] = self.bulk if lane == Lane.BULK else self.control

    def _ready(self) -> None:
        if self.control.is_open and self.bulk.is_open:
            self._observer.link_ready(self)
        else:
            self.down("connection lost while the link was made")

    def _end(self) -> None:
        if self._leave():
            self.control.close()
            self.bulk.close()
            self._report("the peer closed the link")

    def _leave(self) -> bool:
        """Enter DOWN; return False if that is where we were."""
        if self._state is LinkState.DOWN:
            return False
        self._state = LinkState.DOWN
        if self._drain is not None:
            self._drain.cancel()
        return True

    def _report(self, reason: str) -> None:
        if self._was_admitted:
            self._observer.link_down(self, reason)
        if not self.closed.done():
            self.closed.set_result(reason)
