"""`Datagrams`: sends messages to actors of other nodes in single UDP datagrams; `system.datagrams`.

    await system.listen("10.0.0.1", 7401, datagrams=True)       # the same port number for links and datagrams
    system.datagrams.tell(Address("n2", "detector"), Ping(7))

A message arrives at most once, in no order, or not at all; nothing is repeated and nobody hears of a loss. It does not
wait behind others, as on a link, and it arrives although the link is down: made for failure detectors.

A message goes over the link instead (as by `Ref.tell`) if it does not fit into a datagram, if this system has no socket
for datagrams, or if the peer is not known: it must have been added with `add_peer`, and have passed a handshake once.
Give its class the lane CONSENSUS, so that it then does not wait behind bulk messages.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from coterie.errors import BadMessage
from coterie.runtime.datagrams.authentication import CODE_BYTES, DatagramAuthentication
from coterie.runtime.datagrams.datagram_format import ProcessName, encode_header, header_bytes, pack_body
from coterie.runtime.datagrams.incoming_datagrams import IncomingDatagrams
from coterie.runtime.messages.message import message_type

if TYPE_CHECKING:
    from coterie.runtime.hosts.host import DatagramSocket
    from coterie.runtime.refs import Address
    from coterie.runtime.system import System
    from coterie.runtime.transport.handshake.shared_key import Auth
    from coterie.runtime.transport.transport import Transport

__all__ = ["Datagrams"]

_PORT_ATTEMPTS: Final = 16
"""How many free ports are tried until one is free for links and for datagrams."""


class _Receiver:
    """The process of a peer to which datagrams are sent, and the number of the last one."""

    __slots__ = ("header_bytes", "process", "sequence")

    def __init__(self, process: ProcessName, header_bytes: int) -> None:
        self.process = process
        self.header_bytes = header_bytes
        self.sequence = 0


class Datagrams:
    """Sends and receives the datagrams of one system.

    Args:
        system: the system.
        auth: its shared keys: with them, nobody who does not know a key can make a datagram that is believed.
        has_tls: whether its links are in TLS. Without `auth` it then sends no datagrams: TLS does not protect them.
    """

    def __init__(self, system: System, auth: Auth | None, *, has_tls: bool) -> None:
        config = system.config.datagrams
        self._system = system
        self._is_allowed = auth is not None or not has_tls
        self._authentication = DatagramAuthentication(auth)
        self._max_bytes = config.max_bytes
        self._incoming = IncomingDatagrams(system, self._authentication, config.replay_window)
        self._sockets: list[DatagramSocket] = []
        self._receivers: dict[str, _Receiver] = {}
        self._sent = 0
        self._sent_by_link = 0

    # --- sockets ----------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether this system has a socket for datagrams; without one, `tell` uses the links."""
        return bool(self._sockets)

    @property
    def is_authenticated(self) -> bool:
        """Whether a datagram is believed only if its sender knows a shared key."""
        return self._authentication.is_keyed

    async def listen(self, transport: Transport, host: str, port: int, *, insecure: bool) -> tuple[str, int]:
        """Listen for links and for datagrams at one (host, port), and return it; see `System.listen`.

        Of a system with TLS and without a shared key it opens no socket for datagrams.
        """
        if not self._is_allowed:
            return await transport.listen(host, port, insecure=insecure)
        transport.check_may_listen(host, insecure=insecure)
        for _ in range(_PORT_ATTEMPTS - 1):
            try:
                return await self._listen_once(transport, host, port, insecure=insecure)
            except OSError as error:
                if port != 0 or error.errno != errno.EADDRINUSE:
                    raise
        return await self._listen_once(transport, host, port, insecure=insecure)

    async def _listen_once(self, transport: Transport, host: str, port: int, *, insecure: bool) -> tuple[str, int]:
        socket = await self._system.host.network.open_datagrams(self._incoming.take, host, port)
        try:
            bound = await transport.listen(host, socket.address[1], insecure=insecure)
        except BaseException:
            socket.close()
            raise
        self._sockets.append(socket)
        return bound

    def close(self) -> None:
        """Send and receive nothing more. Idempotent."""
        for socket in self._sockets:
            socket.close()
        self._sockets.clear()

    # --- sending ----------------------------------------------------------------------------------------------------

    def tell(self, address: Address, message: object) -> None:
        """Send `message` to the actor at `address`: never blocks, never raises for the network or a missing actor.

        Raises:
            MessageTypeError: it is not a message, or its class has no name that can cross nodes.
        """
        place = self._place_of(address.node) if self._sockets else None
        packet = None if place is None else self._packet(address, message)
        if place is not None and packet is not None:
            self._sent += 1
            self._sockets[0].send(packet, place)
            return
        if address.node != self._system.node:
            self._sent_by_link += 1
        self._system.at(address).tell(message)

    def budget_bytes(self, address: Address, message_class: type) -> int:
        """Return how many bytes the fields of a message to `address` may have (see `size_bytes`) to fit in a datagram.

        0 if it would go over the link whatever its size. MessageTypeError if the class is not a message.
        """
        receiver = self._receiver(address.node) if self._sockets else None
        if receiver is None:
            return 0
        empty = pack_body(address.path, message_type(message_class).name, ())
        return max(0, self._max_bytes - receiver.header_bytes - CODE_BYTES - len(empty))

    def size_bytes(self, message: object) -> int:
        """Return the size of the fields of a message as they are sent. BadMessage, TypeError: they cannot be sent."""
        row = message_type(type(message)).encode(message)
        return len(pack_body("", "", tuple(row))) - len(pack_body("", "", ()))

    def _place_of(self, node: str) -> tuple[str, int] | None:
        transport = self._system.remoting.transport
        return None if transport is None else transport.address_of(node)

    def _packet(self, address: Address, message: object) -> bytes | None:
        """Return the datagram; None if the message must go over the link."""
        receiver = self._receiver(address.node)
        described = message_type(type(message))
        if receiver is None or described.name.startswith("__main__."):
            return None
        try:
            body = pack_body(address.path, described.name, tuple(described.encode(message)))
        except (BadMessage, TypeError, RecursionError):
            return None  # the tell over the link reports it
        if receiver.header_bytes + len(body) + CODE_BYTES > self._max_bytes:
            return None
        receiver.sequence += 1
        identity = self._system.identity
        ours = ProcessName(identity.node, identity.incarnation)
        covered = encode_header(identity.cluster, ours, receiver.process, receiver.sequence) + body
        return covered + self._authentication.code(covered)

    def _receiver(self, node: str) -> _Receiver | None:
        """Return the process that `node` is now; None if there was no handshake with it, or a name is too long."""
        peer = self._system.remoting.known_peer(node)
        if peer is None:
            return None
        known = self._receivers.get(node)
        if known is not None and known.process.incarnation == peer.incarnation:
            return known
        identity = self._system.identity
        size = header_bytes(identity.cluster, identity.node, node)
        if size is None:
            return None
        made = self._receivers[node] = _Receiver(ProcessName(node, peer.incarnation), size)
        return made

    # --- inspection -------------------------------------------------------------------------------------------------

    def stats(self) -> dict[str, int]:
        """Return counters since the start.

        `sent`: datagrams handed to the socket. `sent_by_link`: messages told over a link instead. `delivered`:
        datagrams believed and decoded. `unsent`: datagrams that the socket could not take. `network_errors`. And
        `dropped_…`: datagrams not believed, by reason (see `DropReason`).
        """
        incoming = self._incoming
        return {
            "sent": self._sent,
            "sent_by_link": self._sent_by_link,
            "delivered": incoming.delivered,
            "unsent": sum(socket.dropped for socket in self._sockets),
            "network_errors": sum(socket.errors for socket in self._sockets),
            **{f"dropped_{reason.value}": count for reason, count in incoming.dropped.counts.items()},
        }
