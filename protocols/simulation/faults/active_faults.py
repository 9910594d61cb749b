"""`ActiveFaults`: ends each fault after its duration (later if it has had no effect yet), or when the plan ends."""

from __future__ import annotations

from collections.abc import Callable

from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.fault_targeting import RETRY_INTERVAL_S

__all__ = ["ActiveFaults"]


class ActiveFaults:
    """The faults that have begun and not ended, with the functions that end them."""

    __slots__ = ("_count", "_ending_by_number", "_fault_counts", "_heap")

    def __init__(self, heap: EventHeap, fault_counts: FaultCounts) -> None:
        self._heap = heap
        self._fault_counts = fault_counts
        self._count = 0
        self._ending_by_number: dict[int, Callable[[], object]] = {}

    def begin(self, name: str, duration_s: float, end: Callable[[], object]) -> None:
        """Call `end` once: after `duration_s` and the next hit of a fault `name`, or when everything heals."""
        number, count = self.until_healed(end), self._fault_counts.count(name)

        def end_if_hit() -> None:
            if number not in self._ending_by_number or self._fault_counts.count(name) > count:
                self._end(number)
            else:
                self._heap.after(RETRY_INTERVAL_S, end_if_hit)

        self._heap.after(duration_s, end_if_hit)

    def until_healed(self, end: Callable[[], object]) -> int:
        """Call `end` when everything heals; return its number."""
        self._count += 1
        self._ending_by_number[self._count] = end
        return self._count

    def heal(self) -> None:
        """End all faults."""
        for number in list(self._ending_by_number):
            self._end(number)

    def _end(self, number: int) -> None:
        end = self._ending_by_number.pop(number, None)
        if end is not None:
            end()
