"""`PendingRequests`: keeps the requests sent to one other node until they are answered, and limits their number."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from coterie.errors import ActorFailed, BadMessage, TooManyInFlight
from coterie.runtime.cells.asks import PendingAsk

if TYPE_CHECKING:
    from coterie.runtime.messages.declared_errors import DeclaredErrors
    from coterie.runtime.messages.lanes import Lane
    from coterie.runtime.messages.value_codecs import Codec, Resolver
    from coterie.runtime.remote.association import Association

__all__ = ["OutgoingAsk", "OutgoingOffer", "PendingRequest", "PendingRequests"]

_SWEEP_AT_LEAST: Final = 64


class PendingRequest(Protocol):
    """A request that waits for an answer from another node. `target` is for error messages."""

    @property
    def message(self) -> object:
        """The message that was sent."""
        ...

    @property
    def target(self) -> str:
        """The actor or node it was sent to."""
        ...

    def is_abandoned(self) -> bool:
        """Whether it was settled or cancelled."""
        ...

    def answer(self, value: object, resolver: Resolver) -> None:
        """Resolve with the value of a REPLY. BadMessage if it does not decode; the request is then rejected."""
        ...

    def answer_declared(self, name: str, values: tuple[object, ...]) -> None:
        """Reject with an error that the message declares. BadMessage as above."""
        ...

    def reject(self, error: Exception) -> None:
        """Reject with an error."""
        ...


class PendingRequests:
    """The pending requests to one node, by number; at most `limit`."""

    __slots__ = ("_limit", "_node", "_open", "_sweep_at")

    def __init__(self, node: str, limit: int) -> None:
        self._node = node
        self._limit = limit
        self._open: dict[int, PendingRequest] = {}
        self._sweep_at = min(limit, _SWEEP_AT_LEAST)

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, number: int, request: PendingRequest) -> None:
        """Add a request. TooManyInFlight if there are `limit` already."""
        if len(self._open) >= self._sweep_at:
            self._sweep()
        self._open[number] = request

    def get(self, number: int) -> PendingRequest | None:
        """Return a request that stays pending; None if it is not pending."""
        return self._open.get(number)

    def take(self, number: int) -> PendingRequest | None:
        """Remove and return a request; None if it is not pending."""
        return self._open.pop(number, None)

    def take_all(self) -> list[PendingRequest]:
        """Remove and return all requests."""
        pending_requests = list(self._open.values())
        self._open.clear()
        return pending_requests

    def _sweep(self) -> None:
        """Remove abandoned requests.

        A callback at each future would slow down every ask. Since this runs whenever the number has doubled, there are
        never more abandoned requests than others, or than `_SWEEP_AT_LEAST`.
        """
        for number in [number for number, request in self._open.items() if request.is_abandoned()]:
            del self._open[number]
        waiting = len(self._open)
        if waiting >= self._limit:
            text = f"node {self._node!r} has not answered {waiting} asks and offers (limit {self._limit})"
            raise TooManyInFlight(f"{text}: no more are sent; ask less at once, or raise in_flight_max=")
        self._sweep_at = min(self._limit, max(_SWEEP_AT_LEAST, 2 * waiting))


class OutgoingAsk(PendingAsk):
    """An ask or a node request that was sent to another node."""

    __slots__ = ("_number", "_pending_requests", "_raises", "_reply")

    def enter(self, pending_requests: PendingRequests, number: int, reply: Codec, raises: DeclaredErrors) -> None:
        """Add this ask to the pending requests; call it before any other method. TooManyInFlight if they are full."""
        self._pending_requests = pending_requests
        self._number = number
        self._reply = reply
        self._raises = raises
        pending_requests.enter(number, self)

    def answer(self, value: object, resolver: Resolver) -> None:
        """Resolve with the decoded reply."""
        try:
            reply = self._reply.decode(value, resolver)
        except (BadMessage, RecursionError) as error:
            raise self._bad_reply(error) from error
        self.resolve(reply)

    def answer_declared(self, name: str, values: tuple[object, ...]) -> None:
        """Reject with an error that the message declares."""
        try:
            error = self._raises.decode(name, values)
        except BadMessage as bad:
            raise self._bad_reply(bad) from bad
        self.reject(error)

    def reject(self, error: Exception) -> None:
        """Reject with an error, of the peer or of this system."""
        self._pending_requests.take(self._number)
        super().reject(error)

    def _bad_reply(self, error: Exception) -> BadMessage:
        text = f"the reply to {type(self.message).__name__} from {self.target} is bad: {error}"
        self.reject(ActorFailed(text))
        return BadMessage(text)


class OutgoingOffer:
    """An offer that was sent to another node: `room` is done when it is in the mailbox there."""

    __slots__ = ("_association", "_lane", "_number", "message", "room", "target")

    def __init__(self, message: object, target: str, room: asyncio.Future[None]) -> None:
        self.message = message
        self.target = target
        self.room = room
        self._association: Association | None = None

    def enter(self, association: Association, number: int, lane: Lane) -> None:
        """Add this offer to the pending requests. TooManyInFlight if they are full."""
        association.pending_requests.enter(number, self)
        self._association = association
        self._number = number
        self._lane = lane
        self.room.add_done_callback(self._over)

    def is_abandoned(self) -> bool:
        """Whether it was settled, or cancelled by the offerer."""
        return self.room.done()

    def answer(self, value: object, resolver: Resolver) -> None:
        """Resolve: the message is in the mailbox."""
        if not self.room.done():
            self.room.set_result(None)

    def answer_declared(self, name: str, values: tuple[object, ...]) -> None:
        """Reject: an offer has no declared errors."""
        self.reject(ActorFailed(f"an offer to {self.target} was answered with the error {name!r:.60}"))

    def reject(self, error: Exception) -> None:
        """Reject: the message is not in the mailbox; asyncio does not warn if the error is never retrieved."""
        if self._association is not None:
            self._association.pending_requests.take(self._number)
        if not self.room.done():
            self.room.set_exception(error)
            self.room.exception()

    def _over(self, room: asyncio.Future[None]) -> None:
        association = self._association
        if (
            association is not None
            and association.pending_requests.take(self._number) is not None
            and association.is_up
        ):
            association.withdraw(self._lane, self._number)  # cancelled: it must not take a place at the peer
