"""An association: what this system and one peer have open with each other while one link stands."""

from __future__ import annotations

import asyncio
import collections
from typing import TYPE_CHECKING, Final

from coterie.errors import ConnectionLost, FrameTooLarge, OutboundFull, TransportError
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.remote.error_codes import code_of, reason_of, short
from coterie.runtime.remote.interned_routes import Arrivals, Departures
from coterie.runtime.remote.pending_requests import Questions
from coterie.runtime.remote.rows import DECLARED, ERROR, WITHDRAW, Row

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.messages.message_codecs import MessageType
    from coterie.runtime.remote.incoming.incoming_offer import IncomingOffer
    from coterie.runtime.remote.interned_routes import OutRoute
    from coterie.runtime.remote.remote_watches import RemoteWatcher
    from coterie.runtime.remote.remoting import Remoting
    from coterie.runtime.transport.handshake.identity import Peer
    from coterie.runtime.transport.transport import Transport

__all__ = ["Association"]

RETRY_S: Final = 0.05
"""How long a signal that found no room waits before it is sent again."""


class Association:
    """Begins with a link to `peer` and ends with it: what was open then is resolved as unknown, nothing is repeated.

    `questions`: what we asked and they have not answered. `offers`: their offers that wait here. `watched`: the actors
    of ours that they watch.
    """

    __slots__ = (
        "_backlog",
        "_departures",
        "_retry",
        "_senders",
        "arrivals",
        "is_up",
        "monotonic",
        "offers",
        "peer",
        "questions",
        "system",
        "watched",
    )

    def __init__(self, remoting: Remoting, transport: Transport, peer: Peer) -> None:
        config = remoting.config
        self.system = remoting.system
        self.peer = peer
        self.is_up = True
        self.monotonic = self.system.host.clock.monotonic  # looked up once: every ask reads it
        self.questions = Questions(peer.node, config.in_flight_max)
        self.offers: dict[int, IncomingOffer] = {}
        self.watched: dict[Cell, RemoteWatcher] = {}
        self._senders = tuple(transport.sender(peer.node, lane) for lane in Lane)
        consensus, bulk = (
            Departures(self, self._senders[lane], config.routes_max) for lane in (Lane.CONSENSUS, Lane.BULK)
        )
        self._departures = (consensus, consensus, bulk)  # by lane: control and consensus share a connection
        self.arrivals = tuple(Arrivals(self.system, peer.role, config.routes_max) for _ in ("control", "bulk"))
        self._backlog: collections.deque[Row] = collections.deque()
        self._retry: asyncio.TimerHandle | None = None

    # --- sending ----------------------------------------------------------------------------------------------------

    def route(self, path: str, uid: int, described: MessageType) -> OutRoute:
        """Return the route to an actor of theirs. Raises what `Departures.route` raises."""
        return self._departures[described.lane].route(path, uid, described)

    def send(self, lane: Lane, row: Row) -> None:
        """Queue one row. Raises what `Transport.send` raises."""
        self._senders[lane](row)

    def answer(self, lane: Lane, row: Row) -> None:
        """Queue an answer, unless the link it came by is gone: the asker has learned that from its own end.

        Raises:
            FrameTooLarge: the answer is; the asker should be told.
            TypeError: MessagePack cannot carry it.
        """
        if not self.is_up:
            return
        try:
            self._senders[lane](row)
        except FrameTooLarge:
            raise
        except TransportError as error:
            self.system.dead_letters.add(reason_of(error), f"asker@{self.peer.node}", row, str(error))

    def refuse(self, lane: Lane, number: int, error: BaseException) -> None:
        """Answer what came with that number with an error."""
        self.answer(lane, (ERROR, number, code_of(error), short(error)))

    def declare(self, lane: Lane, number: int, name: str, values: tuple[object, ...]) -> None:
        """Answer an ask with an error that its message declares."""
        self.answer(lane, (DECLARED, number, name, values))

    def withdraw(self, lane: Lane, number: int) -> None:
        """Tell the peer that nobody waits for the offer of that number any more: on the lane that it went out on."""
        try:
            self.send(lane, (WITHDRAW, number))
        except TransportError as error:
            # It may get into the mailbox yet, as any offer that is cancelled too late.
            self.system.log.debug("offer.not_withdrawn", peer=self.peer.node, error=str(error))

    def signal(self, row: Row) -> None:
        """Send a row on the control lane that must not be lost while the link stands: later, if there is no room.

        What waits is bounded by what it is about: one watch and one end for each watched actor.
        """
        self._backlog.append(row)
        if self._retry is None:
            self._send_backlog()

    def _send_backlog(self) -> None:
        self._retry = None
        while self._backlog and self.is_up:
            try:
                self.send(Lane.CONTROL, self._backlog[0])
            except OutboundFull:
                self._retry = self.system.loop.call_later(RETRY_S, self._send_backlog)
                return
            except TransportError:
                return  # the link is closing: the next one begins anew
            self._backlog.popleft()

    # --- the end ----------------------------------------------------------------------------------------------------

    def end(self, reason: str) -> None:
        """Resolve what is open: nobody can know what became of it."""
        self.is_up = False
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        for departures in self._departures:
            departures.end()
        for watcher in list(self.watched.values()):
            watcher.end()
        for offer in list(self.offers.values()):
            offer.withdraw()
        for question in self.questions.take_all():
            what = f"{type(question.message).__name__} to {question.target}"
            question.reject(ConnectionLost(f"{what}: the connection dropped ({reason}); it may have run"))

    def complain(self, row: object, error: Exception) -> None:
        """Count a row that cannot be understood."""
        self.system.dead_letters.add(Reason.BAD_MESSAGE, f"from {self.peer.node}", row, str(error))
