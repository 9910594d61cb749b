"""One connection through a proxy: two sockets, and a pipe for each direction between them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from coterie.nemesis.proxy_pipe import Pipe
from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.link_conditions import WeatherLink
from coterie.runtime.hosts.virtual.virtual_link import Signal

__all__ = ["Tunnel"]

NO_LINGERING: Final = struct.pack("ii", 1, 0)
"""Who closes such a socket sends a reset."""


class Tunnel:
    """A connection, and both its sockets.

    Args:
        there: the weather from who dialled.
        back: the weather to who dialled.
        clock: that of the weather.
        ended: called once, when both sockets are gone.
    """

    def __init__(self, there: WeatherLink, back: WeatherLink, clock: Clock, ended: Callable[[Tunnel], None]) -> None:
        self.near = _Socket(self)
        """The protocol of the accepted socket."""
        self.far = _Socket(self)
        """The protocol of the dialled one."""
        self.there = Pipe(there, self.near, self.far, clock)
        """From who dialled."""
        self.back = Pipe(back, self.far, self.near, clock)
        """To who dialled."""
        self.near.outgoing, self.near.incoming = self.there, self.back
        self.far.outgoing, self.far.incoming = self.back, self.there
        self.is_broken = False
        """Whether it was reset from here."""
        self._ended = ended
        self._is_over = False

    @property
    def pipes(self) -> tuple[Pipe, Pipe]:
        """There and back."""
        return self.there, self.back

    def dial_failed(self) -> None:
        """Note that there will be no far socket: who dialled learns it by a reset."""
        self.far.is_closed = True
        self.break_off()

    def break_off(self) -> None:
        """Reset both sockets at once; what is under way is lost."""
        self.is_broken = True
        for pipe in self.pipes:
            pipe.end()
        for end in (self.near, self.far):
            end.deliver(Signal.RESET)
        self.socket_closed()

    def socket_closed(self) -> None:
        """Note that a socket may have closed (called by the sockets)."""
        if self.near.is_closed and self.far.is_closed and not self._is_over:
            self._is_over = True
            for pipe in self.pipes:
                pipe.end()
            self._ended(self)


class _Socket(asyncio.Protocol):
    """One socket of a tunnel (PipeEnd): what is read goes into `outgoing`, what comes out of `incoming` is written."""

    outgoing: Pipe
    incoming: Pipe

    def __init__(self, tunnel: Tunnel) -> None:
        self.is_full = True  # until it is connected
        self.is_closed = False
        self._tunnel = tunnel
        self._transport: asyncio.Transport | None = None
        self._has_read_all = False
        self._has_written_all = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._tunnel.is_broken:
            self.deliver(Signal.RESET)
            return
        self.is_full = False
        self.incoming.pump()

    def data_received(self, data: bytes) -> None:
        self.outgoing.push(data)

    def eof_received(self) -> bool:
        self._has_read_all = True
        self.outgoing.push(Signal.EOF)
        self._close_if_done()
        return True  # the other direction goes on

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = self.is_full = True
        self.incoming.end()
        if not (self._has_read_all and self._has_written_all):
            self.outgoing.push(Signal.RESET)
        self._tunnel.socket_closed()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = self.is_closed
        self.incoming.pump()

    def hold(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def go_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def deliver(self, item: bytes | Signal) -> None:
        transport = self._transport
        if transport is None or self.is_closed:
            return
        if item is Signal.RESET:
            _abort(transport)
        elif transport.is_closing():
            return
        elif isinstance(item, bytes):
            transport.write(item)
        else:
            self._has_written_all = True
            with contextlib.suppress(OSError):  # it broke a moment ago, and says so in a moment
                transport.write_eof()
            self._close_if_done()

    def _close_if_done(self) -> None:
        if self._has_read_all and self._has_written_all and self._transport is not None:
            self._transport.close()


def _abort(transport: asyncio.Transport) -> None:
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None and not transport.is_closing():
        with contextlib.suppress(OSError):  # it is gone already
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGERING)
    transport.abort()
