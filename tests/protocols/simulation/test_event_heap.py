"""Simulated time: order, steps, and streams that do not disturb each other."""

from __future__ import annotations

from functools import partial

from coterie.protocols.checking.violation import Bench
from coterie.protocols.simulation.event_heap import Timeline, stream


def run_all(timeline: Timeline, until_s: float = 100.0) -> None:
    timeline.run(until_s=until_s)


def test_timeline_runs_by_time_and_then_by_order_of_scheduling() -> None:
    timeline, seen = Timeline(Bench()), list[str]()
    timeline.at(2.0, lambda: seen.append("later"))
    timeline.at(1.0, lambda: seen.append("first"))
    timeline.after(1.0, lambda: seen.append("second"))

    run_all(timeline)

    assert seen == ["first", "second", "later"]
    assert timeline.now == 2.0


def test_timeline_never_goes_back() -> None:
    timeline, times = Timeline(Bench()), list[float]()
    timeline.at(5.0, lambda: timeline.at(1.0, lambda: times.append(timeline.now)))

    run_all(timeline)

    assert times == [5.0]


def test_timeline_stops_at_its_end_and_leaves_the_rest() -> None:
    timeline, seen = Timeline(Bench()), list[int]()
    for number in range(5):
        timeline.at(number, partial(seen.append, number))
    timeline.at(1, timeline.stop)

    timeline.run(until_s=10.0)
    assert seen == [0, 1]
    run_all(timeline, until_s=3.0)
    assert seen == [0, 1, 2, 3]


def test_timeline_tells_the_bench_each_step_before_it_happens() -> None:
    bench = Bench()
    timeline, seen = Timeline(bench), list[tuple[int, float]]()
    for time_s in (0.5, 1.5):
        timeline.at(time_s, lambda: seen.append((bench.step, bench.time_s)))

    run_all(timeline)

    assert seen == [(1, 0.5), (2, 1.5)]
    assert timeline.steps == 2


def test_streams_of_one_seed_are_independent_and_repeatable() -> None:
    assert stream("7", "network").random() == stream("7", "network").random()
    assert stream("7", "network").random() != stream("7", "disk").random()
    assert stream("7", "network").random() != stream("8", "network").random()
