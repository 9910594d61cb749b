"""`RealListener`: accepts TCP connections on the running asyncio loop, a bounded number of them in each turn.

The loops' own servers accept whatever waits, at once: a storm of connections then takes the last file descriptor before
any connection can be refused. And a TLS handshake that never ends is out of reach of everyone who could end it.

    accept ──▶ plain: protocol.connection_made
          └──▶ TLS:   first byte ──▶ handshake ──▶ protocol.connection_made     (at most `handshakes_max` at once; one
                          │                                                      more ends the oldest of the address
                          └─ no TLS ──▶ an answer without TLS, and closed        that has most)

Without a descriptor (EMFILE) nothing is accepted for `PAUSE_S`; connections wait in the kernel's queue meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from coterie.runtime.hosts.places_by_address import PlacesByAddress, network_of
from coterie.runtime.transport.handshake.tls_mismatch import TLS_RECORD

__all__ = ["ACCEPTS_PER_TURN", "RealListener", "TlsAccept", "bind_all"]

ACCEPTS_PER_TURN: Final = 16
"""The most connections that one socket accepts in a turn of the loop."""

PAUSE_S: Final = 0.25
"""How long nothing is accepted after the process, or the machine, was out of descriptors or memory."""

_WAITING_MAX: Final = 512
"""The most connections that wait in the kernel to be accepted (it may allow fewer)."""

_HANDSHAKE_TIMEOUT: Final = "ssl_handshake_timeout"

_HELLO_BYTES: Final = 8192
"""More than a Hello that is well formed."""

_EXHAUSTED: Final = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


@dataclass(frozen=True, slots=True)
class TlsAccept:
    """How accepted connections become TLS ones.

    Attributes:
        context: for all of them.
        handshakes_max: most handshakes at once.
        on_refused: called with the address (`host:port`) and the error of a handshake that failed; None instead of an
            error: it did not begin with TLS.
        plain_refusal: what those are answered whose first byte may be that of one of our frames.
        timeouts: of handshake and shutdown, as the loop takes them; the first byte has as long as the handshake.
    """

    context: ssl.SSLContext
    handshakes_max: int
    on_refused: Callable[[str, ssl.SSLError | None], None]
    plain_refusal: bytes
    timeouts: Mapping[str, Any]


async def bind_all(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for every address of `host` ("": all of this machine). OSError names the address."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    bound: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for info in dict.fromkeys(found):
            try:
                bound.append(_bound(info))
            except OSError as error:
                place = ":".join(map(str, info[4][:2]))
                missing = OSError(error.errno, f"cannot listen on {place}: {_reason(error)}")
                if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    raise missing from error
        if not bound:
            raise missing or OSError(errno.EADDRNOTAVAIL, f"{host!r} has no address")
    except BaseException:
        for each in bound:
            each.close()
        raise
    return bound


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _bound(info: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = info
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setblocking(False)
        bound.bind(address)
        bound.listen(_WAITING_MAX)
    except BaseException:
        bound.close()
        raise
    return bound


class RealListener:
    """Listening sockets of the running loop (see `bind_all`), which it owns.

    Args:
        sockets: the listening sockets.
        factory: makes the protocol of each connection.
        tls: if connections are secured.
    """

    def __init__(
        self, sockets: list[socket.socket], factory: Callable[[], asyncio.Protocol], tls: TlsAccept | None = None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = sockets
        self._factory = factory
        self._tls = tls
        self._opening: dict[asyncio.Task[None], socket.socket] = {}
        self._places: PlacesByAddress[asyncio.Task[None]] = PlacesByAddress()
        self._pauses: dict[socket.socket, asyncio.TimerHandle] = {}
        self._is_closed = False
        host, port, *_ = sockets[0].getsockname()
        self._address = (str(host), int(port))
        for each in sockets:
            self._loop.add_reader(each, self._accept_some, each)

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) bound; the first, if the name has several addresses."""
        return self._address

    def close(self) -> None:
        """Stop accepting, and end the TLS handshakes under way; accepted connections stay open. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        for pause in self._pauses.values():
            pause.cancel()
        for each in self._sockets:
            self._loop.remove_reader(each)
            each.close()
        for connection in self._opening.values() if self._tls is not None else ():
            _shut_down(connection)

    def _accept_some(self, listening: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, address = listening.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._pause(listening)
                    return
                continue  # of a connection that was gone before it was accepted
            connection.setblocking(False)
            self._open(connection, str(address[0]), int(address[1]))

    def _pause(self, listening: socket.socket) -> None:
        self._loop.remove_reader(listening)
        self._pauses[listening] = self._loop.call_later(PAUSE_S, self._resume, listening)

    def _resume(self, listening: socket.socket) -> None:
        del self._pauses[listening]
        self._loop.add_reader(listening, self._accept_some, listening)

    def _open(self, connection: socket.socket, host: str, port: int) -> None:
        making = self._make_transport(connection, f"{host}:{port}")
        task = self._loop.create_task(making, name="coterie accepts a connection")
        self._opening[task] = connection
        self._places.enter(task, network_of(host))
        task.add_done_callback(self._opened)
        if self._tls is not None and len(self._places) > self._tls.handshakes_max:
            surplus = self._places.most_crowded()
            self._places.leave(surplus)
            _shut_down(self._opening[surplus])

    def _opened(self, task: asyncio.Task[None]) -> None:
        del self._opening[task]
        self._places.leave(task)

    async def _make_transport(self, connection: socket.socket, address: str) -> None:
        """Make the loop's transport, or report why there is none; an error of the socket ends the connection."""
        tls = self._tls
        with contextlib.suppress(OSError):
            if tls is None:
                await self._loop.connect_accepted_socket(self._factory, connection)
                return
            if not await self._begins_tls(connection, address, tls):
                return
            try:
                await self._loop.connect_accepted_socket(self._factory, connection, ssl=tls.context, **tls.timeouts)
            except ssl.SSLError as error:
                tls.on_refused(address, error)

    async def _begins_tls(self, connection: socket.socket, address: str, tls: TlsAccept) -> bool:
        """Wait for the first byte, and leave it unread; if it is none of TLS, answer, report and close."""
        begins = False
        try:
            async with asyncio.timeout(tls.timeouts[_HANDSHAKE_TIMEOUT]):
                first = await self._first_byte(connection)
            begins = first == TLS_RECORD
            if first and not begins:
                tls.on_refused(address, None)
            if first == b"\0":
                connection.recv(_HELLO_BYTES)  # what is unread when a socket is closed resets the connection
                connection.send(tls.plain_refusal)
        finally:
            if not begins:
                connection.close()
        return begins

    async def _first_byte(self, connection: socket.socket) -> bytes:
        """Return the first byte, which stays to be read; b"" if the other end has closed."""
        arrived = self._loop.create_future()
        self._loop.add_reader(connection, _set, arrived)
        try:
            await arrived
        finally:
            self._loop.remove_reader(connection)
        return connection.recv(1, socket.MSG_PEEK)


def _set(arrived: asyncio.Future[None]) -> None:
    if not arrived.done():
        arrived.set_result(None)


def _shut_down(connection: socket.socket) -> None:
    """End a connection whose transport owns the socket: the transport sees the end, and closes it."""
    with contextlib.suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)
