"""`ProxyTunnel`: forwards one connection through a chaos proxy: two sockets, and a `ProxyPipe` for each direction."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

from coterie.nemesis.proxy_pipe import ProxyPipe
from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink
from coterie.runtime.hosts.virtual.virtual_link import Signal

__all__ = ["ProxyTunnel"]

NO_LINGER: Final = struct.pack("ii", 1, 0)
"""SO_LINGER with time 0: closing the socket sends a reset (RST)."""


class ProxyTunnel:
    """A proxied connection, with both its sockets.

    Args:
        forward: the link from the dialer to the node.
        backward: the link from the node to the dialer.
        clock: the clock of the link conditions.
        ended: called once, when both sockets are closed.
    """

    def __init__(
        self, forward: ConditionedLink, backward: ConditionedLink, clock: Clock, ended: Callable[[ProxyTunnel], None]
    ) -> None:
        self.accepted = _Socket(self)
        """The protocol of the accepted socket (to the dialer)."""
        self.dialled = _Socket(self)
        """The protocol of the dialled socket (to the node)."""
        self.forward = ProxyPipe(forward, self.accepted, self.dialled, clock)
        """From the dialer to the node."""
        self.backward = ProxyPipe(backward, self.dialled, self.accepted, clock)
        """From the node to the dialer."""
        self.accepted.outgoing, self.accepted.incoming = self.forward, self.backward
        self.dialled.outgoing, self.dialled.incoming = self.backward, self.forward
        self.is_broken = False
        """Whether the proxy has reset it."""
        self._ended = ended
        self._is_closed = False

    @property
    def pipes(self) -> tuple[ProxyPipe, ProxyPipe]:
        """Both directions: forward, backward."""
        return self.forward, self.backward

    def dial_failed(self) -> None:
        """Note that the node cannot be dialled; the dialer gets a reset."""
        self.dialled.is_closed = True
        self.reset()

    def reset(self) -> None:
        """Reset both sockets at once; bytes in flight are lost."""
        self.is_broken = True
        for pipe in self.pipes:
            pipe.close()
        for end in (self.accepted, self.dialled):
            end.deliver(Signal.RESET)
        self.socket_closed()

    def socket_closed(self) -> None:
        """Note that a socket may have closed (called by the sockets)."""
        if self.accepted.is_closed and self.dialled.is_closed and not self._is_closed:
            self._is_closed = True
            for pipe in self.pipes:
                pipe.close()
            self._ended(self)


class _Socket(asyncio.Protocol):
    """One socket of a tunnel (`PipeEnd`): bytes read go into `outgoing`; bytes out of `incoming` are written."""

    outgoing: ProxyPipe
    incoming: ProxyPipe

    def __init__(self, tunnel: ProxyTunnel) -> None:
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
        self.incoming.close()
        if not (self._has_read_all and self._has_written_all):
            self.outgoing.push(Signal.RESET)
        self._tunnel.socket_closed()

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = self.is_closed
        self.incoming.pump()

    def pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
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
            with contextlib.suppress(OSError):  # it has just broken; `connection_lost` follows
                transport.write_eof()
            self._close_if_done()

    def _close_if_done(self) -> None:
        if self._has_read_all and self._has_written_all and self._transport is not None:
            self._transport.close()


def _abort(transport: asyncio.Transport) -> None:
    raw: socket.socket | None = transport.get_extra_info("socket")
    if raw is not None and not transport.is_closing():
        with contextlib.suppress(OSError):  # it is closed already
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
    transport.abort()
