"""`VirtualTransport`: implements one end of a connection in memory; `Pipe`: delivers bytes to the other end, in order.

    transport ──write──▶ buffer ──send window──▶ pipe (latency, stalls) ──▶ inbox ──▶ peer's protocol

As in TCP, a partition or a frozen node leaves no gap in the stream: the stream stalls, and later continues or is
reset. The send window limits the bytes in flight and unread, so that a paused reader fills the writer's buffer.
"""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

from coterie.runtime.hosts.virtual.handle_owners import Owner
from coterie.runtime.hosts.virtual.virtual_link import Signal, VirtualLink
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["Pipe", "VirtualTransport"]

_DEFAULT_HIGH_WATER_BYTES = 64 * 1024  # asyncio's own


class Pipe:
    """One direction of a connection, along `link`.

    The link gives the delay of each item, and is checked before each delivery for a block. `window_bytes` limits the
    bytes in flight or unread.
    """

    def __init__(self, link: VirtualLink, *, window_bytes: int) -> None:
        self.link = link
        """The link that carries the items."""
        self.has_gap = False
        """Whether a sent item was lost in a black hole: then no later item arrives either."""
        self.receiver: VirtualTransport | None = None
        """The end that receives the items; None until it is connected."""
        self._window_bytes = window_bytes
        self._loop = VirtualLoop.running()
        self._clock = self._loop.clock
        self._in_flight: deque[tuple[float, bytes | Signal]] = deque()
        self._in_flight_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight."""
        return not self._in_flight

    def room_bytes(self) -> int:
        """Return how many more bytes fit into the send window."""
        unread = 0 if self.receiver is None else self.receiver.unread_bytes
        return self._window_bytes - self._in_flight_bytes - unread

    def push(self, item: bytes | Signal) -> None:
        """Send `item`; it never overtakes an earlier one, which leaves the queue first."""
        link = self.link
        if self.has_gap or link.is_black_hole:
            self.has_gap = True
            return
        size = len(item) if isinstance(item, bytes) else 0
        due = self._clock.now_s + link.delay_s(size)
        self._in_flight_bytes += size
        self._in_flight.append((due, item))
        if self._timer is None:
            self.kick()

    def kick(self) -> None:
        """Schedule the next delivery; call it again when a stall may have ended."""
        link, receiver = self.link, self.receiver
        if self._timer is not None or not self._in_flight or receiver is None or link.is_blocked or link.is_frozen:
            return
        self._timer = self._loop.call_at_for(receiver.owner, self._in_flight[0][0], self._deliver)

    def reschedule(self) -> None:
        """Schedule the next delivery again, because the receiver's owner has changed: its process crashed."""
        self._cancel_timer()
        self.kick()

    def clear(self) -> None:
        """Drop everything in flight."""
        self._in_flight.clear()
        self._in_flight_bytes = 0
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _deliver(self) -> None:
        self._timer = None
        now_s = self._clock.now_s
        in_flight, link, receiver = self._in_flight, self.link, self.receiver
        while receiver is not None and in_flight and in_flight[0][0] <= now_s:
            if link.is_blocked or link.is_frozen:
                return
            item = in_flight.popleft()[1]
            self._in_flight_bytes -= len(item) if isinstance(item, bytes) else 0
            for piece in link.carry(item):
                receiver.receive(piece)
        if in_flight:
            self.kick()


class VirtualTransport(asyncio.Transport):
    """One end of a virtual connection; implements `asyncio.Transport`.

    `outgoing` and `incoming` are its two pipes, `names` the values for `get_extra_info` (peername, sockname), and
    `max_segment_bytes` the most bytes passed to one `data_received`: small values split frames at unusual places.
    `on_lost` is called when the connection ends at this end.
    """

    def __init__(
        self,
        protocol: asyncio.Protocol,
        outgoing: Pipe,
        incoming: Pipe,
        *,
        names: dict[str, object],
        max_segment_bytes: int,
        on_lost: Callable[[VirtualTransport], None],
    ) -> None:
        super().__init__(extra=dict(names))
        self.outgoing = outgoing
        """The pipe away from this end."""
        self.incoming = incoming
        """The pipe towards this end."""
        self._protocol = protocol
        self._max_segment_bytes = max_segment_bytes
        self._on_lost = on_lost
        self._loop = VirtualLoop.running()
        self.owner: Owner | None = self._loop.owner
        """The process that owns this end; None: the world itself, or the process has crashed."""
        self.is_silent = False
        """Whether arriving items are not answered: the machine is off."""
        self.buffer = bytearray()
        """Written bytes that did not yet fit into the send window."""
        self._high_water = _DEFAULT_HIGH_WATER_BYTES
        self._low_water = _DEFAULT_HIGH_WATER_BYTES // 4
        self._inbox: deque[bytes | Signal] = deque()
        self.unread_bytes = 0
        """Number of bytes that have arrived and wait for `resume_reading`."""
        self._reading = True
        self._writing_paused = False
        self._eof_written = False
        self._eof_sent = False
        self._closing = False
        self._lost = False

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended at this end."""
        return self._lost

    def start(self) -> None:
        """Call the protocol's `connection_made`, and begin to receive."""
        self._tell(self._protocol.connection_made, self)
        self.incoming.receiver = self
        self.incoming.kick()

    # --- what the program calls (asyncio.Transport)

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replace the protocol."""
        self._protocol = cast(asyncio.Protocol, protocol)  # duck typing, as in asyncio

    def is_closing(self) -> bool:
        """Return whether `close` or `abort` was called or the connection is lost."""
        return self._closing

    def is_reading(self) -> bool:
        """Return whether received bytes are passed to the protocol."""
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        """Hold received bytes back; once the send window is full the writer stalls."""
        self._reading = False

    def resume_reading(self) -> None:
        """Pass received bytes to the protocol again, in a later turn."""
        if not self._reading:
            self._reading = True
            self._loop.call_soon_for(self.owner, self._read)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Send `data` after all earlier writes. Ignored once closing, as in asyncio."""
        if self._eof_written:
            raise RuntimeError("cannot write after write_eof()")
        if self._closing or not data:
            return
        if not self.buffer and len(data) <= self._max_segment_bytes and len(data) <= self.outgoing.room_bytes():
            self.outgoing.push(bytes(data))  # the common case: nothing is buffered, and all of it fits
            return
        self.buffer += data
        self._pump()
        if len(self.buffer) > self._high_water and not self._writing_paused:
            self._writing_paused = True
            self._tell(self._protocol.pause_writing)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """Write the concatenation."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Close the writing half after the written data; reading continues."""
        self._eof_written = True
        self._pump()

    def can_write_eof(self) -> bool:
        """Return True."""
        return True

    def get_write_buffer_size(self) -> int:
        """Return how many written bytes did not yet fit into the send window."""
        return len(self.buffer)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """Return (low, high) in bytes."""
        return self._low_water, self._high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the buffer sizes for `pause_writing` (above `high` bytes) and `resume_writing` (at most `low` bytes)."""
        if high is None:
            high = _DEFAULT_HIGH_WATER_BYTES if low is None else 4 * low
        low = high // 4 if low is None else low
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) must be >= low ({low}) must be >= 0")
        self._high_water, self._low_water = high, low

    def close(self) -> None:
        """Send the buffered data, then close. Nothing more is read."""
        if not self._closing:
            self._closing = True
            self._pump()

    def abort(self) -> None:
        """Close at once: buffered data is lost, the peer gets a reset."""
        if not self._lost:
            self.outgoing.push(Signal.RESET)
            self.lose(None)

    # --- what the network calls

    def lose(self, error: Exception | None) -> None:
        """End the connection at this end now; the protocol's `connection_lost` is called in the next turn."""
        if self._lost:
            return
        self._lost = self._closing = True
        self.buffer.clear()
        self._drop_inbox()
        self._on_lost(self)
        self._loop.call_soon_for(self.owner, self._tell, self._protocol.connection_lost, error)

    def crash(self, *, is_silent: bool) -> None:
        """End the connection at this end without calling the protocol: the process crashed.

        The peer gets a reset, or nothing if `is_silent`.
        """
        if not is_silent:
            self.outgoing.push(Signal.RESET)
        self._lost = self._closing = True
        self.is_silent = is_silent
        self.owner = None
        self.buffer.clear()
        self._drop_inbox()
        self._on_lost(self)
        self.incoming.reschedule()

    def receive(self, item: bytes | Signal) -> None:
        """Take an item that arrived through the incoming pipe."""
        if self.is_silent:
            return
        if item is Signal.RESET:
            self.lose(ConnectionResetError(errno.ECONNRESET, "connection reset by peer"))
        elif self._lost:
            self._refuse(item)
        elif isinstance(item, bytes) and self._reading and not self._inbox and not self._closing:
            self._tell(self._protocol.data_received, item)  # the common case: nothing is unread
            self._acknowledge()
        else:
            self._inbox.append(item)
            self.unread_bytes += len(item) if isinstance(item, bytes) else 0
            self._read()

    def _refuse(self, item: bytes | Signal) -> None:
        # Bytes for a closed socket are answered with a reset; an EOF needs no answer.
        if isinstance(item, bytes):
            self.outgoing.push(Signal.RESET)

    # --- between the two

    def _read(self) -> None:
        while self._inbox and self._reading and not self._closing:
            item = self._inbox.popleft()
            if isinstance(item, bytes):
                self._deliver_data(item)
            else:
                self._end_of_input()
        if self._closing:
            self._drop_inbox()
        self._acknowledge()

    def _deliver_data(self, data: bytes) -> None:
        self.unread_bytes -= len(data)
        self._tell(self._protocol.data_received, data)

    def _end_of_input(self) -> None:
        keep_open: list[bool | None] = []
        self._tell(lambda: keep_open.append(self._protocol.eof_received()))
        if not any(keep_open):
            self.close()

    def _drop_inbox(self) -> None:
        self._inbox.clear()
        self.unread_bytes = 0

    def _acknowledge(self) -> None:
        """Notify the writer that the send window has room again."""
        writer = self.outgoing.receiver
        if writer is not None and writer.buffer:
            self._loop.call_soon_for(writer.owner, writer.window_opened)

    def window_opened(self) -> None:
        """Continue to send: the peer has read."""
        if not self._lost:
            self._pump()

    def _pump(self) -> None:
        while self.buffer and (room := self.outgoing.room_bytes()) > 0:
            size = min(room, self._max_segment_bytes)
            self.outgoing.push(bytes(self.buffer[:size]))
            del self.buffer[:size]
        if not self.buffer:
            self._finish_output()
        if self._writing_paused and len(self.buffer) <= self._low_water:
            self._writing_paused = False
            self._tell(self._protocol.resume_writing)

    def _finish_output(self) -> None:
        if (self._eof_written or self._closing) and not self._eof_sent:
            self._eof_sent = True
            self.outgoing.push(Signal.EOF)
        if self._closing:
            self.lose(None)

    def _tell(self, callback: Callable[..., object], *args: object) -> None:
        """Call the protocol; its error is fatal for the connection and goes to the loop's exception handler."""
        try:
            callback(*args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - as asyncio's own transports do
            self._loop.call_exception_handler(
                {"message": f"Fatal error: {callback!r} failed", "exception": error, "transport": self}
            )
            self.abort()
