"""`RoutedCommand`: tracks one command over its attempts: what is certain of its execution, and how to send it next."""

from __future__ import annotations

import enum
from typing import Final

from coterie.errors import CommandError, CommandRefused, CommandUnsettled, Outcome

__all__ = ["ALONE", "COMMANDS", "Route", "RoutedCommand", "Way", "refused"]

ALONE: Final = 1 << 62
"""As `reply_bytes`: more than any answer has, so that the command shares its answer with no other."""

_CERTAINTY: Final = {Outcome.DEFINITE: 0, Outcome.UNKNOWN: 1, Outcome.HAPPENED: 2}
_FATE: Final = {
    Outcome.DEFINITE: "was not executed",
    Outcome.UNKNOWN: "may have been executed",
    Outcome.HAPPENED: "was executed, only its reply is missing",
}


class Way(enum.Enum):
    """How a command is executed: by the leader through the log, or as a query that is read there, or on any node."""

    EXECUTE = "execute"
    READ = "read"
    READ_ANYWHERE = "read_anywhere"


Route = tuple[Way, type[object] | None]
"""What is sent together: commands; or queries of one class: a machine reads all of them without the log, or none."""

COMMANDS: Final[Route] = (Way.EXECUTE, None)


class RoutedCommand:
    """The state of one command in flight.

    `outcome` is that of the command as a whole if it ends now: once an attempt may have put it into a log, no later
    refusal makes it definite again, and once it was executed, nothing makes that uncertain. `reply_bytes`: the size of
    its reply, if that is known or expected to be large; 0: it is not. `pauses`: how often it has waited between two
    attempts. `subject`: the command in the words of an error. `kind`: its class, whose replies may all be large. `way`:
    how it is executed.
    """

    __slots__ = ("kind", "outcome", "pauses", "reply_bytes", "subject", "way")

    def __init__(
        self,
        outcome: Outcome = Outcome.DEFINITE,
        *,
        subject: str = "it",
        kind: type[object] | None = None,
        way: Way = Way.EXECUTE,
    ) -> None:
        self.way = way
        self.outcome = outcome
        self.subject = subject
        self.kind = kind
        self.pauses = 0
        self.reply_bytes = 0

    @property
    def route(self) -> Route:
        """With what it is sent."""
        return COMMANDS if self.way is Way.EXECUTE else (self.way, self.kind)

    def attempt_ended(self, outcome: Outcome) -> None:
        """Note the outcome of an attempt that brought no reply."""
        if _CERTAINTY[outcome] > _CERTAINTY[self.outcome]:
            self.outcome = outcome

    def withheld(self, size_bytes: int) -> None:
        """Note that the command was executed, and that its reply of this size did not fit into the answer."""
        self.attempt_ended(Outcome.HAPPENED)
        self.reply_bytes = ALONE if self.reply_bytes >= size_bytes else size_bytes

    @property
    def fate(self) -> str:
        """The outcome in words."""
        if self.way is not Way.EXECUTE:
            return f"{self.subject} is a query, which may be repeated: it changes nothing"
        return f"{self.subject} {_FATE[self.outcome]}"


def refused(text: str, routed: RoutedCommand) -> CommandError:
    """Return the error of a refused attempt: it is a refusal of the command only if no attempt may have executed it."""
    if routed.outcome is Outcome.DEFINITE:
        return CommandRefused(text)
    return CommandUnsettled(f"{text}, when it was repeated: {routed.fate}", routed.outcome)
