"""The way to one actor on another node: the postbox of its `Ref`."""

from __future__ import annotations

import asyncio
from math import ceil
from typing import TYPE_CHECKING, Any

from coterie.errors import ActorStopped, BadMessage, CoterieError, MessageTypeError
from coterie.runtime.cells.asks import PendingAsk
from coterie.runtime.messages.message import message_type
from coterie.runtime.remote.error_codes import reason_of
from coterie.runtime.remote.pending_requests import OutgoingAsk, OutgoingOffer
from coterie.runtime.remote.rows import ASK, OFFER

if TYPE_CHECKING:
    from coterie.runtime.remote.interned_routes import OutRoute
    from coterie.runtime.remote.remoting import Remoting

__all__ = ["RemotePostbox"]

_NOT_FOR_THE_WIRE = (CoterieError, AttributeError, TypeError, ValueError, RecursionError)
"""What sending raises: an error of ours, or what a field of another type makes its codec or MessagePack raise."""


class RemotePostbox:
    """Sends to (node, incarnation, path, uid) by whatever link there is to that node at the moment."""

    __slots__ = ("_incarnation", "_node", "_path", "_remoting", "_routes", "_target", "_uid")

    def __init__(self, remoting: Remoting, node: str, incarnation: int, path: str, uid: int) -> None:
        self._remoting = remoting
        self._node = node
        self._incarnation = incarnation
        self._path = path
        self._uid = uid
        self._routes: dict[type, OutRoute] = {}
        self._target = f"{path}@{node}"

    def tell(self, item: object) -> None:
        """Send a message, or count it among the dead letters."""
        try:
            route = self._routes.get(type(item))
            if route is None or not route.is_live:
                route = self._open(item)
            route.tell(item)
        except MessageTypeError:
            raise
        except _NOT_FOR_THE_WIRE as error:
            why = _explained(item, error)
            self._remoting.system.dead_letters.add(reason_of(why), self._target, item, str(why))

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Send an ask; the future has its reply."""
        remoting = self._remoting
        try:
            route = self._routes.get(type(item))
            if route is None or not route.is_live:
                route = self._open(item)
        except MessageTypeError:
            raise
        except CoterieError as error:
            return _refused(remoting.system.asking.begin(item, timeout_s, self._target, PendingAsk), error)
        reply = route.reply or route.described.reply  # which raises: it is no ask
        asking = route.asking
        if timeout_s is None:
            ask = asking.begin_plain(item, self._target, OutgoingAsk)
        else:
            ask = asking.begin(item, timeout_s, self._target, OutgoingAsk)
        try:
            number = remoting.next_number()
            ask.enter(route.questions, number, reply, route.raises)
            left_s = ask.deadline - asking.monotonic()
            if left_s > 0:  # else the wheel will say so soon
                route.send((ASK, number, route.number, route.write(item), ceil(left_s * 1000), ask.chain))
        except _NOT_FOR_THE_WIRE as error:
            ask.reject(_explained(item, error))
        return ask.future

    def offer(self, item: object) -> asyncio.Future[None]:
        """Send a message once there is room for it: the future is done when it is in the mailbox over there.

        Cancelled, it is withdrawn if it still waits there. A link that drops leaves it unknown; nothing is repeated.
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

    def _route(self, item: object) -> OutRoute:
        route = self._routes.get(type(item))
        return self._open(item) if route is None or not route.is_live else route

    def _open(self, item: object) -> OutRoute:
        """Return a route for messages of that type, on the link that stands now.

        Raises:
            MessageTypeError: it is no message, or none that has a name elsewhere.
            NodeUnreachable: there is no link.
            ActorStopped: the node lives another life than the one that the actor lived in.
            ActorNotFound, TransportError: see `Departures.route`.
        """
        described = message_type(type(item))
        if described.name.startswith("__main__."):
            raise MessageTypeError(f"{described.name} is a class of the main program: give it a name= to cross nodes")
        association = self._remoting.reach(self._node)
        if self._uid and association.peer.incarnation != self._incarnation:
            raise ActorStopped(f"actor {self._path!r} ended with an earlier life of node {self._node!r}")
        route = self._routes[type(item)] = association.route(self._path, self._uid, described)
        return route


def _refused(ask: PendingAsk, error: CoterieError) -> asyncio.Future[Any]:
    ask.reject(error)
    return ask.future


def _explained(item: object, error: Exception) -> CoterieError:
    """Return what the sender is told: the field is named if it is a field's fault."""
    if isinstance(error, CoterieError) and not isinstance(error, BadMessage):
        return error
    described = message_type(type(item))
    if isinstance(error, RecursionError):
        return BadMessage(f"message {described.name!r} is nested too deeply to cross the wire")
    return described.blame(item)
