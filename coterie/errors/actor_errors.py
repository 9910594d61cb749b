"""Actor errors: why an ask has no reply, and why an actor has ended."""

from __future__ import annotations

from coterie.errors.root_error import CoterieError, Outcome

__all__ = [
    "ActorFailed",
    "ActorGaveUp",
    "ActorNotFound",
    "ActorStopped",
    "AskCycle",
    "AskError",
    "AskTimeout",
    "ConnectionLost",
    "MailboxFullError",
    "NodeStarting",
    "NotExported",
    "SpawnRefused",
    "TooManyInFlight",
]


class AskError(CoterieError):
    """An ask ended without a reply. `code` is the error's code on the wire."""

    code: str = "ask_error"


class AskTimeout(AskError, TimeoutError):
    """No reply came in time. The handler is not cancelled: it may have run, or may still."""

    code = "timeout"
    outcome = Outcome.UNKNOWN


class ActorNotFound(AskError):
    """No actor has that path."""

    code = "not_found"


class ActorStopped(AskError):
    """The actor stopped before it handled this message."""

    code = "stopped"


class ActorFailed(AskError):
    """The handler raised an exception; its effects before that remain. Its text is not for clients."""

    code = "failed"
    outcome = Outcome.UNKNOWN

    def __init__(self, text: str, *, for_clients: str = "it failed; the log of its node says why") -> None:
        super().__init__(text)
        self.for_clients = for_clients


class ActorGaveUp(CoterieError):
    """An actor has spent its restart budget, and its `Supervision(ends_system=True)` ends the system."""


class AskCycle(AskError):
    """The ask would wait for itself: `chain`: the actors (path@node) of the cycle, first the one it leads back to."""

    code = "ask_cycle"

    def __init__(self, text: str, *, chain: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.chain = chain


class MailboxFullError(AskError):
    """The mailbox is full: `policy` is its overflow policy; `limit` and `actual` count messages of the lane.

    They are "" and 0 if the mailbox is on another node: the text contains the same facts.
    """

    code = "mailbox_full"

    def __init__(self, text: str, *, policy: str = "", limit: int = 0, actual: int = 0) -> None:
        super().__init__(text)
        self.policy, self.limit, self.actual = policy, limit, actual


class NotExported(ActorNotFound):
    """A client asked an actor that is not there for clients. It is told `ActorNotFound`, in the same words."""


class NodeStarting(ActorNotFound):
    """The node has not started yet: it does not know which actors it will have. Ask again."""

    code = "starting"


class ConnectionLost(AskError):
    """The connection dropped while the ask was in flight."""

    code = "connection_lost"
    outcome = Outcome.UNKNOWN


class TooManyInFlight(AskError):
    """Too many asks or offers to (or from) that node are unanswered: no more are accepted."""

    code = "too_many_in_flight"


class SpawnRefused(AskError):
    """The node refused a remote spawn: unregistered kind, not for clients, or a name that is taken or invalid."""

    code = "spawn_refused"
