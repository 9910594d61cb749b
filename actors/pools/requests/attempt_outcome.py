"""Attempt outcomes: says what an error means for the policy, and after which errors a request may be tried again."""

from __future__ import annotations

from typing import Final

from coterie.errors import (
    ActorFailed,
    ActorNotFound,
    ActorStopped,
    AskTimeout,
    ConnectionLost,
    CoterieError,
    MailboxFullError,
    NoTargets,
    Outcome,
    TooManyInFlight,
    TransportError,
)
from coterie.protocols.balancing import RequestOutcome
from coterie.runtime.messages.declared_errors import is_declared

__all__ = ["TARGET_ENDED", "WORTH_ANOTHER_TARGET", "is_answer", "may_be_repeated", "outcome_of", "was_not_sent"]

WORTH_ANOTHER_TARGET: Final = (
    TransportError,
    ActorStopped,
    ActorNotFound,
    MailboxFullError,
    TooManyInFlight,
    AskTimeout,
    ConnectionLost,
)
"""After these another target may do better. The others are about the message, or come from the handler."""

TARGET_ENDED: Final = (ActorStopped, ActorNotFound)
"""After these the target is gone."""


def may_be_repeated(error: CoterieError, *, is_idempotent: bool) -> bool:
    """Return whether a request that ended so may go to another target: nothing was done, or it may be done twice."""
    if not isinstance(error, WORTH_ANOTHER_TARGET):
        return False
    return is_idempotent or error.outcome is Outcome.DEFINITE


def was_not_sent(error: CoterieError) -> bool:
    """Return whether an attempt ended on this node. `NoTargets` is the reply of a balancer on the way: it had work."""
    return isinstance(error, TransportError) and not isinstance(error, NoTargets)


def is_answer(error: BaseException, message: object) -> bool:
    """Return whether an error is what a target answered: one that the message declares."""
    return not isinstance(error, CoterieError) or is_declared(error, message)


def outcome_of(error: BaseException) -> RequestOutcome:
    """Return what an error, or a cancellation, says of the target."""
    match error:
        case ActorFailed():
            return RequestOutcome.FAILED
        case CoterieError():
            return RequestOutcome.REFUSED if error.outcome is Outcome.DEFINITE else RequestOutcome.LOST
        case Exception():
            return RequestOutcome.ANSWERED  # an error that the message declares
        case _:
            return RequestOutcome.LOST  # cancelled: the caller has given up
