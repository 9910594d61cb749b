"""Command errors: why a command of a replicated group has no reply."""

from __future__ import annotations

from coterie.errors.root_error import CoterieError, Outcome

__all__ = [
    "CommandError",
    "CommandFailed",
    "CommandRefused",
    "CommandTimeout",
    "CommandTooLate",
    "CommandUnsettled",
    "ReplyTooLarge",
]


class CommandError(CoterieError):
    """A command to a replicated state machine did not end with a reply."""


class CommandRefused(CommandError):
    """The command was refused, and nothing changed. Raised by user-written state machines, too."""


class CommandFailed(CommandError):
    """The state machine raised an exception; its changes before that remain, the same on all replicas."""

    outcome = Outcome.HAPPENED


class ReplyTooLarge(CommandFailed):
    """The command was executed, but its reply of `size_bytes` exceeds `limit_bytes`, what one answer may have."""

    def __init__(self, message: str, *, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(message)
        self.size_bytes, self.limit_bytes = size_bytes, limit_bytes


class _EndedCommand(CommandError):
    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


class CommandTimeout(_EndedCommand, TimeoutError):
    """No reply came in time.

    `outcome`: DEFINITE if no node ever accepted the command; HAPPENED if it was executed, and only its reply was late.
    """


class CommandTooLate(_EndedCommand):
    """The session no longer has the result of this command: it is below the low-water mark, or the session has ended.

    It is not executed by this attempt. `outcome` is UNKNOWN if an earlier attempt, or another client with the same
    identity, may have executed it; HAPPENED if one has.
    """


class CommandUnsettled(_EndedCommand):
    """A retry of the command was refused, but an earlier attempt may have been executed (UNKNOWN), or was (HAPPENED).

    Repeat it under the same identity (`GroupClient.execute_as`), or find out whether it took effect.
    """
