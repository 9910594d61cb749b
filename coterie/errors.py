"""Every error of coterie: one root, blame in the type, facts in the attributes.

This module imports the standard library only; it is the one leaf that everything else may import.

`Outcome` answers the one question a caller of a distributed system has after an error: did it happen?
"""

from __future__ import annotations

import enum

__all__ = [
    "ActorFailed",
    "ActorNotFound",
    "ActorStopped",
    "AskError",
    "AskTimeout",
    "BadMessage",
    "ConnectionLost",
    "CoterieError",
    "InvariantViolated",
    "MailboxFullError",
    "MessageTypeError",
    "NotExported",
    "Outcome",
    "VirtualDeadlock",
]


class Outcome(enum.Enum):
    """What an error says about the operation it ended."""

    DEFINITE = "definite"  # it did not happen, and will not
    UNKNOWN = "unknown"  # it may have happened, or may still happen


class CoterieError(Exception):
    """The root of all errors that coterie raises on purpose.

    `outcome` says whether the operation definitely did not happen or may have happened.
    """

    outcome: Outcome = Outcome.DEFINITE


class InvariantViolated(CoterieError):
    """A safety invariant of an algorithm does not hold: the group halts and is never restarted into this state."""

    outcome = Outcome.UNKNOWN


class MessageTypeError(CoterieError, TypeError):
    """A message class that cannot be one: a mutable or unencodable field, a name declared twice."""


class BadMessage(CoterieError, ValueError):
    """What came from the wire (or goes to it) does not fit its message type: the message, the field and the value."""


class AskError(CoterieError):
    """An ask was not answered with a reply. `code` is what crosses the wire."""

    code: str = "ask_error"


class AskTimeout(AskError, TimeoutError):
    """No reply came in time. The handler is not cancelled: it may have run, or may still."""

    code = "timeout"
    outcome = Outcome.UNKNOWN


class ActorNotFound(AskError):
    """Nobody lives at that path."""

    code = "not_found"


class ActorStopped(AskError):
    """The actor stopped before it handled this message."""

    code = "stopped"


class ActorFailed(AskError):
    """The handler raised; what it had done before that stands."""

    code = "failed"
    outcome = Outcome.UNKNOWN


class MailboxFullError(AskError):
    """The mailbox is full and its policy is to refuse."""

    code = "mailbox_full"


class NotExported(AskError):
    """A client asked an actor that is not marked `exported`."""

    code = "not_exported"


class ConnectionLost(AskError):
    """The connection dropped while the ask was in flight."""

    code = "connection_lost"
    outcome = Outcome.UNKNOWN


class VirtualDeadlock(CoterieError):
    """In virtual time nothing is ready, no timer is set, and somebody still waits: it would be for ever.

    `waiting` says for each pending task, in order, where it waits.
    """

    def __init__(self, waiting: tuple[str, ...]) -> None:
        self.waiting = waiting
        lines = "".join(f"\n  {line}" for line in waiting)
        super().__init__(f"deadlock: nothing is ready, no timer is set, and {len(waiting)} task(s) wait:{lines}")
