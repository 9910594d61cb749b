"""LatencyByLoad: the server's estimate follows its load at once, forgets old samples, and counts each request once."""

from __future__ import annotations

import pytest

from coterie.protocols.balancing.prequal.latency_by_load import LatencyByLoad


def complete(server: LatencyByLoad, rif: int, *latencies_s: float, now: float = 0.0) -> None:
    """Complete requests at `now` that arrived when `rif` others were in flight; the others leave no samples."""
    others = arrive(server, rif, now=now)
    for latency_s in latencies_s:
        server.completed(server.arrived(now=now - latency_s), now=now)
    for number in others:
        server.completed(number, now=now, is_sample=False)


def arrive(server: LatencyByLoad, count: int, now: float = 0.0) -> list[int]:
    return [server.arrived(now=now) for _ in range(count)]


def test_requests_in_flight_are_those_that_have_arrived_and_are_not_completed() -> None:
    server = LatencyByLoad()
    first, second, _ = arrive(server, 3)

    assert server.report(0.0) == (3, None)
    server.completed(first, now=0.1)
    server.completed(second, now=1.0, is_sample=False)
    assert server.in_flight == 1


def test_what_is_no_sample_leaves_no_trace_in_the_estimate() -> None:
    server = LatencyByLoad()
    first, second = arrive(server, 2)

    server.completed(first, now=0.1)
    server.completed(second, now=0.9, is_sample=False)

    assert server.report(1.0) == (0, 0.1)


def test_requests_in_flight_count_with_their_age_if_it_is_above_the_median() -> None:
    """Two quick requests have met five in flight; the others of that load still wait, and so would the next one."""
    server = LatencyByLoad()
    complete(server, 5, 0.001, 0.002, now=10.0)
    arrive(server, 5, now=10.0)

    assert server.report(10.001)[1] == pytest.approx(0.0015)  # nobody waits for longer yet
    assert server.report(12.0)[1] == pytest.approx(2.0)


def test_requests_that_have_just_arrived_do_not_lower_the_estimate() -> None:
    server = LatencyByLoad()
    complete(server, 3, 0.1, 0.2, 0.3)
    arrive(server, 4)

    assert server.report(0.05) == (4, 0.2)


def test_without_samples_the_ages_of_the_requests_in_flight_are_the_estimate() -> None:
    server = LatencyByLoad()
    arrive(server, 2, now=1.0)

    assert server.report(4.0) == (2, 3.0)


def test_the_estimate_is_the_median_at_the_present_load() -> None:
    server = LatencyByLoad(samples_per_estimate=3)
    complete(server, 0, 0.010, 0.012, 0.500)
    complete(server, 2, 0.030, 0.031, 0.032)

    assert server.report(0.0) == (0, 0.012)
    arrive(server, 2)
    assert server.report(0.0) == (2, 0.031)


def test_the_tag_counts_and_not_the_load_at_completion() -> None:
    """Two requests: one met an idle server, one a busy one; an idle server then answers with the first latency."""
    server = LatencyByLoad(samples_per_estimate=1)
    first, second = arrive(server, 2)
    server.completed(second, now=0.5)
    server.completed(first, now=0.6)

    assert server.report(0.7) == (0, 0.6)


def test_levels_nearby_help_out_when_the_present_one_has_too_few_samples() -> None:
    """12 in flight: level 11 is at distance 1, with one sample, then 14 and 10 at 2: the higher one comes first."""
    server = LatencyByLoad(samples_per_estimate=3)
    complete(server, 10, 0.019, 0.020)
    complete(server, 11, 0.031)
    complete(server, 14, 0.061, 0.060)
    arrive(server, 12)

    assert server.report(0.0) == (12, 0.060)


def test_levels_far_away_do_not_count_if_there_is_one_nearby() -> None:
    """An idle server that was overloaded a moment ago is fast again."""
    server = LatencyByLoad()
    complete(server, 0, 0.01)
    complete(server, 40, 4.0, 4.1, 4.2)

    assert server.report(0.0) == (0, 0.01)


def test_levels_far_away_count_if_there_is_no_other() -> None:
    server = LatencyByLoad()
    complete(server, 40, 4.0)

    assert server.report(0.0) == (0, 4.0)


def test_an_even_number_of_samples_gives_the_mean_of_the_middle_two() -> None:
    server = LatencyByLoad()
    complete(server, 0, 0.4, 0.1, 0.3, 0.2)

    assert server.report(0.0)[1] == pytest.approx(0.25)


def test_of_many_samples_at_a_level_the_newest_count() -> None:
    server = LatencyByLoad(samples_per_estimate=3)
    complete(server, 0, *[0.9] * 50, 0.1, 0.1, 0.1)

    assert server.report(0.0) == (0, 0.1)


def test_old_samples_are_forgotten() -> None:
    server = LatencyByLoad(max_age_s=10.0)
    complete(server, 0, 2.0, now=0.0)

    assert server.report(10.0) == (0, 2.0)
    assert server.report(10.1) == (0, None)


def test_memory_is_bounded_whatever_the_load_was() -> None:
    server = LatencyByLoad(samples_max=16, samples_per_estimate=7)
    for rif in range(1000):
        complete(server, rif, 0.001 * rif)

    assert len(server._order) == len(server._levels) == len(server._latencies_by_rif) == 16
    assert server.report(0.0)[1] == pytest.approx(0.984)  # the lowest of the last 16 levels


def test_a_request_that_is_completed_twice_is_an_error() -> None:
    server = LatencyByLoad()
    number = server.arrived(now=0.0)
    server.completed(number, now=0.0)

    with pytest.raises(ValueError, match=f"request {number} is not in flight"):
        server.completed(number, now=0.0)


@pytest.mark.parametrize("wrong", [{"samples_max": 0}, {"samples_per_estimate": 0}, {"max_age_s": 0.0}])
def test_settings_out_of_range_are_refused_and_named(wrong: dict[str, int]) -> None:
    name, value = next(iter(wrong.items()))

    with pytest.raises(ValueError, match=f"{name}={value}"):
        LatencyByLoad(**wrong)
