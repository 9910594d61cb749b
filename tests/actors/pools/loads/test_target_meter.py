"""The meter of a worker: in flight, latency by load, service time, rates; and reports that are cached for a moment."""

from __future__ import annotations

import math

import pytest

from coterie.actors.pools.loads.load_messages import LOAD_TYPE
from coterie.actors.pools.loads.load_subscribers import LEASE_S, LoadSubscribers
from coterie.actors.pools.loads.loop_time import LoopTime
from coterie.actors.pools.loads.target_meter import CACHED_S, LEAKED_AFTER_S, TargetMeter
from coterie.protocols.balancing import LoadReport, NodeResources

DEADLINE = math.inf


class Bench:
    """A meter with a clock that the test moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.subscribers = LoadSubscribers()
        self.loop_time = LoopTime()
        self.resources = NodeResources(cpu_used=0.25)
        self.is_metering: list[bool] = []
        self.meter = TargetMeter(
            lambda: self.now_s,
            subscribers=self.subscribers,
            loop_time=self.loop_time,
            resources=lambda: self.resources,
        )
        self.meter.attach(self.is_metering.append)

    def arrive(self, deadline: float = DEADLINE) -> int:
        return self.meter.arrived(deadline, now=self.now_s)

    def start(self, number: int) -> None:
        self.meter.started(number, now=self.now_s)

    def leave(self, number: int) -> None:
        self.meter.returned(number, now=self.now_s)

    def complete(self, number: int, *, is_failure: bool = False) -> None:
        self.meter.completed(number, is_failure=is_failure, now=self.now_s)

    def serve(self, number: int, seconds: float, *, is_failure: bool = False) -> None:
        """Handle a request in one piece."""
        self.start(number)
        self.now_s += seconds
        self.complete(number, is_failure=is_failure)
        self.leave(number)

    def report(self) -> LoadReport:
        self.now_s += CACHED_S
        return self.meter.report()


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.meter.renew()
    return bench


def test_a_queue_of_requests_is_reported_with_the_latency_that_so_many_have(bench: Bench) -> None:
    for _ in range(3):  # three rounds of four requests that come at once and take 1 s each
        numbers = [bench.arrive() for _ in range(4)]
        for number in numbers:
            bench.serve(number, 1.0)
    bench.arrive()
    bench.arrive()

    report = bench.report()

    assert report.in_flight == 2
    assert report.latency_s == pytest.approx(3.0), "the third of a round waited for two"
    assert report.service_s == pytest.approx(1.0)


def test_without_requests_the_report_is_empty() -> None:
    report = Bench().report()

    assert (report.in_flight, report.latency_s, report.service_s, report.utilization) == (0, None, None, None)
    assert (report.requests_per_s, report.errors_per_s) == (0.0, 0.0)


def test_the_service_time_is_without_the_wait_and_without_the_time_of_a_deferred_reply(bench: Bench) -> None:
    number = bench.arrive()
    bench.now_s += 5.0
    bench.start(number)
    bench.now_s += 0.25
    bench.leave(number)
    bench.now_s += 7.0
    bench.complete(number)

    assert bench.report().service_s == pytest.approx(0.25)
    assert bench.report().latency_s == pytest.approx(12.25)


def test_a_stashed_request_counts_each_time_that_it_was_handled(bench: Bench) -> None:
    number = bench.arrive()
    for seconds in (0.25, 0.5):
        bench.start(number)
        bench.now_s += seconds
        bench.leave(number)
        bench.now_s += 3.0
    bench.complete(number)

    assert bench.report().service_s == pytest.approx(0.75)


def test_rates_and_utilization_are_those_of_the_last_seconds(bench: Bench) -> None:
    for _ in range(40):  # 4 s at 10 requests per second, of 0.05 s each
        bench.serve(bench.arrive(), 0.05)
        bench.now_s += 0.05
        bench.meter.report()

    report = bench.report()

    assert report.requests_per_s == pytest.approx(10, rel=0.1)
    assert report.utilization == pytest.approx(0.5, rel=0.1)
    assert report.errors_per_s == 0.0

    bench.now_s += 1.0
    bench.report()
    bench.now_s += 2.0
    assert bench.report().requests_per_s == 0.0


def test_more_arrivals_than_it_can_serve_are_a_utilization_above_one(bench: Bench) -> None:
    for _ in range(30):
        served, _ = bench.arrive(), bench.arrive()
        bench.serve(served, 0.1)

    utilization = bench.report().utilization
    assert utilization is not None
    assert utilization > 1.5


def test_a_failure_is_an_error_and_no_latency(bench: Bench) -> None:
    for _ in range(10):
        bench.serve(bench.arrive(), 0.1, is_failure=True)

    report = bench.report()

    assert report.errors_per_s == pytest.approx(10, rel=0.1)
    assert report.requests_per_s == pytest.approx(10, rel=0.1)
    assert (report.in_flight, report.latency_s) == (0, None), "a worker that fails at once must not look fast"


def test_an_abandoned_request_is_no_longer_in_flight_and_no_sample(bench: Bench) -> None:
    number = bench.arrive()
    bench.now_s += 9.0
    bench.meter.abandoned(number)

    assert (bench.report().in_flight, bench.report().latency_s) == (0, None)


def test_unknown_and_repeated_numbers_change_nothing_in_flight(bench: Bench) -> None:
    number = bench.arrive()
    bench.start(0)
    bench.leave(99)
    bench.meter.abandoned(99)
    bench.complete(number)
    bench.complete(number)
    bench.complete(0, is_failure=True)

    assert bench.report().in_flight == 0


def test_a_request_that_is_never_answered_stops_to_count_a_minute_after_its_deadline(bench: Bench) -> None:
    number = bench.arrive(bench.now_s + 5.0)
    bench.now_s += 5.0 + LEAKED_AFTER_S - 1
    assert bench.report().in_flight == 1

    bench.now_s += LEAKED_AFTER_S / 4
    assert bench.report().in_flight == 0

    bench.complete(number)  # after all
    assert bench.report().in_flight == 0


def test_a_subscriber_gets_the_fields_of_the_report_and_others_get_none(bench: Bench) -> None:
    bench.subscribers.subscribe("n1", now=bench.now_s)
    bench.serve(bench.arrive(), 0.5)
    bench.now_s += CACHED_S

    values = bench.meter.load_for("n1", now=bench.now_s)

    assert bench.meter.load_for("n2", now=bench.now_s) is None
    assert values == tuple(LOAD_TYPE.encode(bench.meter.report()))


def test_only_the_number_in_flight_is_newer_than_the_cached_report(bench: Bench) -> None:
    bench.subscribers.subscribe("n1", now=bench.now_s)
    before = bench.meter.load_for("n1", now=bench.now_s)
    bench.serve(bench.arrive(), CACHED_S / 2)
    bench.arrive()
    soon = bench.meter.load_for("n1", now=bench.now_s)
    bench.now_s += CACHED_S
    later = bench.meter.load_for("n1", now=bench.now_s)

    assert before is not None
    assert soon == (1, *before[1:])
    assert later is not None
    assert later[1] == pytest.approx(0.75 * CACHED_S), (
        "made again after 50 ms, between the sample and the one that waits"
    )


def test_it_measures_while_somebody_wants_reports() -> None:
    bench = Bench()
    assert bench.is_metering == [False]
    bench.meter.report()
    assert bench.is_metering == [False, True]
    bench.now_s += LEASE_S - 1
    bench.arrive()
    assert bench.is_metering == [False, True]
    bench.now_s += 1
    bench.arrive()
    assert bench.is_metering == [False, True, False]
    bench.meter.report()
    assert bench.is_metering == [False, True, False, True]


def test_requests_of_the_last_lease_still_end(bench: Bench) -> None:
    number = bench.arrive()
    bench.now_s += LEASE_S
    bench.arrive()
    bench.complete(number)

    assert bench.meter.in_flight == 1


def test_the_loop_time_of_a_pool_is_shared_by_its_meters(bench: Bench) -> None:
    other = TargetMeter(lambda: 0.0, loop_time=bench.loop_time)
    bench.meter.used_loop(0.25)
    other.used_loop(0.5)

    assert bench.loop_time.seconds == 0.75


def test_a_long_life_does_not_fill_the_memory(bench: Bench) -> None:
    for _ in range(20_000):
        bench.serve(bench.arrive(), 0.001)
        bench.meter.report()

    assert len(bench.meter._open) == 0
    assert len(bench.meter._history) <= 12
