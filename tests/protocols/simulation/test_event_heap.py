"""Simulated time: order, steps, and streams that do not disturb each other."""

from __future__ import annotations

from functools import partial

from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.simulation.event_heap import EventHeap, stream


def run_all(heap: EventHeap, until_s: float = 100.0) -> None:
    heap.run(until_s=until_s)


def test_heap_runs_by_time_and_then_by_order_of_scheduling() -> None:
    heap, seen = EventHeap(ViolationContext()), list[str]()
    heap.at(2.0, lambda: seen.append("later"))
    heap.at(1.0, lambda: seen.append("first"))
    heap.after(1.0, lambda: seen.append("second"))

    run_all(heap)

    assert seen == ["first", "second", "later"]
    assert heap.now == 2.0


def test_heap_never_goes_back() -> None:
    heap, times = EventHeap(ViolationContext()), list[float]()
    heap.at(5.0, lambda: heap.at(1.0, lambda: times.append(heap.now)))

    run_all(heap)

    assert times == [5.0]


def test_heap_stops_at_its_end_and_leaves_the_rest() -> None:
    heap, seen = EventHeap(ViolationContext()), list[int]()
    for number in range(5):
        heap.at(number, partial(seen.append, number))
    heap.at(1, heap.stop)

    heap.run(until_s=10.0)
    assert seen == [0, 1]
    run_all(heap, until_s=3.0)
    assert seen == [0, 1, 2, 3]


def test_heap_sets_each_step_in_the_context_before_it_runs() -> None:
    context = ViolationContext()
    heap, seen = EventHeap(context), list[tuple[int, float]]()
    for time_s in (0.5, 1.5):
        heap.at(time_s, lambda: seen.append((context.step, context.time_s)))

    run_all(heap)

    assert seen == [(1, 0.5), (2, 1.5)]
    assert heap.steps == 2


def test_streams_of_one_seed_are_independent_and_repeatable() -> None:
    assert stream("7", "network").random() == stream("7", "network").random()
    assert stream("7", "network").random() != stream("7", "disk").random()
    assert stream("7", "network").random() != stream("8", "network").random()
