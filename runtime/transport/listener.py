"""`LinkListener`: accepts connections, answers handshakes, and makes one link of the two connections of each peer."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.connection_slots import CLAIMANTS_MAX
from coterie.runtime.transport.handshake.certificate import Certificate, certificate_refusal
from coterie.runtime.transport.handshake.handshake import AcceptorHandshake, Continue, Passed
from coterie.runtime.transport.handshake.handshake_messages import HandshakeRefusal, Hello, RefusalReason, refuse
from coterie.runtime.transport.handshake.identity import Peer, owner_of
from coterie.runtime.transport.handshake.tls_mismatch import DIALLED_IN_TLS
from coterie.runtime.transport.link import Link
from coterie.runtime.transport.peers import Peers
from coterie.runtime.transport.transport_events import TransportEvents
from coterie.runtime.transport.transport_state import TransportState

__all__ = ["LinkListener"]

_LinkKey = tuple[Peer, int]  # the dialer, and the id of its link


class LinkListener:
    """Owns accepted connections until a link takes them over (ConnectionOwner).

    Each has `handshake_timeout_s` from its opening until its link is up. Nothing that a connection sends after its
    handshake is decoded before the link is paired. How many there may be: see `connection_slots.py`.
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
        shared = self._shared
        surplus = shared.slots.enter(connection)
        if surplus is not None:
            self._end_surplus(
                surplus,
                f"{shared.slots.strangers_max} strangers; see handshakes_max=",
                "the oldest at the address with most",
            )
        if self._is_closed:
            self._refuse(connection, refuse(RefusalReason.CLOSING, f"node {shared.identity.node!r} is shutting down"))
            return
        admit = partial(self._admit, connection)
        self._handshakes[connection] = AcceptorHandshake(
            shared.identity, admit, credentials=shared.credentials(), versions=shared.config.versions
        )

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        """Pass a payload to the handshake. A payload after the last one is a broken frame: the dialer must wait."""
        handshake = self._handshakes[connection]
        step = handshake.receive(payload)
        if isinstance(step, HandshakeRefusal):
            self._refuse(connection, step)
            return
        if isinstance(step, Continue):
            self._note_claim(connection, handshake.claimed)
            connection.send_payload(step.reply)
            return
        connection.lane_class = step.lane_class
        if step.reply is not None:
            connection.send_payload(step.reply)
        connection.begin_items(step.frame_keys, step.peer.role)
        self._pair(connection, _with_certificate(step, connection.certificate))

    def connection_ended(self, connection: Connection) -> None:
        """Abort: the connection ended before its link was made; one that had passed only asked who answers here."""
        connection.abort()
        if connection in self._unpaired.values():
            self._forget(connection)
            return
        self.connection_lost(connection, "the other end closed it")

    def connection_lost(self, connection: Connection, reason: str) -> None:
        """Drop the connection and report the failed handshake."""
        self._forget(connection)
        if connection.begins_tls:
            self._report(connection, HandshakeRefusal(RefusalReason.TLS_MISMATCH, DIALLED_IN_TLS))
        else:
            self._report(connection, HandshakeRefusal(RefusalReason.INCOMPLETE, reason))

    def _pair(self, connection: Connection, passed: Passed) -> None:
        key = (passed.peer, passed.link_id)
        if passed.lane_class == 0:
            self._unpaired[key] = connection
            return
        control = self._unpaired[key]
        self._forget(control)
        self._forget(connection)
        for each in (control, connection):
            self._shared.slots.link_member(each)
        Link(passed, control, connection, self._shared, self._peers)

    def _admit(self, connection: Connection, hello: Hello) -> HandshakeRefusal | None:
        refusal = certificate_refusal(connection.certificate, hello.peer, self._shared.distrust)
        if refusal is not None:
            return refusal
        is_waiting = (hello.peer, hello.link_id) in self._unpaired
        if hello.lane_class == 1 and not is_waiting:
            return refuse(RefusalReason.BAD_LINK, "the first connection of this link is missing or closed")
        if hello.lane_class == 0 and is_waiting:
            return refuse(RefusalReason.BAD_LINK, "the first connection of this link exists already")
        return self._peers.refusal(hello.peer) or self._take_place(connection, hello)

    def _note_claim(self, connection: Connection, claimed: Peer | None) -> None:
        if claimed is None or not self._peers.is_member(claimed):
            return
        if certificate_refusal(connection.certificate, claimed) is not None:
            return  # it will be refused, and stays a stranger until then
        surplus = self._shared.slots.claim(connection, claimed.node)
        if surplus is not None:
            self._end_surplus(
                surplus,
                f"{CLAIMANTS_MAX} unfinished handshakes in the name of {claimed.node!r}",
                "the oldest at the address with most",
            )

    def _take_place(self, connection: Connection, hello: Hello) -> HandshakeRefusal | None:
        slots = self._shared.slots
        if self._peers.is_member(hello.peer):
            self._note_claim(connection, hello.peer)
            return None
        if hello.lane_class == 1:
            slots.admit_second(connection)
            return None
        lack = slots.admit_client(connection, hello.peer, _proven_owner(connection.certificate, hello.peer))
        if lack is None:
            return None
        text = (
            f"node {self._shared.identity.node!r} has no room for {hello.peer.node!r}: {lack}; see connections_max=, "
            f"and its limit of open files (ulimit -n)"
        )
        return refuse(RefusalReason.TOO_MANY_CONNECTIONS, text)

    def _end_surplus(self, connection: Connection, held: str, which: str) -> None:
        """End a connection that has not finished its handshake, to make room for a newer one."""
        if connection in self._handshakes:
            text = f"node {self._shared.identity.node!r} has {held}: {which} was ended"
            self._refuse(connection, refuse(RefusalReason.TOO_MANY_CONNECTIONS, text))
        else:
            connection.abort()  # refused before, and not closed yet

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


def _proven_owner(certificate: Certificate | None, client: Peer) -> str:
    """Return the owner of the certificate or key that makes this client; "" if it has shown neither.

    Whoever has the nodes' key may take any name.
    """
    return "" if certificate is None and client.could_be_node else owner_of(client.node)


def _with_certificate(passed: Passed, certificate: Certificate | None) -> Passed:
    """Return `passed` for a peer that has shown this certificate: only a node's own would do for a node."""
    if certificate is None or certificate.may_be_node:
        return passed
    return replace(passed, peer=replace(passed.peer, could_be_node=False))
