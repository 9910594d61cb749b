"""The side that is dialled: hears hellos, pairs connections into links."""

from __future__ import annotations

from functools import partial

from coterie.runtime.transport.connection import Connection
from coterie.runtime.transport.handshake.certificate import foreign_to
from coterie.runtime.transport.handshake.handshake import AcceptorHandshake, Continue, Passed
from coterie.runtime.transport.handshake.handshake_messages import Hello, RefusalReason, Refused, refuse
from coterie.runtime.transport.handshake.identity import Peer
from coterie.runtime.transport.link import Link
from coterie.runtime.transport.peers import Roster
from coterie.runtime.transport.transport_events import TransportEvents
from coterie.runtime.transport.transport_state import Hub

__all__ = ["Acceptor"]

_LinkKey = tuple[Peer, int]  # who, and the link's id


class Acceptor:
    """Owns accepted connections until their link takes them (ConnectionOwner).

    Each has `handshake_timeout_s` from its opening until its link is up; nothing that a connection sends after its
    hello is decoded before the link is paired.
    """

    def __init__(self, hub: Hub, roster: Roster, events: TransportEvents) -> None:
        self._hub = hub
        self._roster = roster
        self._events = events
        self._handshakes: dict[Connection, AcceptorHandshake] = {}
        self._halves: dict[_LinkKey, Connection] = {}  # first connections that wait for their second
        self._is_closed = False

    def accept(self) -> Connection:
        """Return the protocol of a new connection."""
        return Connection(self, self._hub)

    def close(self) -> None:
        """Admit nobody any more. Whoever closes everything aborts what has not become a link."""
        self._is_closed = True
        self._handshakes.clear()
        self._halves.clear()

    def connection_opened(self, connection: Connection) -> None:
        """Expect a hello."""
        refusal = self._overload()
        if refusal is not None:
            self._refuse(connection, refusal)
            return
        hub = self._hub
        admit = partial(self._admit, connection)
        self._handshakes[connection] = AcceptorHandshake(
            hub.identity, admit, credentials=hub.credentials(), versions=hub.config.versions
        )

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        """Take the next word of the handshake. One after the last is a broken frame: a dialer waits for its link."""
        verdict = self._handshakes[connection].receive(payload)
        if isinstance(verdict, Refused):
            self._refuse(connection, verdict)
            return
        if isinstance(verdict, Continue):
            connection.send_payload(verdict.reply)
            return
        connection.lane_class = verdict.lane_class
        connection.raise_cap()
        if verdict.reply is not None:
            connection.send_payload(verdict.reply)
        self._pair(connection, verdict)

    def connection_ended(self, connection: Connection) -> None:
        """Give up: it ended before its link was made."""
        connection.abort()
        self.connection_lost(connection, "the other end closed it")

    def connection_lost(self, connection: Connection, reason: str) -> None:
        """Forget it."""
        self._forget(connection)
        self._report(connection, Refused(RefusalReason.INCOMPLETE, reason))

    def _pair(self, connection: Connection, passed: Passed) -> None:
        key = (passed.peer, passed.link_id)
        if passed.lane_class == 0:
            self._halves[key] = connection
            return
        control = self._halves[key]
        self._forget(control)
        self._forget(connection)
        Link(passed, control, connection, self._hub, self._roster)

    def _admit(self, connection: Connection, hello: Hello) -> Refused | None:
        foreign = foreign_to(connection.certificate, hello.peer)
        if foreign is not None:
            return foreign
        is_waiting = (hello.peer, hello.link_id) in self._halves
        if hello.lane_class == 1 and not is_waiting:
            return refuse(RefusalReason.BAD_LINK, "its first connection is not there (any more)")
        if hello.lane_class == 0 and is_waiting:
            return refuse(RefusalReason.BAD_LINK, "its first connection is there already")
        return self._roster.refusal(hello.peer)

    def _overload(self) -> Refused | None:
        limit = self._hub.config.connections_max
        if self._is_closed:
            return refuse(RefusalReason.CLOSING, f"node {self._hub.identity.node!r} is shutting down")
        if len(self._hub.live) > limit:
            text = f"node {self._hub.identity.node!r} has {limit} connections already; see connections_max="
            return refuse(RefusalReason.TOO_MANY_CONNECTIONS, text)
        return None

    def _refuse(self, connection: Connection, refusal: Refused) -> None:
        self._forget(connection)
        self._hub.has_met_itself |= refusal.reason is RefusalReason.DIALLED_SELF
        if refusal.reply is not None:
            connection.send_payload(refusal.reply)
        connection.close()
        self._report(connection, refusal)

    def _report(self, connection: Connection, refusal: Refused) -> None:
        self._hub.counters.refused_handshakes += 1
        self._events.refused(connection.address, f"{refusal.reason.value}: {refusal.text}")

    def _forget(self, connection: Connection) -> None:
        self._handshakes.pop(connection, None)
        for key in [key for key, half in self._halves.items() if half is connection]:
            del self._halves[key]
