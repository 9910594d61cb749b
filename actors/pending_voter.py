"""Who stands where a voter's driver will be, until the voter may take part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from coterie.protocols.algorithm import Received

__all__ = ["Outsider"]

EventT = TypeVar("EventT")


class Outsider(Generic[EventT]):
    """Takes what a `Driver` takes, and runs no algorithm: it answers no letter, and never becomes a candidate.

    Args:
        turn_away: answers an event that somebody waits for.
    """

    def __init__(self, turn_away: Callable[[EventT], None]) -> None:
        self._turn_away = turn_away

    def feed(self, event: EventT) -> None:
        """Drop a letter of a peer, who must not count on us; turn everybody else away."""
        if not isinstance(event, Received):
            self._turn_away(event)

    def wake_with(self, event: EventT) -> None:
        """As `feed`, from outside a visit."""
        self.feed(event)

    def ticked(self) -> None:
        """Do nothing: who takes no part has no deadlines."""

    def flush(self) -> None:
        """Do nothing: there is no batch."""

    def close(self) -> None:
        """Do nothing: nothing is under way."""
