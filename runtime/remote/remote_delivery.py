"""`RemoteDelivery`: sends messages to one actor on another node, over the current link to that node."""

from __future__ import annotations

import asyncio
from math import ceil
from typing import TYPE_CHECKING, Any

from coterie.errors import ActorStopped, BadMessage, CoterieError, MessageTypeError
from coterie.runtime.cells.asks import PendingAsk
from coterie.runtime.messages.message import message_type
from coterie.runtime.remote.error_codes import dead_letter_reason
from coterie.runtime.remote.pending_requests import OutgoingAsk, OutgoingOffer
from coterie.runtime.remote.rows import ASK, OFFER

if TYPE_CHECKING:
    from coterie.runtime.remote.interned_routes import OutgoingRoute
    from coterie.runtime.remote.remoting import Remoting

__all__ = ["RemoteDelivery"]

_NOT_FOR_THE_WIRE = (CoterieError, AttributeError, TypeError, ValueError, RecursionError)
"""Errors of a send: of coterie, or of a codec or MessagePack for a field of a wrong type."""


class RemoteDelivery:
    """Sends to (node, incarnation, path, uid) by the current link to that node. `as_client`: with a client's rights."""

    __slots__ = ("_as_client", "_incarnation", "_node", "_path", "_remoting", "_routes", "_target", "_uid")

    def __init__(
        self, remoting: Remoting, node: str, incarnation: int, path: str, uid: int, *, as_client: bool = False
    ) -> None:
        self._remoting = remoting
        self._as_client = as_client
        self._node = node
        self._incarnation = incarnation
        self._path = path
        self._uid = uid
        self._routes: dict[type, OutgoingRoute] = {}
        self._target = f"{path}@{node}"

    def tell(self, item: object) -> None:
        """Send a message; count it as a dead letter if it cannot be sent."""
        try:
            route = self._routes.get(type(item))
            if route is None or not route.is_live:
                route = self._open(item)
            route.tell(item)
        except MessageTypeError:
            raise
        except _NOT_FOR_THE_WIRE as error:
            why = _explained(item, error)
            self._remoting.system.dead_letters.add(dead_letter_reason(why), self._target, item, str(why))

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Send an ask; return the future of its reply."""
        remoting = self._remoting
        try:
            route = self._routes.get(type(item))
            if route is None or not route.is_live:
                route = self._open(item)
        except MessageTypeError:
            raise
        except CoterieError as error:
            return _refused(
                remoting.system.registry.ask_deadlines.begin(item, timeout_s, self._target, PendingAsk), error
            )
        reply = route.reply or route.described.reply  # raises for a message that is not an ask
        ask_deadlines = route.ask_deadlines
        if timeout_s is None:
            ask = ask_deadlines.begin_with_default_timeout(item, self._target, OutgoingAsk)
        else:
            ask = ask_deadlines.begin(item, timeout_s, self._target, OutgoingAsk)
        try:
            number = remoting.next_number()
            ask.enter(route.pending_requests, number, reply, route.raises)
            left_s = ask.deadline - ask_deadlines.monotonic()
            if left_s > 0:  # else the timer wheel rejects it soon
                route.send((ASK, number, route.number, route.write(item), ceil(left_s * 1000), ask.chain))
        except _NOT_FOR_THE_WIRE as error:
            ask.reject(_explained(item, error))
        return ask.future

    def offer(self, item: object) -> asyncio.Future[None]:
        """Offer a message; the future is done when it is in the remote mailbox.

        Cancelling the future withdraws the offer if it still waits there. If the link drops, its result is unknown;
        nothing is repeated.
        """
        message_type(type(item))
        offer = OutgoingOffer(item, self._target, self._remoting.system.loop.create_future())
        try:
            route = self._route(item)
            number = self._remoting.next_number()
            offer.enter(route.association, number, route.described.lane)
            route.send((OFFER, number, route.number, route.write(item)))
        except MessageTypeError:
            raise
        except _NOT_FOR_THE_WIRE as error:
            offer.reject(_explained(item, error))
        return offer.room

    def _route(self, item: object) -> OutgoingRoute:
        route = self._routes.get(type(item))
        return self._open(item) if route is None or not route.is_live else route

    def _open(self, item: object) -> OutgoingRoute:
        """Return a route for messages of the type of `item`, on the current link.

        Raises:
            MessageTypeError: `item` is not a message, or its type has no wire name.
            NodeUnreachable: there is no link.
            ActorStopped: the actor belonged to another incarnation of the node.
            ActorNotFound: it is that of another client than the one whose rights count.
            ActorNotFound, TransportError: see `OutgoingRoutes.route`.
        """
        described = message_type(type(item))
        if described.name.startswith("__main__."):
            raise MessageTypeError(f"{described.name} is a class of the main program: give it a name= to cross nodes")
        association = self._remoting.reach(self._node)
        if self._uid and association.peer.incarnation != self._incarnation:
            raise ActorStopped(f"actor {self._path!r} ended with an earlier incarnation of node {self._node!r}")
        route = self._routes[type(item)] = association.route(
            self._path, self._uid, described, as_client=self._as_client
        )
        return route


def _refused(ask: PendingAsk, error: CoterieError) -> asyncio.Future[Any]:
    ask.reject(error)
    return ask.future


def _explained(item: object, error: Exception) -> CoterieError:
    """Return the error for the sender; it names the field that cannot be encoded."""
    if isinstance(error, CoterieError) and not isinstance(error, BadMessage):
        return error
    described = message_type(type(item))
    if isinstance(error, RecursionError):
        return BadMessage(f"message {described.name!r} is nested too deeply to cross the wire")
    return described.encoding_error(item)
