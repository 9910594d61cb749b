"""Messages that reached nobody: counted by reason, the latest kept, listeners told."""

from __future__ import annotations

import collections
import enum
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["DeadLetter", "DeadLetters", "Reason"]


class Reason(enum.Enum):
    """Why a message reached nobody."""

    NOT_FOUND = "not_found"  # nobody lives at that path
    STOPPED = "stopped"  # the actor stopped before it came to this message
    MAILBOX_FULL = "mailbox_full"
    DROPPED = "dropped"  # from a full mailbox, as its overflow policy says
    UNREACHABLE = "unreachable"  # no link to that node
    OUTBOUND_FULL = "outbound_full"  # the node does not read fast enough
    BAD_MESSAGE = "bad_message"  # of an unknown type, or a field does not fit
    NOT_EXPORTED = "not_exported"  # a client sent to an actor that is not exported
    EXPIRED = "expired"  # its deadline, or its time to live, was over before it was handled


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that reached nobody: `target` is its address, `detail` names what was wrong with it."""

    reason: Reason
    target: str
    item: object
    detail: str = ""


class DeadLetters:
    """The dead letters of one system. Memory is bounded: counts, and the latest `keep` letters."""

    def __init__(self, keep: int = 64) -> None:
        self.counts: dict[Reason, int] = dict.fromkeys(Reason, 0)
        self.latest: collections.deque[DeadLetter] = collections.deque(maxlen=keep)
        self._listeners: list[Callable[[DeadLetter], None]] = []

    def add(self, reason: Reason, target: str, item: object, detail: str = "") -> None:
        """Count a letter and tell the listeners."""
        letter = DeadLetter(reason, target, item, detail)
        self.counts[reason] += 1
        self.latest.append(letter)
        for listener in self._listeners:
            listener(letter)

    def listen(self, listener: Callable[[DeadLetter], None]) -> None:
        """Call `listener` with each further letter, where it happens: it must be quick and must not raise."""
        self._listeners.append(listener)

    @property
    def total(self) -> int:
        """How many there were."""
        return sum(self.counts.values())
