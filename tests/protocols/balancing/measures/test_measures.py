"""InFlight, ReportedInFlight, PeakEwma and C3: their formulas by hand, and what an update keeps."""

from __future__ import annotations

import math

import pytest

from coterie.protocols.balancing import (
    C3,
    InFlight,
    LoadReport,
    Measure,
    Meter,
    PeakEwma,
    ReportedInFlight,
    RequestOutcome,
)
from tests.protocols.balancing.every_policy import targets

MEASURES: list[Measure] = [InFlight(), ReportedInFlight(), PeakEwma(), C3()]


def meter_of(measure: Measure, keys: str = "ab", *weights: float) -> Meter:
    meter = measure.make()
    meter.update(targets(keys, *weights), now=0.0)
    return meter


def answer(
    meter: Meter, target: str, latency_s: float, *, now: float, load: LoadReport | None = None, picked: bool = True
) -> None:
    """A request that is answered at `now`; unless it was picked before, it is picked first."""
    if picked:
        meter.picked(target, now=now - latency_s)
    meter.settled(target, RequestOutcome.ANSWERED, latency_s=latency_s, load=load, now=now)


@pytest.mark.parametrize("measure", MEASURES)
def test_a_measure_forgets_what_left_and_keeps_what_stays(measure: Measure) -> None:
    meter = meter_of(measure)
    for target in "ab":
        answer(meter, target, 0.5, now=1.0, load=LoadReport(in_flight=4, service_s=0.1))
        meter.picked(target, now=1.0)
    before = meter.load("a", now=1.0)

    meter.update(targets("a"), now=1.0)
    meter.update(targets("ba"), now=1.0)

    assert meter.load("a", now=1.0) == before
    assert meter.load("b", now=1.0) < before
    assert "in flight" in meter.describe("b", now=1.0)


@pytest.mark.parametrize("measure", MEASURES)
def test_no_load_is_below_zero(measure: Measure) -> None:
    meter = meter_of(measure)
    answer(meter, "a", 0.01, now=1.0, load=LoadReport(in_flight=0, service_s=5.0))

    assert meter.load("a", now=2.0) >= 0
    assert meter.load("b", now=2.0) >= 0


def test_in_flight_counts_the_next_request_per_weight() -> None:
    meter = meter_of(InFlight(), "ab", 1.0, 4.0)
    for target in "abb":
        meter.picked(target, now=0.0)
    assert (meter.load("a", now=0.0), meter.load("b", now=0.0)) == (2.0, 0.75)

    answer(meter, "b", 0.1, now=0.1, picked=False)
    assert meter.load("b", now=0.0) == 0.5
    assert (meter.describe("a", now=0.0), meter.describe("b", now=0.0)) == ("1 in flight", "1 in flight at weight 4")


def test_reported_in_flight_adds_what_was_sent_since_the_report() -> None:
    meter = meter_of(ReportedInFlight())
    for _ in range(3):
        meter.picked("a", now=0.0)
    assert meter.load("a", now=0.0) == 3

    answer(meter, "a", 0.1, now=0.1, load=LoadReport(in_flight=7), picked=False)
    meter.picked("a", now=0.2)
    assert meter.load("a", now=0.2) == 8
    assert meter.describe("a", now=0.2) == "7 in flight reported and 1 sent since"


def test_reported_in_flight_is_never_below_the_own_requests() -> None:
    """A report without them: it was made before they came in."""
    meter = meter_of(ReportedInFlight())
    for _ in range(4):
        meter.picked("a", now=0.0)
    answer(meter, "a", 0.1, now=0.1, load=LoadReport(in_flight=0), picked=False)

    assert meter.load("a", now=0.1) == 3


def test_an_old_report_counts_no_longer() -> None:
    meter = meter_of(ReportedInFlight(max_age_s=10.0))
    answer(meter, "a", 0.1, now=0.1, load=LoadReport(in_flight=7))

    assert meter.load("a", now=10.1) == 7
    assert meter.load("a", now=10.2) == 0


def test_peak_ewma_rises_at_once() -> None:
    meter = meter_of(PeakEwma())
    answer(meter, "a", 0.1, now=1.0)
    answer(meter, "a", 2.0, now=1.0)

    assert meter.load("a", now=1.0) == 2.0


def test_peak_ewma_falls_by_its_time_constant() -> None:
    """After 10 s without a read: 2 · e^-1 + 0.1 · (1 − e^-1)."""
    meter = meter_of(PeakEwma(decay_s=10.0))
    answer(meter, "a", 2.0, now=1.0)
    answer(meter, "a", 0.1, now=11.0)

    assert meter.load("a", now=11.0) == pytest.approx(2 * math.exp(-1) + 0.1 * (1 - math.exp(-1)))


def test_reading_peak_ewma_decays_it_as_a_latency_of_zero_would() -> None:
    meter = meter_of(PeakEwma(decay_s=10.0))
    answer(meter, "a", 2.0, now=1.0)

    assert meter.load("a", now=6.0) == pytest.approx(2 * math.exp(-0.5))
    assert meter.load("a", now=6.0) == pytest.approx(2 * math.exp(-0.5))  # at the same time it decays no further
    assert meter.load("a", now=11.0) == pytest.approx(2 * math.exp(-1))


def test_peak_ewma_is_times_the_requests_in_flight() -> None:
    meter = meter_of(PeakEwma())
    answer(meter, "a", 0.2, now=1.0)
    for _ in range(2):
        meter.picked("a", now=1.0)

    assert meter.load("a", now=1.0) == pytest.approx(0.6)
    assert meter.describe("a", now=1.0) == "200 ms × 3"


def test_without_an_answer_the_first_request_is_free_and_the_next_is_not() -> None:
    meter = meter_of(PeakEwma(penalty_s=1000.0))
    assert meter.load("a", now=0.0) == 0

    meter.picked("a", now=0.0)
    assert meter.load("a", now=0.0) == 1001
    assert meter.describe("a", now=0.0) == "no answer yet, 1 in flight"


def test_c3_by_hand() -> None:
    """n 10, own 1, queue 4, T 0.02, R 0.1: q = 1 + 10 + 4 = 15; 0.1 − 0.02 + 15³ · 0.02."""
    meter = meter_of(C3(clients=10))
    answer(meter, "a", 0.1, now=1.0, load=LoadReport(in_flight=4, service_s=0.02))
    meter.picked("a", now=1.0)

    assert meter.load("a", now=1.0) == pytest.approx(0.08 + 15**3 * 0.02)
    assert meter.describe("a", now=1.0) == "score 67.6 s with 1 in flight and 4 queued"


def test_c3_averages_with_the_newest_sample_at_its_weight() -> None:
    """Queue 0.9 · 10 + 0.1 · 0 = 9, T 0.9 · 0.2 + 0.1 · 0.1 = 0.19, R 0.9 · 0.4 + 0.1 · 0.3 = 0.39."""
    meter = meter_of(C3(newest_weight=0.9))
    answer(meter, "a", 0.3, now=1.0, load=LoadReport(in_flight=0, service_s=0.1))
    answer(meter, "a", 0.4, now=2.0, load=LoadReport(in_flight=10, service_s=0.2))

    assert meter.load("a", now=2.0) == pytest.approx(0.39 - 0.19 + 10**3 * 0.19)


def test_a_queue_counts_by_its_cube() -> None:
    """b is four times as fast as a: with half of a's queue more, it is no longer preferred."""
    meter = meter_of(C3())
    answer(meter, "a", 0.08, now=1.0, load=LoadReport(in_flight=9, service_s=0.08))
    for queue, is_preferred in ((14, True), (16, False)):
        for _ in range(30):
            answer(meter, "b", 0.02, now=1.0, load=LoadReport(in_flight=queue, service_s=0.02))
        assert (meter.load("b", now=1.0) < meter.load("a", now=1.0)) is is_preferred


def test_a_target_that_has_not_answered_to_c3_counts_with_the_service_time_of_the_others() -> None:
    meter = meter_of(C3())
    answer(meter, "a", 0.1, now=1.0, load=LoadReport(in_flight=0, service_s=0.1))
    assert meter.load("b", now=1.0) == pytest.approx(0.1)

    meter.picked("b", now=1.0)
    assert meter.load("b", now=1.0) == pytest.approx(8 * 0.1)


def test_c3_without_reports_takes_its_own_latency_as_service_time() -> None:
    meter = meter_of(C3())
    answer(meter, "a", 0.3, now=1.0)

    assert meter.load("a", now=1.0) == pytest.approx(0.3)


def test_c3_forgets_averages_without_a_request_or_an_answer_for_their_greatest_age() -> None:
    meter = meter_of(C3(max_age_s=10.0))
    answer(meter, "b", 0.1, now=1.0, load=LoadReport(in_flight=0, service_s=0.1))
    answer(meter, "a", 3.0, now=2.0, load=LoadReport(in_flight=9, service_s=0.1))
    before = meter.load("a", now=12.0)

    assert before == pytest.approx(2.9 + 10**3 * 0.1)
    assert meter.load("a", now=12.1) == pytest.approx(0.1)


def test_a_target_that_c3_tries_again_gets_one_request_and_its_answer_alone_decides() -> None:
    meter = meter_of(C3(max_age_s=10.0))
    answer(meter, "a", 3.0, now=2.0, load=LoadReport(in_flight=9, service_s=0.1))
    meter.picked("a", now=20.0)  # without a look at its load: the others were excluded
    assert meter.load("a", now=29.0) == pytest.approx(8 * 0.1)

    answer(meter, "a", 9.5, now=29.5, load=LoadReport(in_flight=4, service_s=0.2), picked=False)
    assert meter.load("a", now=39.0) == pytest.approx(9.3 + 5**3 * 0.2)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: PeakEwma(decay_s=0.0), "decay_s=0.0 must be above 0"),
        (lambda: PeakEwma(penalty_s=math.inf), "penalty_s=inf must be above 0 and finite"),
        (lambda: C3(clients=0), "clients=0 must be at least 1"),
        (lambda: C3(newest_weight=1.5), "newest_weight=1.5 must be above 0 and at most 1"),
        (lambda: C3(max_age_s=0.0), "max_age_s=0.0 must be above 0 and finite"),
        (lambda: ReportedInFlight(max_age_s=math.nan), "max_age_s=nan must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused_and_named(make: object, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make()  # type: ignore[operator]
