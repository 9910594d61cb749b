"""An active fault ends after its time and a hit, or when everything heals, and only once."""

from __future__ import annotations

from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.faults.active_faults import ActiveFaults


class Bed:
    def __init__(self) -> None:
        self.heap = EventHeap(ViolationContext())
        self.fault_counts = FaultCounts()
        self.active = ActiveFaults(self.heap, self.fault_counts)
        self.ended: list[float] = []

    def end(self) -> None:
        self.ended.append(round(self.heap.now, 6))

    def run(self, until_s: float = 50.0) -> None:
        self.heap.run(until_s=until_s)


def test_what_has_hit_ends_after_its_time() -> None:
    bed = Bed()
    bed.active.begin("loss", 2.0, bed.end)
    bed.heap.at(1.0, lambda: bed.fault_counts.note("loss"))

    bed.run()
    bed.active.heal()

    assert bed.ended == [2.0]


def test_what_has_hit_nothing_goes_on_until_its_own_kind_hits() -> None:
    bed = Bed()
    bed.fault_counts.note("loss")  # an earlier one
    bed.active.begin("loss", 2.0, bed.end)
    bed.heap.at(2.5, lambda: bed.fault_counts.note("delay"))
    bed.heap.at(3.05, lambda: bed.fault_counts.note("loss"))

    bed.run()

    assert bed.ended == [3.1]


def test_everything_ends_once_when_everything_heals() -> None:
    bed = Bed()
    bed.active.begin("loss", 2.0, bed.end)
    bed.active.until_healed(bed.end)
    bed.heap.at(1.0, bed.active.heal)

    bed.run()
    bed.active.heal()

    assert bed.ended == [1.0, 1.0]
