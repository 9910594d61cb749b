"""`LinkListener`: accepts connections, answers handshakes, and makes one link of the two connections of each peer."""

from __future__ import annotations

from functools import partial

from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.handshake.certificate import certificate_refusal
from coterie.runtime.transport.handshake.handshake import AcceptorHandshake, Continue, Passed
from coterie.runtime.transport.handshake.handshake_messages import HandshakeRefusal, Hello, RefusalReason, refuse
from coterie.runtime.transport.handshake.identity import Peer
from coterie.runtime.transport.link import Link
from coterie.runtime.transport.peers import Peers
from coterie.runtime.transport.transport_events import TransportEvents
from coterie.runtime.transport.transport_state import TransportState

__all__ = ["LinkListener"]

_LinkKey = tuple[Peer, int]  # the dialer, and the id of its link


class LinkListener:
    """Owns accepted connections until a link takes them over (ConnectionOwner).

    Each has `handshake_timeout_s` from its opening until its link is up. Nothing that a connection sends after its
    handshake is decoded before the link is paired.
    """

    def __init__(self, shared: TransportState, peers: Peers, events: TransportEvents) -> None:
        self._shared = shared
        self._peers = peers
        self._events = events
        self._handshakes: dict[Connection, AcceptorHandshake] = {}
        self._unpaired: dict[_LinkKey, Connection] = {}  # first connections of links that wait for their second
        self._is_closed = False

    def accept(self) -> Connection:
        """Return the asyncio protocol of a new connection."""
        return Connection(self, self._shared)

    def close(self) -> None:
        """Refuse all further connections. The caller aborts those that are not yet part of a link."""
        self._is_closed = True
        self._handshakes.clear()
        self._unpaired.clear()

    def connection_opened(self, connection: Connection) -> None:
        """Start the handshake, or refuse the connection."""
        refusal = self._overload()
        if refusal is not None:
            self._refuse(connection, refusal)
            return
        shared = self._shared
        admit = partial(self._admit, connection)
        self._handshakes[connection] = AcceptorHandshake(
            shared.identity, admit, credentials=shared.credentials(), versions=shared.config.versions
        )

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        """Pass a payload to the handshake. A payload after the last one is a broken frame: the dialer must wait."""
        step = self._handshakes[connection].receive(payload)
        if isinstance(step, HandshakeRefusal):
            self._refuse(connection, step)
            return
        if isinstance(step, Continue):
            connection.send_payload(step.reply)
            return
        connection.lane_class = step.lane_class
        connection.raise_cap()
        if step.reply is not None:
            connection.send_payload(step.reply)
        self._pair(connection, step)

    def connection_ended(self, connection: Connection) -> None:
        """Abort: the connection ended before its link was made."""
        connection.abort()
        self.connection_lost(connection, "the other end closed it")

    def connection_lost(self, connection: Connection, reason: str) -> None:
        """Drop the connection and report the failed handshake."""
        self._forget(connection)
        self._report(connection, HandshakeRefusal(RefusalReason.INCOMPLETE, reason))

    def _pair(self, connection: Connection, passed: Passed) -> None:
        key = (passed.peer, passed.link_id)
        if passed.lane_class == 0:
            self._unpaired[key] = connection
            return
        control = self._unpaired[key]
        self._forget(control)
        self._forget(connection)
        Link(passed, control, connection, self._shared, self._peers)

    def _admit(self, connection: Connection, hello: Hello) -> HandshakeRefusal | None:
        refusal = certificate_refusal(connection.certificate, hello.peer)
        if refusal is not None:
            return refusal
        is_waiting = (hello.peer, hello.link_id) in self._unpaired
        if hello.lane_class == 1 and not is_waiting:
            return refuse(RefusalReason.BAD_LINK, "the first connection of this link is missing or closed")
        if hello.lane_class == 0 and is_waiting:
            return refuse(RefusalReason.BAD_LINK, "the first connection of this link exists already")
        return self._peers.refusal(hello.peer)

    def _overload(self) -> HandshakeRefusal | None:
        limit = self._shared.config.connections_max
        if self._is_closed:
            return refuse(RefusalReason.CLOSING, f"node {self._shared.identity.node!r} is shutting down")
        if len(self._shared.connections) > limit:
            text = f"node {self._shared.identity.node!r} has the limit of {limit} connections; see connections_max="
            return refuse(RefusalReason.TOO_MANY_CONNECTIONS, text)
        return None

    def _refuse(self, connection: Connection, refusal: HandshakeRefusal) -> None:
        self._forget(connection)
        self._shared.has_refused_own_dial |= refusal.reason is RefusalReason.DIALLED_SELF
        if refusal.reply is not None:
            connection.send_payload(refusal.reply)
        connection.close()
        self._report(connection, refusal)

    def _report(self, connection: Connection, refusal: HandshakeRefusal) -> None:
        self._shared.counters.refused_handshakes += 1
        self._events.refused(connection.address, f"{refusal.reason.value}: {refusal.text}")

    def _forget(self, connection: Connection) -> None:
        self._handshakes.pop(connection, None)
        for key in [key for key, half in self._unpaired.items() if half is connection]:
            del self._unpaired[key]
