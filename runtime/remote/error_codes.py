"""Error codes: translates errors into a code and a text for the wire and back, and into reasons for dead letters."""

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
    FrameTooLarge,
    MailboxFullError,
    NodeStarting,
    NodeUnreachable,
    NoTargets,
    NotExported,
    OutboundFull,
    SpawnRefused,
    TooManyInFlight,
)
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.observing.error_texts import error_text, type_name

__all__ = ["TEXT_CHARS_MAX", "client_text", "code_of", "dead_letter_reason", "error_of", "wire_text"]

TEXT_CHARS_MAX: Final = 1000

_BAD_MESSAGE_CODE: Final = "bad_message"
_FRAME_TOO_LARGE_CODE: Final = "frame_too_large"

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
        NodeStarting,
        NoTargets,
        SpawnRefused,
        TooManyInFlight,
    )
}

_REASONS: Final[tuple[tuple[type[CoterieError], Reason], ...]] = (
    (NodeUnreachable, Reason.UNREACHABLE),
    (OutboundFull, Reason.OUTBOUND_FULL),
    (NotExported, Reason.NOT_EXPORTED),
    (ActorNotFound, Reason.NOT_FOUND),
    (ActorStopped, Reason.STOPPED),
)


def code_of(error: BaseException) -> str:
    """Return the wire code of an error; `ActorFailed.code` for an error without one."""
    if isinstance(error, BadMessage):
        return _BAD_MESSAGE_CODE
    if isinstance(error, FrameTooLarge):
        return _FRAME_TOO_LARGE_CODE
    return error.code if isinstance(error, AskError) and error.code in _ERRORS else ActorFailed.code


def error_of(code: str, text: str) -> CoterieError:
    """Return the error of a code; `ActorFailed` for an unknown code, which a later version may send."""
    if code == _BAD_MESSAGE_CODE:
        return BadMessage(text)
    return FrameTooLarge.told(text) if code == _FRAME_TOO_LARGE_CODE else _ERRORS.get(code, ActorFailed)(text)


def wire_text(error: BaseException) -> str:
    """Return the text of an error, valid in UTF-8 and cut to `TEXT_CHARS_MAX`, so that it fits into a frame."""
    return error_text(error, TEXT_CHARS_MAX).encode("utf-8", "replace").decode()


def client_text(error: BaseException) -> str:
    """Return what a client may read of an error: of what user code raised, or passed on, undeclared, the type alone."""
    if isinstance(error, CoterieError) and error.for_clients is not None:
        return error.for_clients
    is_own = isinstance(error, CoterieError) and type(error).__module__ == CoterieError.__module__
    return wire_text(error) if is_own else type_name(error)


def dead_letter_reason(error: CoterieError) -> Reason:
    """Return the dead-letter reason for a message that failed with `error`."""
    return next((reason for cls, reason in _REASONS if isinstance(error, cls)), Reason.BAD_MESSAGE)
