"""`RealDatagramSocket`: sends and receives UDP datagrams through the running asyncio loop."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import math
import socket
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

from coterie.runtime.hosts.host import DatagramReceiver

__all__ = ["RealDatagramSocket", "open_datagram_socket"]

RESOLVE_AGAIN_S: Final = 30.0
"""After this time a name is resolved again, in the background; meanwhile its last address is used."""

_TARGETS_MAX: Final = 4096
_ANY_HOST: Final = "0.0.0.0"

Address = tuple[str, int]


async def open_datagram_socket(received: DatagramReceiver, host: str, port: int) -> RealDatagramSocket:
    """Open a UDP socket at (host, port). OSError, naming the address, if it cannot be bound."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host or _ANY_HOST, port, type=socket.SOCK_DGRAM)
        bound = _bound(found[0])
    except OSError as error:
        raise _not_bound(error, host, port) from error
    _, opened = await loop.create_datagram_endpoint(lambda: RealDatagramSocket(received, loop), sock=bound)
    return opened


def _not_bound(error: OSError, host: str, port: int) -> OSError:
    """Return the error that says that it is the UDP port: one for TCP may be free, and is listed by other tools."""
    if error.errno == errno.EADDRINUSE:
        why = f"UDP port {port} of {host or _ANY_HOST} is in use (failure detectors send datagrams there)"
    else:
        why = f"cannot receive datagrams at UDP port {port} of {host or _ANY_HOST}: {error.strerror or error}"
    return OSError(error.errno, why)


def _bound(info: tuple[Any, ...]) -> socket.socket:
    """Return a new socket bound to an address; not by the loop: uvloop leaks one that cannot be bound."""
    family, kind, protocol, _, address = info
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setblocking(False)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


@dataclass(slots=True)
class _Target:
    """The resolved address of (host, port); None: not known yet."""

    resolved: Any = None
    resolve_again_s: float = 0.0
    task: asyncio.Task[None] | None = None


class _Transport(Protocol):
    """What both loops' transports have; `asyncio.DatagramTransport` lacks the size."""

    def sendto(self, data: bytes, addr: Any, /) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def abort(self) -> None: ...


class RealDatagramSocket(asyncio.DatagramProtocol):
    """A UDP socket; implements `DatagramSocket`. See `open_datagram_socket`."""

    def __init__(self, received: DatagramReceiver, loop: asyncio.AbstractEventLoop) -> None:
        self.dropped = 0
        """Number of datagrams that were not sent."""
        self.errors = 0
        """Number of errors of the network."""
        self._received = received
        self._loop = loop
        self._transport: _Transport | None = None
        self._family: int = socket.AF_UNSPEC
        self._address: Address = ("", 0)
        self._targets: dict[Address, _Target] = {}

    @property
    def address(self) -> Address:
        """The (host, port) bound."""
        return self._address

    def send(self, data: bytes, address: Address) -> None:
        """Send a datagram. It is dropped, and counted, if the socket's buffer is full or a name is not resolved yet."""
        transport = self._transport
        if transport is None:
            return
        resolved = self._resolved(address)
        # Both loops would queue a datagram that the kernel does not take, without a limit.
        if resolved is None or transport.get_write_buffer_size() > 0:
            self.dropped += 1
            return
        try:
            transport.sendto(data, resolved)
        except (OSError, ValueError):  # ValueError: uvloop's, for an address of another family
            self.errors += 1

    def close(self) -> None:
        """Send and receive nothing more. Idempotent."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        for target in self._targets.values():
            if target.task is not None:
                target.task.cancel()
        self._targets.clear()

    # --- names ------------------------------------------------------------------------------------------------------

    def _resolved(self, address: Address) -> Any:
        """Return what to send to; None while a name is resolved for the first time."""
        target = self._targets.get(address)
        if target is None:
            if len(self._targets) >= _TARGETS_MAX:
                self._forget_oldest()
            target = self._targets[address] = _Target(address, math.inf) if _is_number(address[0]) else _Target()
        if target.task is None and self._loop.time() >= target.resolve_again_s:
            target.task = self._loop.create_task(self._resolve(address, target))
        return target.resolved

    def _forget_oldest(self) -> None:
        oldest = self._targets.pop(next(iter(self._targets)))
        if oldest.task is not None:
            oldest.task.cancel()

    async def _resolve(self, address: Address, target: _Target) -> None:
        try:
            found = await self._loop.getaddrinfo(*address, family=self._family, type=socket.SOCK_DGRAM)
            target.resolved = found[0][4]
        except (OSError, UnicodeError):  # UnicodeError: it cannot be a name
            self.errors += 1
        finally:
            target.task = None
            target.resolve_again_s = self._loop.time() + (RESOLVE_AGAIN_S if target.resolved is not None else 0.0)

    # --- what the loop calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the bound address."""
        self._transport = cast(_Transport, transport)
        host, port, *_ = transport.get_extra_info("sockname")
        self._address = (str(host), int(port))
        self._family = transport.get_extra_info("socket").family

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Pass a datagram on."""
        if self._transport is not None:
            self._received(data, (str(addr[0]), int(addr[1])))

    def error_received(self, exc: Exception) -> None:
        """Count an error: a datagram too large, or an ICMP message."""
        del exc
        self.errors += 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop sending: the loop has closed the socket."""
        del exc
        self._transport = None


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
