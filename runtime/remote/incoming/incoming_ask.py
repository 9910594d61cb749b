"""An ask that came from another node, in the mailbox of the actor that it asks."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorFailed, BadMessage
from coterie.runtime.cells.asks import Envelope, Hop
from coterie.runtime.remote.error_codes import short
from coterie.runtime.remote.rows import REPLY

if TYPE_CHECKING:
    from coterie.runtime.remote.association import Association
    from coterie.runtime.remote.interned_routes import InRoute

__all__ = ["IncomingAsk", "chain_of"]

_HOP: Final = [str, str, int, int, int]
_HOPS_MAX: Final = 256


def chain_of(row: tuple[Any, ...]) -> tuple[Hop, ...]:
    """Return the chain of waits that an ask carries. BadMessage if it is none."""
    if not row:
        return ()
    if len(row) > _HOPS_MAX or not all(type(hop) is tuple and list(map(type, hop)) == _HOP for hop in row):
        raise BadMessage(f"not the chain of an ask: {reprlib.repr(row):.80}")
    return tuple(Hop(*hop) for hop in row)


class IncomingAsk(Envelope):
    """Answers by the link that it came by, and by no other."""

    __slots__ = ("_association", "_is_answered", "_number", "_route")

    def __init__(
        self,
        association: Association,
        number: int,
        route: InRoute,
        message: object,
        deadline: float,
        chain: tuple[Hop, ...],
    ) -> None:
        # The fields of Envelope stand here too: a call of its __init__ would cost a twentieth of an ask.
        self.message = message
        self.deadline = deadline
        self.chain = chain
        self.is_handled = False
        self.is_taken = False
        self._association = association
        self._number = number
        self._route = route
        self._is_answered = False

    def is_abandoned(self) -> bool:
        """Whether it was answered, or the asker has given up."""
        return self._is_answered or self._association.monotonic() > self.deadline

    def resolve(self, value: object) -> None:
        """Send the reply; the asker gets an error instead if it cannot cross the wire, or is too large for it."""
        if self._is_answered:
            return
        route = self._route
        try:
            self._association.answer(route.described.lane, (REPLY, self._number, route.encode_reply(value)))
            self._is_answered = True
        except Exception as error:  # noqa: BLE001 (whatever a foreign reply value makes its codec raise)
            self._cannot_cross("reply", error)

    def reject(self, error: Exception) -> None:
        """Send the error: one that the message declares as itself, any other by what it says."""
        if self._is_answered:
            return
        described = self._route.described
        if not isinstance(error, described.raises.classes):
            self._is_answered = True
            self._association.refuse(described.lane, self._number, error)
            return
        try:
            self._association.declare(described.lane, self._number, *described.raises.encode(error))
            self._is_answered = True
        except Exception as bad:  # noqa: BLE001 (whatever foreign values in an error raise)
            self._cannot_cross(f"error {type(error).__name__}", bad)

    def _cannot_cross(self, what: str, error: Exception) -> None:
        self._is_answered = True
        described = self._route.described
        text = f"the {what} to {described.name!r} cannot cross the wire: {type(error).__name__}: {short(error)}"
        self._association.refuse(described.lane, self._number, ActorFailed(text))
