"""`PendingVoter`: replaces the `Driver` of an unregistered voter: ignores peers and rejects all other requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from coterie.protocols.algorithm import Received

__all__ = ["PendingVoter"]

EventT = TypeVar("EventT")


class PendingVoter(Generic[EventT]):
    """Has the interface of a `Driver`, but answers no peer message and never becomes a candidate.

    Args:
        reject: answers an event whose sender waits for a reply.
    """

    def __init__(self, reject: Callable[[EventT], None]) -> None:
        self._reject = reject

    def feed(self, event: EventT) -> None:
        """Drop a peer message, because peers must not count this voter; reject every other event."""
        if not isinstance(event, Received):
            self._reject(event)

    def wake_with(self, event: EventT) -> None:
        """As `feed`, from outside a visit."""
        self.feed(event)

    def ticked(self) -> None:
        """Do nothing: an inactive voter has no deadlines."""

    def flush(self) -> None:
        """Do nothing: there is no batch."""

    def close(self) -> None:
        """Do nothing: there is no pending work."""
