"""Faults that last: each ends after its time, but not before its kind has hit something; and when everything heals."""

from __future__ import annotations

from collections.abc import Callable

from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.faults.fault_targeting import EXTENSION_S

__all__ = ["Lasting"]


class Lasting:
    """Knows how everything that has begun will end."""

    __slots__ = ("_begun", "_ending_by_number", "_firings", "_timeline")

    def __init__(self, timeline: Timeline, firings: Firings) -> None:
        self._timeline = timeline
        self._firings = firings
        self._begun = 0
        self._ending_by_number: dict[int, Callable[[], object]] = {}

    def begin(self, name: str, duration_s: float, end: Callable[[], object]) -> None:
        """Call `end` once: after `duration_s` and a hit of a fault `name` from now on, or when everything heals."""
        number, count = self.until_healed(end), self._firings.count(name)

        def end_if_hit() -> None:
            if number not in self._ending_by_number or self._firings.count(name) > count:
                self._end(number)
            else:
                self._timeline.after(EXTENSION_S, end_if_hit)

        self._timeline.after(duration_s, end_if_hit)

    def until_healed(self, end: Callable[[], object]) -> int:
        """Call `end` when everything heals; return its number."""
        self._begun += 1
        self._ending_by_number[self._begun] = end
        return self._begun

    def heal(self) -> None:
        """End everything."""
        for number in list(self._ending_by_number):
            self._end(number)

    def _end(self, number: int) -> None:
        end = self._ending_by_number.pop(number, None)
        if end is not None:
            end()
