"""`Association`: holds the state of the link to another node: unanswered requests, watches, numbers for actor paths."""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING, Final

from coterie.errors import ConnectionLost, FrameTooLarge, NotExported, OutboundFull, TransportError
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.remote.error_codes import client_text, code_of, dead_letter_reason, wire_text
from coterie.runtime.remote.interned_routes import IncomingRoutes, OutgoingRoutes
from coterie.runtime.remote.pending_requests import PendingRequests
from coterie.runtime.remote.rows import DECLARED, ERROR, WITHDRAW, Row
from coterie.runtime.remote.wired_refs import WiredRefs
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.handshake.protocol_versions import RIGHTS_SINCE

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.messages.message_codecs import MessageType
    from coterie.runtime.remote.incoming.incoming_offer import IncomingOffer
    from coterie.runtime.remote.interned_routes import OutgoingRoute
    from coterie.runtime.remote.remote_watches import RemoteWatcher
    from coterie.runtime.remote.remoting import Remoting
    from coterie.runtime.transport.handshake.identity import Peer
    from coterie.runtime.transport.transport import Transport

__all__ = ["Association"]

RETRY_S: Final = 0.05
"""Wait before a signal that raised `OutboundFull` is sent again."""


class Association:
    """Begins and ends with a link to `peer`; at its end pending requests fail as unknown, and nothing is repeated.

    `pending_requests`: requests to the peer without an answer. `offers`: offers of the peer that wait here. `watched`:
    our actors that the peer watches.
    """

    __slots__ = (
        "_backlog",
        "_outgoing_routes",
        "_retry",
        "_senders",
        "_transport",
        "incoming_routes",
        "is_up",
        "monotonic",
        "offers",
        "peer",
        "pending_requests",
        "resolver",
        "system",
        "watched",
    )

    def __init__(self, remoting: Remoting, transport: Transport, peer: Peer) -> None:
        config = remoting.config
        self.system = remoting.system
        self.peer = peer
        self.resolver = WiredRefs(self.system, peer)
        self._transport = transport
        self.is_up = True
        self.monotonic = self.system.host.clock.monotonic  # looked up once: every ask reads it
        self.pending_requests = PendingRequests(peer.node, config.in_flight_max)
        self.offers: dict[int, IncomingOffer] = {}
        self.watched: dict[Cell, RemoteWatcher] = {}
        self._senders = tuple(transport.sender(peer.node, lane) for lane in Lane)
        consensus, bulk = (
            OutgoingRoutes(self, self._senders[lane], config.routes_max) for lane in (Lane.CONSENSUS, Lane.BULK)
        )
        self._outgoing_routes = (consensus, consensus, bulk)  # by lane: control and consensus share a connection
        self.incoming_routes = tuple(
            IncomingRoutes(self.system, peer, self.resolver, config.routes_max) for _ in ("control", "bulk")
        )
        self._backlog: collections.deque[Row] = collections.deque()
        self._retry: asyncio.TimerHandle | None = None

    # --- sending ----------------------------------------------------------------------------------------------------

    def route(self, path: str, uid: int, described: MessageType, *, as_client: bool = False) -> OutgoingRoute:
        """Return the route to an actor of the peer, with the rights of a client or our own.

        Raises:
            NotExported: by a client's ref no other client is reached, nor a node that does not know such rights.
            ActorNotFound, TransportError: see `OutgoingRoutes.route`.
        """
        if as_client:
            if self.peer.role is PeerRole.CLIENT:
                raise NotExported(f"{path!r:.100} on {self.peer.node!r}: no client is reached by the ref of another")
            if self._transport.version_of(self.peer.node) < RIGHTS_SINCE:
                raise NotExported(f"node {self.peer.node!r} runs a release that does not know the rights of clients")
        return self._outgoing_routes[described.lane].route(path, uid, described, as_client=as_client)

    def send(self, lane: Lane, row: Row) -> None:
        """Queue one row. Raises what `Transport.send` raises."""
        self._senders[lane](row)

    def answer(self, lane: Lane, row: Row) -> None:
        """Queue an answer, unless the link of the request is down: the asker's own system then fails the ask.

        Raises:
            FrameTooLarge: the answer is too large; the caller should send an error.
            TypeError: MessagePack cannot carry it.
        """
        if not self.is_up:
            return
        try:
            self._senders[lane](row)
        except FrameTooLarge:
            raise
        except TransportError as error:
            self.system.dead_letters.add(dead_letter_reason(error), f"asker@{self.peer.node}", "an answer", str(error))

    def answer_error(self, lane: Lane, number: int, error: BaseException) -> None:
        """Answer request `number` with an error."""
        text = client_text(error) if self.peer.role is PeerRole.CLIENT else wire_text(error)
        self.answer(lane, (ERROR, number, code_of(error), text))

    def answer_declared(self, lane: Lane, number: int, name: str, values: tuple[object, ...]) -> None:
        """Answer request `number` with an error that its message declares."""
        self.answer(lane, (DECLARED, number, name, values))

    def withdraw(self, lane: Lane, number: int) -> None:
        """Notify the peer that offer `number` was cancelled, on the lane of the offer."""
        try:
            self.send(lane, (WITHDRAW, number))
        except TransportError as error:
            # It may still get into the mailbox, like any offer that is cancelled too late.
            self.system.log.debug("offer.not_withdrawn", peer=self.peer.node, error=str(error))

    def signal(self, row: Row) -> None:
        """Send a row on the control lane that must not be lost while the link is up; retry while there is no room.

        The backlog is bounded: one watch and one end for each watched actor, and `UNREAD_SIGNALS_MAX` answers to others
        (see `remote_watches.py`).
        """
        self._backlog.append(row)
        if self._retry is None:
            self._send_backlog()

    @property
    def signals_waiting(self) -> int:
        """How many signals wait for room."""
        return len(self._backlog)

    def _send_backlog(self) -> None:
        self._retry = None
        while self._backlog and self.is_up:
            try:
                self.send(Lane.CONTROL, self._backlog[0])
            except OutboundFull:
                self._retry = self.system.loop.call_later(RETRY_S, self._send_backlog)
                return
            except TransportError:
                return  # the link is closing: the next one starts again
            self._backlog.popleft()

    # --- the end ----------------------------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """Reject all pending requests as unknown, and drop offers and watches of the peer."""
        self.is_up = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for routes in self._outgoing_routes:
            routes.end()
        for watcher in list(self.watched.values()):
            watcher.end()
        for offer in list(self.offers.values()):
            offer.withdraw()
        for request in self.pending_requests.take_all():
            what = f"{type(request.message).__name__} to {request.target}"
            request.reject(ConnectionLost(f"{what}: the connection dropped ({reason}); it may have run"))

    def drop_bad_row(self, row: object, error: Exception) -> None:
        """Count a row that is invalid as a dead letter."""
        self.system.dead_letters.add(Reason.BAD_MESSAGE, f"from {self.peer.node}", "a row", str(error))
