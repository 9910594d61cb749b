"""Dead letters: counts undelivered messages by reason, keeps texts about the latest ones, and notifies listeners.

The messages themselves are not kept: they may be large, and come from a peer that sends as many as it likes.
"""

from __future__ import annotations

import collections
import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coterie.runtime.observing.error_texts import type_name
from coterie.runtime.user_code import notify

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["DeadLetter", "DeadLetters", "Reason"]


class Reason(enum.Enum):
    """The reason why a message was not delivered."""

    NOT_FOUND = "not_found"  # no actor has that path
    STOPPED = "stopped"  # the actor stopped before it handled this message
    MAILBOX_FULL = "mailbox_full"
    DROPPED = "dropped"  # from a full mailbox, by its overflow policy
    UNREACHABLE = "unreachable"  # no link to that node
    OUTBOUND_FULL = "outbound_full"  # the node does not read fast enough
    BAD_MESSAGE = "bad_message"  # the type is unknown, or a field has the wrong type
    NOT_EXPORTED = "not_exported"  # a client sent to an actor that is not exported
    EXPIRED = "expired"  # its deadline, or its time to live, passed before it was handled


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was not delivered: the name of its class, the address, and what explains the reason."""

    reason: Reason
    target: str
    message: str
    detail: str = ""


Listener = Callable[[DeadLetter, object], None]

TEXT_CHARS_MAX: Final = 1000
"""What is kept of each text."""


class DeadLetters:
    """The dead letters of one system. Memory is bounded: counts, and the latest `latest_max` letters."""

    def __init__(self, log: FilteringBoundLogger, latest_max: int = 64) -> None:
        self._log = log
        self.counts: dict[Reason, int] = dict.fromkeys(Reason, 0)
        self.latest: collections.deque[DeadLetter] = collections.deque(maxlen=latest_max)
        self._listeners: list[Listener] = []

    def add(self, reason: Reason, target: str, item: object, detail: str = "") -> None:
        """Count a dead letter and notify the listeners. `item`: the message, or a text that stands for it."""
        message = item if type(item) is str else type_name(item)
        letter = DeadLetter(reason, target[:TEXT_CHARS_MAX], message[:TEXT_CHARS_MAX], detail[:TEXT_CHARS_MAX])
        self.counts[reason] += 1
        self.latest.append(letter)
        notify(self._log, self._listeners, letter, item)

    def listen(self, listener: Listener) -> None:
        """Call `listener(letter, item)` synchronously with each further dead letter and the message itself.

        It must be quick. What it raises is logged.
        """
        self._listeners.append(listener)

    @property
    def total(self) -> int:
        """The number of dead letters since the system was made."""
        return sum(self.counts.values())
