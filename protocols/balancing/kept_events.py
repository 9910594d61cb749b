"""`KeptEvents`: keeps the events of a policy until they are fetched; the oldest are lost if there are too many."""

from __future__ import annotations

from collections import deque
from typing import Final

from coterie.protocols.algorithm import Observe

__all__ = ["KeptEvents"]

EVENTS_KEPT: Final = 100


class KeptEvents:
    """The last 100 events since they were fetched."""

    def __init__(self) -> None:
        self._events: deque[Observe] = deque(maxlen=EVENTS_KEPT)

    def observe(self, event: str, **facts: object) -> None:
        """Keep an event until it is fetched."""
        self._events.append(Observe(event, facts))

    def fetch(self) -> list[Observe]:
        """Return the events since the last call, and forget them."""
        events = list(self._events)
        self._events.clear()
        return events
