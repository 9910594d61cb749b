"""Dead letters: counts undelivered messages by reason, keeps the latest ones, and notifies listeners."""

from __future__ import annotations

import collections
import enum
from collections.abc import Callable
from dataclasses import dataclass

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
    """One message that was not delivered: `target` is its address; `detail` explains the reason."""

    reason: Reason
    target: str
    item: object
    detail: str = ""


class DeadLetters:
    """The dead letters of one system. Memory is bounded: counts, and the latest `latest_max` letters."""

    def __init__(self, latest_max: int = 64) -> None:
        self.counts: dict[Reason, int] = dict.fromkeys(Reason, 0)
        self.latest: collections.deque[DeadLetter] = collections.deque(maxlen=latest_max)
        self._listeners: list[Callable[[DeadLetter], None]] = []

    def add(self, reason: Reason, target: str, item: object, detail: str = "") -> None:
        """Count a dead letter and notify the listeners."""
        letter = DeadLetter(reason, target, item, detail)
        self.counts[reason] += 1
        self.latest.append(letter)
        for listener in self._listeners:
            listener(letter)

    def listen(self, listener: Callable[[DeadLetter], None]) -> None:
        """Call `listener` synchronously with each further dead letter: it must be quick and must not raise."""
        self._listeners.append(listener)

    @property
    def total(self) -> int:
        """The number of dead letters since the system was made."""
        return sum(self.counts.values())
