"""How errors cross the wire, and under which reason a message that failed is counted."""

from __future__ import annotations

from typing import Final

from coterie.errors import (
    ActorFailed,
    ActorNotFound,
    ActorStopped,
    AskCycle,
    AskError,
    AskTimeout,
    BadMessage,
    ConnectionLost,
    CoterieError,
    MailboxFullError,
    NodeUnreachable,
    NotExported,
    OutboundFull,
    SpawnRefused,
    TooManyInFlight,
)
from coterie.runtime.observing.dead_letters import Reason

__all__ = ["TEXT_CHARS_MAX", "code_of", "error_of", "reason_of", "short"]

TEXT_CHARS_MAX: Final = 1000

_BAD_MESSAGE_CODE: Final = "bad_message"

_ERRORS: Final[dict[str, type[AskError]]] = {
    cls.code: cls
    for cls in (
        ActorFailed,
        ActorNotFound,
        ActorStopped,
        AskCycle,
        AskTimeout,
        ConnectionLost,
        MailboxFullError,
        NotExported,
        SpawnRefused,
        TooManyInFlight,
    )
}

_REASONS: Final[tuple[tuple[type[CoterieError], Reason], ...]] = (
    (NodeUnreachable, Reason.UNREACHABLE),
    (OutboundFull, Reason.OUTBOUND_FULL),
    (ActorNotFound, Reason.NOT_FOUND),
    (NotExported, Reason.NOT_EXPORTED),
    (ActorStopped, Reason.STOPPED),
)


def code_of(error: BaseException) -> str:
    """Return the code by which an error crosses; whatever has none of its own is the actor's failure."""
    if isinstance(error, BadMessage):
        return _BAD_MESSAGE_CODE
    return error.code if isinstance(error, AskError) and error.code in _ERRORS else ActorFailed.code


def error_of(code: str, text: str) -> CoterieError:
    """Return the error of a code; of one that a later version sends, the actor's failure."""
    return BadMessage(text) if code == _BAD_MESSAGE_CODE else _ERRORS.get(code, ActorFailed)(text)


def short(error: BaseException) -> str:
    """Return the text of an error as it crosses the wire: it must fit in a frame whatever a handler put in it."""
    text = str(error)[: TEXT_CHARS_MAX + 1].encode("utf-8", "replace").decode()
    return text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"


def reason_of(error: CoterieError) -> Reason:
    """Return under which reason a message that failed with `error` is counted."""
    return next((reason for cls, reason in _REASONS if isinstance(error, cls)), Reason.BAD_MESSAGE)
