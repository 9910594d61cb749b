"""One TCP connection: frames out of bytes, queued items into few writes. It does not know what frames mean.

    items of a tick  ─ 256 bytes ─▶ write ─ 1 KiB more ─▶ write ─ 4 KiB more ─▶ write … ─ the tick ends ─▶ write

The other end begins with the first of them while this one still makes the others: two that ask and answer in batches
would else take turns, and one of their cores would always wait.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Final, Protocol, cast

from coterie.errors import BrokenFrame, OutboundFull
from coterie.runtime.transport.chunk_backlog import Backlog
from coterie.runtime.transport.framing.frames import FrameDecoder, FrameEncoder
from coterie.runtime.transport.framing.items import EMPTY, ITEMS_MAX, batches, join
from coterie.runtime.transport.handshake.certificate import Certificate, certificate_of
from coterie.runtime.transport.keep_alive import Patience, Vitals
from coterie.runtime.transport.transport_config import HELLO_CAP_BYTES
from coterie.runtime.transport.transport_state import Hub

__all__ = ["Connection", "ConnectionOwner"]

READ_SLICE_S: Final = 0.001

EARLY_BYTES: Final = 256
"""How much a tick queues before some of it leaves early; each next time it is `EARLY_GROWTH` times as much."""

EARLY_GROWTH: Final = 4

EARLY_ITEMS: Final = 8
"""With fewer items than these a write of their own is not worth it."""


class ConnectionOwner(Protocol):
    """Who decides what happens on a connection: a handshake first, then its link."""

    def connection_opened(self, connection: Connection) -> None:
        """Take note that bytes may flow."""
        ...

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        """Take the next payload. A `BrokenFrame` raised here counts as one that the decoder raised."""
        ...

    def connection_ended(self, connection: Connection) -> None:
        """Take note that the peer will send no more (TCP's FIN). The connection stays open until it is closed."""
        ...

    def connection_lost(self, connection: Connection, reason: str) -> None:
        """Take note that it is gone, broken, or made no link in time; not called after `abort` or `close`."""
        ...


class Connection(asyncio.Protocol):
    """The asyncio protocol of one connection.

    At most `outbound_limit_bytes` wait here and in the socket's buffer together: items are queued here, handed to the
    socket when a tick ends and at a few marks before, and held back while the socket's buffer is above
    `write_buffer_bytes`.

    Args:
        owner: who hears of it; handed on by assigning the attribute.
        hub: what it shares with the transport's other connections.
    """

    __slots__ = (
        "_backlogs",
        "_decoder",
        "_early_bytes",
        "_encoder",
        "_expiry",
        "_has_ended",
        "_hub",
        "_is_dirty",
        "_is_open",
        "_is_paused",
        "_is_sated",
        "_is_secured",
        "_mark_bytes",
        "_patience",
        "_queue",
        "_queued_bytes",
        "_room_bytes",
        "_transport",
        "address",
        "certificate",
        "has_heard",
        "has_spoken",
        "lane_class",
        "owner",
    )

    def __init__(self, owner: ConnectionOwner, hub: Hub) -> None:
        self.owner = owner
        self.lane_class = 0
        self.address = "unknown"
        self.has_heard = False  # since the last `beat`
        self.has_spoken = False  # since the last `beat`
        self.certificate: Certificate | None = None  # the peer's, if the connection is secured
        self._hub = hub
        self._transport: asyncio.Transport | None = None
        self._is_open = False
        self._is_paused = False
        self._is_sated = False  # frames wait here: nothing is read meanwhile
        self._is_secured = False
        self._has_ended = False  # the peer sends no more
        self._patience = Patience(hub.config)
        self._backlogs: list[Backlog] = []  # in the order of their turns
        self._decoder = FrameDecoder(HELLO_CAP_BYTES)
        self._encoder = FrameEncoder()
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._room_bytes = hub.config.outbound_limit_bytes
        self._early_bytes = EARLY_BYTES
        self._mark_bytes = min(self._early_bytes, self._room_bytes)
        self._is_dirty = False
        self._expiry: asyncio.TimerHandle | None = None

    # What the owner calls.

    @property
    def is_open(self) -> bool:
        """Whether it is connected and neither end has torn it down."""
        return self._is_open

    @property
    def queued_bytes(self) -> int:
        """How many bytes of items wait here (not counting the socket's buffer)."""
        return self._queued_bytes + sum(backlog.size_bytes for backlog in self._backlogs)

    @property
    def silent_s(self) -> float:
        """How long nothing has arrived (s), in whole beats."""
        return self._patience.silent_s

    def open_backlog(self, lane: int, emptied: Callable[[int], None]) -> Backlog:
        """Return what takes the place of `queue` for the items of `lane` until `emptied` is called."""
        config = self._hub.config
        backlog = Backlog(
            lane,
            soft_bytes=config.frame_soft_bytes,
            limit_bytes=config.outbound_limit_bytes,
            counters=self._hub.counters,
            queued=self._write_later,
            emptied=emptied,
        )
        self._backlogs.append(backlog)
        return backlog

    def queue(self, packed: bytes, node: str) -> None:
        """Queue a packed item for the end of this tick, at the latest. `OutboundFull` (towards `node`): no room."""
        size = len(packed)
        if self._queued_bytes + size > self._mark_bytes:
            self._pass_mark(size, node)
        self._queue.append(packed)
        self._queued_bytes += size
        if not self._is_dirty:
            self._is_dirty = True
            self._hub.write_later(self)

    def flush(self) -> None:
        """Write what is queued, unless the socket's buffer is full; chunks only until it is."""
        self._is_dirty = False
        self._early_bytes = EARLY_BYTES
        if self._is_paused or not self._is_open:
            return
        if self._queue:
            self._write_queue()
        if self._backlogs:
            self._write_chunks()

    def send_payload(self, payload: bytes) -> None:
        """Write a payload at once, ahead of what is queued."""
        if self._is_open:
            self._write(self._encoder.encode(payload), frames=1)

    def raise_cap(self) -> None:
        """Accept frames of full size: the handshake has passed."""
        self._decoder.cap_bytes = self._hub.config.frame_cap_bytes

    def settle(self) -> None:
        """Take note that the link stands: the time for making it no longer runs."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None

    def beat(self, step_s: float) -> str | None:
        """Let `step_s` of watching pass; say "I am here" if nothing else was said. Return why to give up, or None."""
        complaint = self._patience.beat(step_s, self._vitals())
        self.has_heard = False
        if not self.has_spoken and not self._is_paused:
            self.send_payload(EMPTY)
        self.has_spoken = False
        return complaint

    def finish(self) -> None:
        """Write all that is queued, even beyond the socket's buffer, then end our direction; keep the other open."""
        self.settle()
        if not self._is_open or self._transport is None:
            return
        if self._queue:
            self._write_queue()
        while self._backlogs:
            self._write_chunk()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def close(self) -> None:
        """Close after the socket's buffer has drained; the owner hears no more of it."""
        self._let_go()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; the owner hears no more of it."""
        self._let_go()
        if self._transport is not None:
            self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (asyncio.Protocol)."""
        # Nagle's delay is off already: asyncio and uvloop set TCP_NODELAY on every stream socket.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._hub.config.write_buffer_bytes)
        self._is_open = True
        channel = transport.get_extra_info("ssl_object")
        self._is_secured, self.certificate = channel is not None, certificate_of(channel)
        self.address = _address(transport.get_extra_info("peername"))
        self._hub.live[self] = None
        self._expiry = self._hub.loop.call_later(self._hub.config.handshake_timeout_s, self._expire)
        self.owner.connection_opened(self)

    def data_received(self, data: bytes) -> None:
        """Cut frames out of what arrived (asyncio.Protocol)."""
        self.has_heard = True
        self._hub.counters.bytes_in += len(data)
        self._decoder.feed(data)
        self._take_frames()

    def eof_received(self) -> bool:
        """Hear that the peer ends its direction (asyncio.Protocol).

        Ours stays open until the owner closes it; in TLS both directions end together, and the end comes with the last
        bytes although reading is paused: the frames that still wait here are handed on now, or they would be lost.
        """
        if self._is_sated:
            self._take_frames(math.inf)
        if self._is_open:
            self._has_ended = True
            self.owner.connection_ended(self)
        return not self._is_secured

    def connection_lost(self, exc: Exception | None) -> None:
        """End (asyncio.Protocol)."""
        was_open = self._is_open
        self._let_go()
        self._hub.forget(self)
        if was_open and not self._has_ended:
            self.owner.connection_lost(self, f"connection lost: {exc}" if exc else "connection closed")

    def pause_writing(self) -> None:
        """Hold back: the socket's buffer is full (asyncio.Protocol)."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on: the socket's buffer has drained (asyncio.Protocol)."""
        self._is_paused = False
        self._measure_room()
        self.flush()

    # Below: how it reads.

    def _take_frames(self, slice_s: float = READ_SLICE_S) -> None:
        """Hand frames on while the slice lasts. One read may bring so many that a heartbeat would wait behind them."""
        decoder, hub = self._decoder, self._hub
        end = hub.monotonic() + slice_s
        try:
            while self._is_open and (payload := decoder.next_payload()) is not None:
                hub.counters.frames_in += 1
                self.owner.payload_received(self, payload)
                if not decoder.held_bytes:
                    break
                if hub.monotonic() >= end:
                    self._take_later()
                    return
        except BrokenFrame as error:
            hub.counters.broken_frames += 1
            self._break_off(f"broken frame: {error}")
        if self._is_sated and self._transport is not None:
            self._is_sated = False
            if self._is_open:
                self._transport.resume_reading()

    def _take_later(self) -> None:
        """Go on when the loop has looked after all others; read no more until then."""
        if not self._is_open or self._transport is None:
            return
        if not self._is_sated:
            self._is_sated = True
            self._transport.pause_reading()
        self._hub.loop.call_soon(self._take_frames)

    # Below: how it writes.

    def _write_later(self) -> None:
        if not self._is_dirty:
            self._is_dirty = True
            self._hub.write_later(self)

    def _write_queue(self) -> None:
        queue, size, soft = self._queue, self._queued_bytes, self._hub.config.frame_soft_bytes
        self._queue, self._queued_bytes = [], 0
        self._hub.counters.items_out += len(queue)
        if size <= soft and len(queue) <= ITEMS_MAX:
            self._write(self._encoder.encode(join(queue)), frames=1)
        else:
            frames = [self._encoder.encode(join(batch)) for batch in batches(queue, soft)]
            self._write(b"".join(frames), frames=len(frames))
        self._measure_room()

    def _write_chunks(self) -> None:
        """Write chunks, the lanes in turn, while the socket takes them: what comes next must not wait for them all."""
        while self._backlogs and not self._is_paused and self._is_open:
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
        self.has_spoken = True
        self._hub.counters.frames_out += frames
        self._hub.counters.bytes_out += len(data)
        self._transport.write(data)

    def _pass_mark(self, size_bytes: int, node: str) -> None:
        """Let what is queued leave early; look again how much the socket has taken meanwhile, before refusing."""
        self._early_bytes *= EARLY_GROWTH
        if len(self._queue) >= EARLY_ITEMS and not self._is_paused and self._is_open:
            self._write_queue()
        self._measure_room()
        if self._queued_bytes + size_bytes > self._room_bytes:
            limit = self._hub.config.outbound_limit_bytes
            pending = self._queued_bytes + limit - self._room_bytes
            self._hub.counters.items_refused += 1
            raise OutboundFull(node, size_bytes=size_bytes, pending_bytes=pending, limit_bytes=limit)

    def _measure_room(self) -> None:
        if self._transport is not None:
            self._room_bytes = self._hub.config.outbound_limit_bytes - self._transport.get_write_buffer_size()
            self._mark_bytes = min(self._early_bytes, self._room_bytes)

    def _vitals(self) -> Vitals:
        unread_bytes = self._transport.get_write_buffer_size() if self._is_paused and self._transport is not None else 0
        return Vitals(self.has_heard, self._decoder.frames, self._decoder.held_bytes > 0, unread_bytes)

    def _expire(self) -> None:
        self._break_off(f"no link was made within {self._hub.config.handshake_timeout_s} s")

    def _break_off(self, reason: str) -> None:
        self.abort()
        self.owner.connection_lost(self, reason)

    def _let_go(self) -> None:
        self._is_open = False
        self.settle()
        self._hub.counters.items_dropped += len(self._queue) + sum(map(len, self._backlogs))
        self._queue, self._queued_bytes = [], 0
        self._backlogs = []


def _address(name: object) -> str:
    if isinstance(name, tuple) and len(name) >= 2:
        return f"{name[0]}:{name[1]}"
    return "unknown"
