"""What this system has asked a peer: asks, offers and requests that wait for their answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from coterie.errors import ActorFailed, BadMessage, TooManyInFlight
from coterie.runtime.cells.asks import PendingAsk

if TYPE_CHECKING:
    from coterie.runtime.messages.declared_errors import DeclaredErrors
    from coterie.runtime.messages.lanes import Lane
    from coterie.runtime.messages.message_codecs import Codec, Resolver
    from coterie.runtime.remote.association import Association

__all__ = ["OutgoingAsk", "OutgoingOffer", "Question", "Questions"]

_SWEEP_AT_LEAST: Final = 64


class Question(Protocol):
    """Something that waits for an answer from another node. `target` is for error messages."""

    @property
    def message(self) -> object:
        """What was asked."""
        ...

    @property
    def target(self) -> str:
        """Who was."""
        ...

    def is_abandoned(self) -> bool:
        """Whether nobody waits any more."""
        ...

    def answer(self, value: object, resolver: Resolver) -> None:
        """Take a REPLY. BadMessage if the value does not fit; whoever waits has been told."""
        ...

    def answer_declared(self, name: str, values: tuple[object, ...]) -> None:
        """Take an error that the message declares. BadMessage as above."""
        ...

    def reject(self, error: Exception) -> None:
        """Take an error."""
        ...


class Questions:
    """The open questions to one node, by number; at most `limit`."""

    __slots__ = ("_limit", "_node", "_open", "_sweep_at")

    def __init__(self, node: str, limit: int) -> None:
        self._node = node
        self._limit = limit
        self._open: dict[int, Question] = {}
        self._sweep_at = min(limit, _SWEEP_AT_LEAST)

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, number: int, question: Question) -> None:
        """Let a question wait here. TooManyInFlight if there are too many."""
        if len(self._open) >= self._sweep_at:
            self._sweep()
        self._open[number] = question

    def take(self, number: int) -> Question | None:
        """Return a question that was answered; None if it waits no more."""
        return self._open.pop(number, None)

    def take_all(self) -> list[Question]:
        """Return all questions."""
        questions = list(self._open.values())
        self._open.clear()
        return questions

    def _sweep(self) -> None:
        """Forget what was abandoned.

        A callback at each future would cost every ask; swept whenever their number has doubled, the abandoned ones
        are never more than the others, or `_SWEEP_AT_LEAST`.
        """
        for number in [number for number, question in self._open.items() if question.is_abandoned()]:
            del self._open[number]
        waiting = len(self._open)
        if waiting >= self._limit:
            text = f"node {self._node!r} has not answered {waiting} asks and offers (limit {self._limit})"
            raise TooManyInFlight(f"{text}: no more are sent")
        self._sweep_at = min(self._limit, max(_SWEEP_AT_LEAST, 2 * waiting))


class OutgoingAsk(PendingAsk):
    """An ask, or a request of the runtime's own, that is out to another node."""

    __slots__ = ("_number", "_questions", "_raises", "_reply")

    def enter(self, questions: Questions, number: int, reply: Codec, raises: DeclaredErrors) -> None:
        """Wait for the answer with that number, ahead of all else. TooManyInFlight if there are too many."""
        self._questions = questions
        self._number = number
        self._reply = reply
        self._raises = raises
        questions.enter(number, self)

    def answer(self, value: object, resolver: Resolver) -> None:
        """Take the reply."""
        try:
            reply = self._reply.decode(value, resolver)
        except (BadMessage, RecursionError) as error:
            raise self._bad_reply(error) from error
        self.resolve(reply)

    def answer_declared(self, name: str, values: tuple[object, ...]) -> None:
        """Take an error that the message declares."""
        try:
            error = self._raises.decode(name, values)
        except BadMessage as bad:
            raise self._bad_reply(bad) from bad
        self.reject(error)

    def reject(self, error: Exception) -> None:
        """Answer with an error, be it one of our own."""
        self._questions.take(self._number)
        super().reject(error)

    def _bad_reply(self, error: Exception) -> BadMessage:
        text = f"the reply to {type(self.message).__name__} from {self.target} is bad: {error}"
        self.reject(ActorFailed(text))
        return BadMessage(text)


class OutgoingOffer:
    """An offer that is out to another node: `room` is done when it is in the mailbox there."""

    __slots__ = ("_association", "_lane", "_number", "message", "room", "target")

    def __init__(self, message: object, target: str, room: asyncio.Future[None]) -> None:
        self.message = message
        self.target = target
        self.room = room
        self._association: Association | None = None

    def enter(self, association: Association, number: int, lane: Lane) -> None:
        """Wait for the answer with that number. TooManyInFlight if there are too many."""
        association.questions.enter(number, self)
        self._association = association
        self._number = number
        self._lane = lane
        self.room.add_done_callback(self._over)

    def is_abandoned(self) -> bool:
        """Whether it was settled, or cancelled by the offerer."""
        return self.room.done()

    def answer(self, value: object, resolver: Resolver) -> None:
        """Hear that it is in the mailbox."""
        if not self.room.done():
            self.room.set_result(None)

    def answer_declared(self, name: str, values: tuple[object, ...]) -> None:
        """Refuse: an offer has no reply."""
        self.reject(ActorFailed(f"an offer to {self.target} was answered with the error {name!r:.60}"))

    def reject(self, error: Exception) -> None:
        """Hear that it will not be in the mailbox; an offerer who does not look is not warned."""
        if self._association is not None:
            self._association.questions.take(self._number)
        if not self.room.done():
            self.room.set_exception(error)
            self.room.exception()

    def _over(self, room: asyncio.Future[None]) -> None:
        association = self._association
        if association is not None and association.questions.take(self._number) is not None and association.is_up:
            association.withdraw(self._lane, self._number)  # cancelled: it must not take up a place over there
