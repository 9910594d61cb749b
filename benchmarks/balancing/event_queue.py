"""`EventQueue`: runs functions in the order of their virtual time; the world of the simulated balancing benchmarks."""

from __future__ import annotations

import heapq
from collections.abc import Callable

__all__ = ["EventQueue"]


class EventQueue:
    """Virtual time and its events. Events at the same time run in the order in which they were added."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._count = 0

    def at(self, when: float, run: Callable[[], object]) -> None:
        """Call `run` at virtual time `when` (s; not before now)."""
        self._count += 1
        heapq.heappush(self._events, (max(self.now, when), self._count, run))

    def after(self, delay_s: float, run: Callable[[], object]) -> None:
        """Call `run` in `delay_s` seconds."""
        self.at(self.now + delay_s, run)

    def run(self, until: float) -> None:
        """Run all events up to virtual time `until`, which is the time afterwards."""
        events = self._events
        while events and events[0][0] <= until:
            self.now, _, run = heapq.heappop(events)
            run()
        self.now = until
