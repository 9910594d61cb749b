"""What lasts ends after its time and a hit, or when everything heals, and only once."""

from __future__ import annotations

from coterie.protocols.checking.violation import Bench
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.faults.lasting_faults import Lasting


class Bed:
    def __init__(self) -> None:
        self.timeline = Timeline(Bench())
        self.firings = Firings()
        self.lasting = Lasting(self.timeline, self.firings)
        self.ended: list[float] = []

    def end(self) -> None:
        self.ended.append(round(self.timeline.now, 6))

    def run(self, until_s: float = 50.0) -> None:
        self.timeline.run(until_s=until_s)


def test_what_has_hit_ends_after_its_time() -> None:
    bed = Bed()
    bed.lasting.begin("loss", 2.0, bed.end)
    bed.timeline.at(1.0, lambda: bed.firings.note("loss"))

    bed.run()
    bed.lasting.heal()

    assert bed.ended == [2.0]


def test_what_has_hit_nothing_goes_on_until_its_own_kind_hits() -> None:
    bed = Bed()
    bed.firings.note("loss")  # an earlier one
    bed.lasting.begin("loss", 2.0, bed.end)
    bed.timeline.at(2.5, lambda: bed.firings.note("delay"))
    bed.timeline.at(3.05, lambda: bed.firings.note("loss"))

    bed.run()

    assert bed.ended == [3.1]


def test_everything_ends_once_when_everything_heals() -> None:
    bed = Bed()
    bed.lasting.begin("loss", 2.0, bed.end)
    bed.lasting.until_healed(bed.end)
    bed.timeline.at(1.0, bed.lasting.heal)

    bed.run()
    bed.lasting.heal()

    assert bed.ended == [1.0, 1.0]
