"""`IncomingOffer`: holds another node's message until the mailbox has room (back-pressure), then answers that node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from coterie.errors import TooManyInFlight
from coterie.runtime.remote.rows import REPLY

if TYPE_CHECKING:
    from coterie.runtime.messages.lanes import Lane
    from coterie.runtime.remote.association import Association
    from coterie.runtime.remote.interned_routes import IncomingRoute

__all__ = ["IncomingOffer", "take_offer"]


class IncomingOffer:
    """Answers once its message is in the mailbox or was refused. Kept in `association.offers` until then."""

    __slots__ = ("_association", "_lane", "_number", "_room")

    def __init__(self, association: Association, number: int, lane: Lane, room: asyncio.Future[None]) -> None:
        self._association = association
        self._number = number
        self._lane = lane
        self._room = room
        association.offers[number] = self
        room.add_done_callback(self._settled)

    def withdraw(self) -> None:
        """Cancel the offer: the peer withdrew it. A message already in the mailbox stays there."""
        self._room.cancel()

    def _settled(self, room: asyncio.Future[None]) -> None:
        self._association.offers.pop(self._number, None)
        if not room.cancelled():
            _answer(self._association, self._number, self._lane, room)


def take_offer(association: Association, number: int, route: IncomingRoute, fields: Any, limit: int) -> None:
    """Offer the message with these fields to the actor of `route`, and answer by its number when the offer is settled.

    Raises:
        AskError, BadMessage: see `IncomingRoute.cell` and `message`.
    """
    cell, lane = route.cell(), route.described.lane
    if number in association.offers:
        return  # the number is in use: only a broken peer repeats one
    if len(association.offers) >= limit:
        waiting = f"{limit} offers of {association.peer.node!r} wait for room already on {association.system.node!r}"
        text = f"{waiting} (limit {limit}): no more are taken; offer less at once, or raise offers_max="
        association.answer_error(lane, number, TooManyInFlight(text))
        return
    room = cell.offer(route.message(fields))
    if room.done():
        _answer(association, number, lane, room)
    else:
        IncomingOffer(association, number, lane, room)


def _answer(association: Association, number: int, lane: Lane, room: asyncio.Future[None]) -> None:
    error = room.exception()
    if error is None:
        association.answer(lane, (REPLY, number, None))
    else:
        association.answer_error(lane, number, error)
