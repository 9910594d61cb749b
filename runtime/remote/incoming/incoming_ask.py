"""`IncomingAsk`: wraps an ask from another node for the actor's mailbox, and sends the reply over the same link."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorFailed, BadMessage
from coterie.runtime.cells.asks import Envelope, Hop
from coterie.runtime.messages.short_values import short_value
from coterie.runtime.messages.value_codecs import NO_REFS
from coterie.runtime.observing.error_texts import type_name
from coterie.runtime.remote.error_codes import wire_text
from coterie.runtime.remote.rows import LOAD, REPLY

if TYPE_CHECKING:
    from coterie.runtime.remote.association import Association
    from coterie.runtime.remote.interned_routes import IncomingRoute

__all__ = ["IncomingAsk", "chain_of"]

_HOP: Final = [str, str, int, int, int]
_HOPS_MAX: Final = 256


def chain_of(row: tuple[Any, ...]) -> tuple[Hop, ...]:
    """Decode the chain of waiting asks that an ask carries. BadMessage if it is invalid."""
    if not row:
        return ()
    if len(row) > _HOPS_MAX or not all(type(hop) is tuple and list(map(type, hop)) == _HOP for hop in row):
        raise BadMessage(f"not the chain of an ask: {short_value(row)}")
    return tuple(Hop(*hop) for hop in row)


class IncomingAsk(Envelope):
    """An ask from another node; its answer leaves only over the link on which it arrived."""

    __slots__ = ("_association", "_is_answered", "_number", "_route")

    def __init__(
        self,
        association: Association,
        number: int,
        route: IncomingRoute,
        message: object,
        deadline: float,
        chain: tuple[Hop, ...],
    ) -> None:
        # Sets the fields of Envelope directly: a call of its __init__ would cost 5 % of an ask.
        self.message = message
        self.deadline = deadline
        self.chain = chain
        self.is_handled = False
        self.is_reply_deferred = False
        self._association = association
        self._number = number
        self._route = route
        self._is_answered = False

    @property
    def asker(self) -> str | None:
        """The node or client at the other end of the link."""
        return self._association.peer.node

    def is_abandoned(self) -> bool:
        """Whether it was answered, or the asker has given up."""
        return self._is_answered or self._association.monotonic() > self.deadline

    def resolve(self, value: object) -> None:
        """Send the reply; the asker gets an error instead if the reply cannot be encoded or is too large."""
        if self._is_answered:
            return
        route = self._route
        try:
            reply = route.encode_reply(value)
            if reply is value and (declared := route.described.reply).is_identity and type(value) not in declared.exact:
                declared.decode(reply, NO_REFS)  # what crosses unchanged is not checked when it is encoded
            self._association.answer(route.described.lane, (REPLY, self._number, reply))
            self._is_answered = True
        except Exception as error:  # noqa: BLE001 (a codec may raise anything for a value of a wrong type)
            self._cannot_cross("reply", error)

    def reject(self, error: Exception) -> None:
        """Send the error: with its values if the message declares it, else as code and text."""
        if self._is_answered:
            return
        described = self._route.described
        if not issubclass(type(error), described.raises.classes):
            self._is_answered = True
            self._association.answer_error(described.lane, self._number, error)
            return
        try:
            self._association.answer_declared(described.lane, self._number, *described.raises.encode(error))
            self._is_answered = True
        except Exception as bad:  # noqa: BLE001 (a codec may raise anything for a value of a wrong type)
            self._cannot_cross(f"error {type_name(error)}", bad)

    def send_load(self, load_for: Callable[[str], tuple[object, ...] | None]) -> None:
        """Send the load report for the asker's node, if it gets one, in the lane of the answer."""
        values = None if self._is_answered else load_for(self._association.peer.node)
        if values is not None:
            self._association.answer(self._route.described.lane, (LOAD, self._number, values))

    def _cannot_cross(self, what: str, error: Exception) -> None:
        self._is_answered = True
        described = self._route.described
        where = f"the {what} to {described.name!r} cannot cross the wire: {type_name(error)}"
        failed = ActorFailed(f"{where}: {wire_text(error)}", for_clients=where)
        system = self._association.system
        system.failures += 1
        system.log.error("actor.reply_refused", actor=self._route.path, message=described.name, error=str(failed))
        self._association.answer_error(described.lane, self._number, failed)
