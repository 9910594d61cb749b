"""`Connection`: reads and writes one TCP connection: cuts arriving bytes into frames, joins queued items into writes.

    items of a tick  ─ 256 bytes ─▶ write ─ 1 KiB more ─▶ write ─ 4 KiB more ─▶ write … ─ the tick ends ─▶ write

The other end starts on the first items while this end still produces the rest. Otherwise two nodes that ask and answer
in batches would take turns, and one core would always idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable
from typing import Final, Protocol, cast

from coterie.errors import BrokenFrame, OutboundFull
from coterie.runtime.transport.chunk_backlog import ChunkBacklog
from coterie.runtime.transport.client_reads import ClientReads
from coterie.runtime.transport.framing.frames import FrameDecoder, FrameEncoder
from coterie.runtime.transport.framing.items import EMPTY, ITEMS_MAX, join, split_items
from coterie.runtime.transport.handshake.certificate import Certificate, certificate_of
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.handshake.shared_key import FrameKeys
from coterie.runtime.transport.keep_alive import Activity, KeepAlive
from coterie.runtime.transport.transport_config import HELLO_CAP_BYTES
from coterie.runtime.transport.transport_state import TransportState

__all__ = ["Connection", "ConnectionOwner"]

READ_SLICE_S: Final = 0.001

LAST_SLICE_S: Final = 0.05
"""The time for frames of a client that has ended its connection."""

EARLY_BYTES: Final = 256
"""Bytes queued in one tick before they leave early; each further threshold is `EARLY_GROWTH` times as high."""

EARLY_GROWTH: Final = 4

EARLY_ITEMS: Final = 8
"""Fewest items that are worth an early write."""


class ConnectionOwner(Protocol):
    """Receiver of a connection's payloads and events: a handshake first, then a link."""

    def connection_opened(self, connection: Connection) -> None:
        """Start: the connection is open."""
        ...

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        """Take the next payload. A `BrokenFrame` raised here counts as one that the decoder raised."""
        ...

    def connection_ended(self, connection: Connection) -> None:
        """Handle the end of the peer's direction (TCP FIN). The connection stays open until it is closed."""
        ...

    def connection_lost(self, connection: Connection, reason: str) -> None:
        """Handle the loss of the connection, or that it made no link in time; not called after `abort` or `close`."""
        ...


class Connection(asyncio.Protocol):
    """The asyncio protocol of one connection.

    At most `outbound_limit_bytes` wait here and in the socket's buffer together: items are queued here, handed to the
    socket when a tick ends or a threshold (see the module) is reached, and held back while the socket's buffer is above
    `write_buffer_bytes`.

    Args:
        owner: receives payloads and events; assign the attribute to change it.
        shared: the state that the transport's connections share.
    """

    __slots__ = (
        "_backlogs",
        "_decoder",
        "_early_bytes",
        "_encoder",
        "_flush_at_bytes",
        "_handshake_timer",
        "_has_ended",
        "_is_dirty",
        "_is_open",
        "_is_reading_paused",
        "_is_secured",
        "_is_writing_paused",
        "_keep_alive",
        "_queue",
        "_queued_bytes",
        "_reads",
        "_room_bytes",
        "_shared",
        "_transport",
        "address",
        "certificate",
        "has_received",
        "has_sent",
        "lane_class",
        "owner",
    )

    def __init__(self, owner: ConnectionOwner, shared: TransportState) -> None:
        self.owner = owner
        self.lane_class = 0
        self.address = "unknown"
        self.has_received = False  # since the last `keep_alive`
        self.has_sent = False  # since the last `keep_alive`
        self.certificate: Certificate | None = None  # the peer's, if the connection is secured
        self._shared = shared
        self._transport: asyncio.Transport | None = None
        self._is_open = False
        self._is_writing_paused = False
        self._is_reading_paused = False  # frames wait here; nothing is read until they are handled
        self._is_secured = False
        self._has_ended = False  # the peer ended its direction
        self._keep_alive = KeepAlive(shared.config)
        self._backlogs: list[ChunkBacklog] = []  # in round-robin order
        self._decoder = FrameDecoder(HELLO_CAP_BYTES)
        self._encoder = FrameEncoder()
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._room_bytes = shared.config.outbound_limit_bytes
        self._early_bytes = EARLY_BYTES
        self._flush_at_bytes = min(self._early_bytes, self._room_bytes)
        self._is_dirty = False
        self._handshake_timer: asyncio.TimerHandle | None = None
        self._reads: ClientReads | None = None  # of a client that has passed the handshake

    # Called by the owner.

    @property
    def is_open(self) -> bool:
        """Whether it is connected and neither end has closed or aborted it."""
        return self._is_open

    @property
    def queued_bytes(self) -> int:
        """Bytes of items that wait here (without the socket's buffer)."""
        return self._queued_bytes + sum(backlog.size_bytes for backlog in self._backlogs)

    @property
    def silent_s(self) -> float:
        """How long nothing has arrived (s), in whole keep-alive intervals."""
        return self._keep_alive.silent_s

    @property
    def begins_tls(self) -> bool:
        """Whether the other end has begun with TLS, which this one does not speak; it was closed for that."""
        return self._decoder.begins_tls

    def open_backlog(self, lane: int, emptied: Callable[[int], None]) -> ChunkBacklog:
        """Return the backlog that replaces `queue` for the items of `lane` until `emptied` is called."""
        config = self._shared.config
        backlog = ChunkBacklog(
            lane,
            soft_bytes=self._shared.soft_bytes,
            limit_bytes=config.outbound_limit_bytes,
            counters=self._shared.counters,
            queued=self._write_later,
            emptied=emptied,
        )
        self._backlogs.append(backlog)
        return backlog

    def queue(self, packed: bytes, node: str) -> None:
        """Queue a packed item; it leaves by the end of this tick. `OutboundFull` (names `node`) if there is no room."""
        size = len(packed)
        if self._queued_bytes + size > self._flush_at_bytes:
            self._make_room(size, node)
        self._queue.append(packed)
        self._queued_bytes += size
        if not self._is_dirty:
            self._is_dirty = True
            self._shared.write_later(self)

    def flush(self) -> None:
        """Write queued items unless the socket's buffer is full; chunks only until it is full."""
        self._is_dirty = False
        self._early_bytes = EARLY_BYTES
        if self._is_writing_paused or not self._is_open:
            return
        if self._queue:
            self._write_queue()
        if self._backlogs:
            self._write_chunks()

    def send_payload(self, payload: bytes) -> None:
        """Write a payload at once, ahead of queued items."""
        if self._is_open:
            self._write(self._encoder.encode(payload), frames=1)

    def begin_items(self, keys: FrameKeys | None, role: PeerRole) -> None:
        """Accept frames of the full size that a peer of this role may send: the handshake has passed.

        `keys`: of their codes, unless TLS protects them.
        """
        config = self._shared.config
        self._decoder.cap_bytes, self._decoder.setting = config.frame_cap_bytes, "frame_cap_bytes="
        if role is PeerRole.CLIENT:
            self._decoder.cap_bytes, self._decoder.setting = config.client_cap_bytes, "client_frame_cap_bytes="
            self._reads = self._shared.client_reads
        if keys is not None and not self._is_secured:
            self._encoder.seal(keys.sending)
            self._decoder.unseal(keys.receiving)

    def cancel_handshake_timeout(self) -> None:
        """Stop the handshake timeout: the link is up."""
        if self._handshake_timer is not None:
            self._handshake_timer.cancel()
            self._handshake_timer = None

    def keep_alive(self, step_s: float) -> str | None:
        """Advance time by `step_s`; send a keep-alive if nothing else was sent. Return why to close, or None."""
        failure = self._keep_alive.check(step_s, self._activity())
        self.has_received = False
        if not self.has_sent and not self._is_writing_paused:
            self.send_payload(EMPTY)
        self.has_sent = False
        return failure

    def finish(self) -> None:
        """Write all queued items, even beyond the socket's buffer, then end our direction; keep the other open."""
        self.cancel_handshake_timeout()
        if not self._is_open or self._transport is None:
            return
        if self._queue:
            self._write_queue()
        while self._backlogs:
            self._write_chunk()
        if self._transport.can_write_eof():
            with contextlib.suppress(OSError):  # the peer has reset the connection, and the loop has not told us yet
                self._transport.write_eof()
        else:
            self._transport.close()

    def close(self) -> None:
        """Close after the socket's buffer has drained; the owner gets no further call."""
        self._release()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; the owner gets no further call."""
        self._release()
        if self._transport is not None:
            self._transport.abort()

    def fail(self, reason: str) -> None:
        """Close at once, and report the loss to the owner."""
        self.abort()
        self.owner.connection_lost(self, reason)

    # Called by the loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the connection (asyncio.Protocol)."""
        # Nagle's delay is off already: asyncio and uvloop set TCP_NODELAY on every stream socket.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._shared.config.write_buffer_bytes)
        self._is_open = True
        channel = transport.get_extra_info("ssl_object")
        self._is_secured, self.certificate = channel is not None, certificate_of(channel)
        self.address = _address(transport.get_extra_info("peername"))
        self._shared.connections[self] = None
        self._handshake_timer = self._shared.loop.call_later(
            self._shared.config.handshake_timeout_s, self._handshake_timed_out
        )
        self.owner.connection_opened(self)

    def data_received(self, data: bytes) -> None:
        """Cut frames from the bytes that arrived (asyncio.Protocol)."""
        self.has_received = True
        self._shared.counters.bytes_in += len(data)
        self._decoder.feed(data)
        self._take_in_turn()

    def eof_received(self) -> bool:
        """Handle the end of the peer's direction (asyncio.Protocol).

        Our direction stays open until the owner closes it. In TLS both directions end together, and the end is reported
        with the last bytes even while reading is paused: frames that still wait here are handed on now, else they are
            lost.
        """
        if self._is_reading_paused:
            self.take_frames(math.inf if self._reads is None else LAST_SLICE_S)
        if self._is_open:
            self._has_ended = True
            self.owner.connection_ended(self)
        return not self._is_secured

    def connection_lost(self, exc: Exception | None) -> None:
        """Release the connection; report it if it was open (asyncio.Protocol)."""
        was_open = self._is_open
        self._release()
        self._shared.forget(self)
        if was_open and not self._has_ended:
            self.owner.connection_lost(self, f"connection lost: {exc}" if exc else "connection closed")

    def pause_writing(self) -> None:
        """Stop writing: the socket's buffer is full (asyncio.Protocol)."""
        self._is_writing_paused = True

    def resume_writing(self) -> None:
        """Resume writing: the socket's buffer has drained (asyncio.Protocol)."""
        self._is_writing_paused = False
        self._measure_room()
        self.flush()

    # Reading.

    def _take_in_turn(self) -> None:
        if self._reads is None:
            self.take_frames()
        else:
            self._reads.take(self)

    def take_frames(self, slice_s: float = READ_SLICE_S) -> None:
        """Hand on frames for at most `slice_s`. One read may bring so many that a heartbeat would wait behind them."""
        decoder, shared = self._decoder, self._shared
        end = shared.monotonic() + slice_s
        try:
            while self._is_open and (payload := decoder.next_payload()) is not None:
                shared.counters.frames_in += 1
                self.owner.payload_received(self, payload)
                if not decoder.held_bytes:
                    break
                if shared.monotonic() >= end:
                    self.hold()
                    shared.loop.call_soon(self._take_in_turn)
                    return
        except BrokenFrame as error:
            shared.counters.broken_frames += 1
            if self.begins_tls:
                self.send_payload(EMPTY)  # it is no TLS, which the library of the other end reports
                self.close()
                self.owner.connection_lost(self, str(error))
            else:
                self.fail(f"broken frame: {error}")
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            if self._is_open:
                self._transport.resume_reading()

    def hold(self) -> None:
        """Read nothing until `take_frames` has handed on all frames that are here."""
        if self._is_open and self._transport is not None and not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    # Writing.

    def _write_later(self) -> None:
        if not self._is_dirty:
            self._is_dirty = True
            self._shared.write_later(self)

    def _write_queue(self) -> None:
        queue, size, soft = self._queue, self._queued_bytes, self._shared.batch_bytes
        self._queue, self._queued_bytes = [], 0
        self._shared.counters.items_out += len(queue)
        if size <= soft and len(queue) <= ITEMS_MAX:
            self._write(self._encoder.encode(join(queue)), frames=1)
        else:
            frames = [self._encoder.encode(join(batch)) for batch in split_items(queue, soft)]
            self._write(b"".join(frames), frames=len(frames))
        self._measure_room()

    def _write_chunks(self) -> None:
        """Write chunks, round-robin over the lanes, until the socket's buffer is full: later items must not wait."""
        while self._backlogs and not self._is_writing_paused and self._is_open:
            self._write_chunk()

    def _write_chunk(self) -> None:
        backlog = self._backlogs.pop(0)
        payload = backlog.next_payload()
        if len(backlog):
            self._backlogs.append(backlog)
        self._write(self._encoder.encode(payload), frames=1)

    def _write(self, data: bytes, *, frames: int) -> None:
        if self._transport is None:
            return
        self.has_sent = True
        self._shared.counters.frames_out += frames
        self._shared.counters.bytes_out += len(data)
        self._transport.write(data)

    def _make_room(self, size_bytes: int, node: str) -> None:
        """Write queued items early and measure the room again; raise `OutboundFull` if there is still none."""
        self._early_bytes *= EARLY_GROWTH
        if len(self._queue) >= EARLY_ITEMS and not self._is_writing_paused and self._is_open:
            self._write_queue()
        self._measure_room()
        if self._queued_bytes + size_bytes > self._room_bytes:
            limit = self._shared.config.outbound_limit_bytes
            pending = self._queued_bytes + limit - self._room_bytes
            self._shared.counters.items_refused += 1
            raise OutboundFull(node, size_bytes=size_bytes, pending_bytes=pending, limit_bytes=limit)

    def _measure_room(self) -> None:
        if self._transport is not None:
            self._room_bytes = self._shared.config.outbound_limit_bytes - self._transport.get_write_buffer_size()
            self._flush_at_bytes = min(self._early_bytes, self._room_bytes)

    def _activity(self) -> Activity:
        unread_bytes = (
            self._transport.get_write_buffer_size() if self._is_writing_paused and self._transport is not None else 0
        )
        return Activity(self.has_received, self._decoder.frames, self._decoder.held_bytes > 0, unread_bytes)

    def _handshake_timed_out(self) -> None:
        self.fail(f"no link was made within {self._shared.config.handshake_timeout_s} s")

    def _release(self) -> None:
        self._is_open = False
        self.cancel_handshake_timeout()
        self._shared.counters.items_dropped += len(self._queue) + sum(map(len, self._backlogs))
        self._queue, self._queued_bytes = [], 0
        self._backlogs = []


def _address(name: object) -> str:
    if isinstance(name, tuple) and len(name) >= 2:
        return f"{name[0]}:{name[1]}"
    return "unknown"
