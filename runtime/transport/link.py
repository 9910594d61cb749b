"""`Link`: joins the two TCP connections to one peer (urgent and bulk) into one unit: if one ends, so does the other.

       both handshakes passed   first frame, or we dialled      one connection ended
    ────────────────────▶ PAIRED ──────────────────────▶ UP ──────────────────▶ DRAINING
                            │                            │                         │ the other ended too,
                            └──────── either broke, was silent, was replaced ──────┴───▶ DOWN   or took too long

The acceptor waits in PAIRED for the dialer's first frame: the dialer may still be waiting for the second Welcome, and
what we send on the first connection could overtake it.

Back-pressure of a link. Decided in `connection.py` (`_make_room`), `chunk_backlog.py` (`queue`) and `queue_large`
below: an item that would exceed `outbound_limit_bytes` or a size cap is not queued, and `OutboundFull` or
`FrameTooLarge` is raised out of `Transport.send`. Carried out by the caller: `remote/remote_delivery.py` counts a
tell as a dead letter and rejects an ask or an offer with the error; `Association.signal` retries.
"""

from __future__ import annotations

import asyncio
import enum
from typing import Final, Protocol

from coterie.errors import FrameTooLarge
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.transport.chunk_backlog import ChunkBacklog
from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.framing.chunks import CHUNK_MARK, ChunkAssembler, OversizedItem
from coterie.runtime.transport.framing.items import ARRAY_HEADER_BYTES, EMPTY, unpack_item, unpack_items
from coterie.runtime.transport.handshake.handshake import Passed
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.handshake.protocol_versions import CHUNKS_SINCE
from coterie.runtime.transport.transport_state import TransportState

__all__ = ["Link", "LinkObserver", "LinkState"]

_LANES_BY_CLASS: Final = ((Lane.CONTROL, Lane.CONSENSUS), (Lane.BULK,))


class LinkState(enum.Enum):
    """State of a link; see the diagram of the module."""

    PAIRED = "paired"
    UP = "up"
    DRAINING = "draining"
    DOWN = "down"


class LinkObserver(Protocol):
    """Callbacks of a link."""

    def link_ready(self, link: Link) -> None:
        """Admit or refuse a link that could be up: call `link.admit()` or `link.down(reason)`."""
        ...

    def link_draining(self, link: Link) -> None:
        """Report that the peer ended one connection: nothing can be sent any more, but items may still arrive."""
        ...

    def link_down(self, link: Link, reason: str) -> None:
        """Report that `link` is down; called once, and only if it was admitted."""
        ...

    def items_received(self, link: Link, lane_class: int, items: list[object]) -> None:
        """Take the items of one frame."""
        ...


class Link:
    """Two connections to one peer.

    Args:
        passed: the result of the handshake.
        control, bulk: the connections; the link becomes their owner.
        shared: the state that the transport's connections share.
        observer: receives the callbacks.
        is_dialled_by_us: False if the peer dialled.
    """

    __slots__ = (
        "_assemblers",
        "_drain",
        "_ended",
        "_observer",
        "_shared",
        "_state",
        "_was_admitted",
        "bulk",
        "closed",
        "control",
        "is_dialled_by_us",
        "peer",
        "queue_by_lane",
        "version",
    )

    def __init__(
        self,
        passed: Passed,
        control: Connection,
        bulk: Connection,
        shared: TransportState,
        observer: LinkObserver,
        *,
        is_dialled_by_us: bool = False,
    ) -> None:
        self.peer = passed.peer
        self.version = passed.version
        self.is_dialled_by_us = is_dialled_by_us
        self.control = control
        self.bulk = bulk
        self.queue_by_lane: list[Connection | ChunkBacklog] = [
            control,
            control,
            bulk,
        ]  # queue of each lane, indexed by `Lane`
        config, is_client = shared.config, passed.peer.role is PeerRole.CLIENT
        kept_bytes = config.client_cap_bytes if is_client else None
        self._assemblers = [ChunkAssembler(lanes, config.message_cap_bytes, kept_bytes) for lanes in _LANES_BY_CLASS]
        self.closed: asyncio.Future[str] = shared.loop.create_future()
        self._shared = shared
        self._observer = observer
        self._state = LinkState.PAIRED
        self._was_admitted = False
        self._ended: list[Connection] = []
        self._drain: asyncio.TimerHandle | None = None
        control.owner = bulk.owner = self

    @property
    def state(self) -> LinkState:
        """The current state."""
        return self._state

    def queue_large(self, packed: bytes, lane: Lane) -> None:
        """Queue an item that exceeds `frame_soft_bytes`: in chunks, if the peer's protocol version has them.

        Raises:
            FrameTooLarge: it exceeds the size that the peer accepts.
            OutboundFull: there is no room.
        """
        has_chunks, queue = self.version >= CHUNKS_SINCE, self.queue_by_lane[lane]
        self._check_size(len(packed), has_chunks=has_chunks)
        if has_chunks and isinstance(queue, Connection):
            queue = self.queue_by_lane[lane] = queue.open_backlog(lane, self._backlog_emptied)
        queue.queue(packed, self.peer.node)

    def _check_size(self, size_bytes: int, *, has_chunks: bool) -> None:
        config, shared = self._shared.config, self._shared
        if shared.identity.role is PeerRole.CLIENT:
            limit = config.client_cap_bytes - (0 if has_chunks else ARRAY_HEADER_BYTES)
            setting = "client_frame_cap_bytes= of this client and of every node"
        else:
            limit = config.message_cap_bytes if has_chunks else config.frame_cap_bytes - ARRAY_HEADER_BYTES
            setting = "message_cap_bytes= on every node"
        if size_bytes > limit:
            raise FrameTooLarge(self.peer.node, size_bytes=size_bytes, limit_bytes=limit, setting=setting)

    def begin(self) -> None:
        """Bring the link up on the dialer's side, and notify the acceptor with an empty frame."""
        self._ready()
        self.control.send_payload(EMPTY)

    def admit(self) -> None:
        """Enter UP: called by the observer within `link_ready`."""
        self._state = LinkState.UP
        self._was_admitted = True
        self.control.cancel_handshake_timeout()
        self.bulk.cancel_handshake_timeout()

    def keep_alive(self, step_s: float) -> None:
        """Advance time by `step_s`: send keep-alives; take the link down if a connection must be closed."""
        for connection in (self.control, self.bulk):
            failure = connection.keep_alive(step_s)
            if failure is not None:
                self.down(failure)
                return

    @property
    def silent_s(self) -> float:
        """How long nothing has arrived on the quieter connection (s), in whole keep-alive intervals."""
        return max(self.control.silent_s, self.bulk.silent_s)

    def down(self, reason: str) -> None:
        """Abort both connections. Calling it twice is harmless."""
        if self._leave():
            self.control.abort()
            self.bulk.abort()
            self._report(reason)

    def finish(self, reason: str) -> None:
        """Close the link after all queued items have left; items that still arrive are dropped."""
        if self._state is not LinkState.UP:
            self.down(reason)
        elif self._leave():
            self.control.finish()
            self.bulk.finish()
            self._report(reason)

    # Called by the connections.

    def connection_opened(self, connection: Connection) -> None:
        """Do nothing: a link is made of open connections (ConnectionOwner)."""

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
            self._shared.counters.items_dropped += len(items)
        elif items:
            self._shared.counters.items_in += len(items)
            self._observer.items_received(self, connection.lane_class, items)

    def connection_ended(self, connection: Connection) -> None:
        """Wait for the end of the other connection: it may still hold items sent earlier (ConnectionOwner)."""
        self._ended.append(connection)
        if self._state is LinkState.DOWN:
            connection.close()
        elif self._state is LinkState.PAIRED or len(self._ended) > 1:
            self._end()
        else:
            self._state = LinkState.DRAINING
            self._drain = self._shared.loop.call_later(self._shared.config.drain_timeout_s, self._end)
            self._observer.link_draining(self)

    def connection_lost(self, connection: Connection, reason: str) -> None:
        """Take the link down (ConnectionOwner)."""
        self.down(reason)

    # State changes.

    def _assembled(self, connection: Connection, payload: bytes) -> list[object]:
        packed = self._assemblers[connection.lane_class].take(payload)
        if packed is None:
            return []
        return [packed if isinstance(packed, OversizedItem) else unpack_item(packed)]

    def _backlog_emptied(self, lane: int) -> None:
        self.queue_by_lane[lane] = self.bulk if lane == Lane.BULK else self.control

    def _ready(self) -> None:
        if self.control.is_open and self.bulk.is_open:
            self._observer.link_ready(self)
        else:
            self.down("a connection was lost while the link was made")

    def _end(self) -> None:
        if self._leave():
            self.control.close()
            self.bulk.close()
            self._report("the peer closed the link")

    def _leave(self) -> bool:
        """Enter DOWN; return False if the link was down already."""
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
