"""KeptEvents: events are fetched once, in order, and the oldest are lost if they are never fetched."""

from __future__ import annotations

from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing.kept_events import EVENTS_KEPT, KeptEvents


def test_events_are_fetched_in_order_and_once() -> None:
    events = KeptEvents()
    events.observe("first", target="a")
    events.observe("second", target="b")

    assert events.fetch() == [Observe("first", {"target": "a"}), Observe("second", {"target": "b"})]
    assert events.fetch() == []


def test_of_events_that_are_not_fetched_the_newest_are_kept() -> None:
    events = KeptEvents()
    for number in range(3 * EVENTS_KEPT):
        events.observe("ejected", number=number)

    numbers = [event.facts["number"] for event in events.fetch()]
    assert numbers == list(range(2 * EVENTS_KEPT, 3 * EVENTS_KEPT))
