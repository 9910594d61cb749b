"""ReportedWeights: gRFC A58 by hand: the formula, blackout, expiry, update period, unusable weights."""

from __future__ import annotations

from collections import Counter

import pytest

from coterie.protocols.balancing import LoadReport, Picker, Probe, ReportedWeights
from coterie.protocols.balancing.choices.reported_weight import ReportedWeight
from tests.protocols.balancing.every_policy import pick, picker_of, settle, targets

QUICK = ReportedWeights(blackout_s=0.0)


def report(
    picker: Picker, target: str, *, rate: float, used: float | None, errors: float = 0.0, now: float = 0.0
) -> None:
    """An answer of `target` that says: so many requests and errors per second, this share of the capacity in use."""
    settle(picker, target, load=LoadReport(requests_per_s=rate, errors_per_s=errors, utilization=used), now=now)


def shares(picker: Picker, now: float) -> dict[str, float]:
    pick(picker, now=now)
    return {key: round(share, 3) for key, share in (picker.shares(now=now) or {}).items()}


@pytest.mark.parametrize(
    ("rate", "errors", "used", "penalty", "weight"),
    [
        (100.0, 0.0, 0.5, 1.0, 200.0),
        (100.0, 10.0, 0.4, 1.0, 200.0),
        (100.0, 10.0, 0.4, 6.0, 100.0),
        (50.0, 50.0, 1.0, 0.0, 50.0),
    ],
)
def test_the_weight_is_requests_over_utilization_and_penalty(
    rate: float, errors: float, used: float, penalty: float, weight: float
) -> None:
    reported = ReportedWeight()
    load = LoadReport(requests_per_s=rate, errors_per_s=errors, utilization=used)
    reported.report(load, error_penalty=penalty, now=0.0)

    assert reported.usable(blackout_s=0.0, expiry_s=180.0, now=0.0) == pytest.approx(weight)


@pytest.mark.parametrize(("rate", "used"), [(0.0, 0.5), (10.0, 0.0), (10.0, None)])
def test_a_report_without_requests_or_utilization_is_ignored(rate: float, used: float | None) -> None:
    reported = ReportedWeight()
    reported.report(LoadReport(requests_per_s=rate, utilization=used), error_penalty=1.0, now=0.0)

    assert reported.usable(blackout_s=0.0, expiry_s=180.0, now=0.0) is None


def test_a_weight_is_used_after_the_blackout() -> None:
    picker = picker_of(ReportedWeights(), targets("ab"))
    for now in (1.0, 10.9):
        report(picker, "a", rate=100, used=0.25, now=now)
        report(picker, "b", rate=100, used=0.75, now=now)

    assert shares(picker, 10.9) == {"a": 0.5, "b": 0.5}
    assert picker.states(now=10.9)["a"] == "mean weight: reports since 9.9 s (used after 10 s)"
    assert shares(picker, 11.9) == {"a": 0.75, "b": 0.25}
    assert picker.states(now=11.9) == {}


def test_a_weight_expires_and_the_blackout_starts_anew() -> None:
    picker = picker_of(ReportedWeights(blackout_s=10.0, expiry_s=180.0), targets("ab"))
    for now in (0.0, 10.0):
        report(picker, "a", rate=100, used=0.25, now=now)
        report(picker, "b", rate=100, used=0.75, now=now)
    assert shares(picker, 189.9) == {"a": 0.75, "b": 0.25}

    assert shares(picker, 190.9) == {"a": 0.5, "b": 0.5}
    assert picker.states(now=190.9)["a"] == "mean weight: no report"
    for now in (191.0, 200.0):
        report(picker, "a", rate=100, used=0.25, now=now)
        report(picker, "b", rate=100, used=0.75, now=now)
    assert shares(picker, 200.5) == {"a": 0.5, "b": 0.5}
    assert shares(picker, 201.6) == {"a": 0.75, "b": 0.25}


def test_weights_are_computed_anew_at_each_update_period_only() -> None:
    picker = picker_of(ReportedWeights(blackout_s=0.0, update_s=1.0), targets("ab"))
    report(picker, "a", rate=100, used=0.25)
    report(picker, "b", rate=100, used=0.75)

    assert shares(picker, 0.9) == {"a": 0.5, "b": 0.5}
    assert shares(picker, 1.0) == {"a": 0.75, "b": 0.25}


def test_an_update_period_below_a_tenth_counts_as_a_tenth() -> None:
    picker = picker_of(ReportedWeights(blackout_s=0.0, update_s=0.001), targets("ab"))
    report(picker, "a", rate=100, used=0.25)
    report(picker, "b", rate=100, used=0.75)

    assert shares(picker, 0.09) == {"a": 0.5, "b": 0.5}
    assert shares(picker, 0.1) == {"a": 0.75, "b": 0.25}


def test_an_unusable_weight_counts_as_the_mean_of_the_usable_ones() -> None:
    """a 400, b 200: the mean is 300, and the shares are 4/9, 2/9, 3/9."""
    picker = picker_of(QUICK, targets("abc"))
    report(picker, "a", rate=100, used=0.25)
    report(picker, "b", rate=100, used=0.5)

    assert shares(picker, 1.0) == {"a": 0.444, "b": 0.222, "c": 0.333}


def test_fewer_than_two_usable_weights_are_round_robin() -> None:
    picker = picker_of(QUICK, targets("abc"))
    report(picker, "a", rate=100, used=0.25)

    assert shares(picker, 1.0) == {"a": 0.333, "b": 0.333, "c": 0.333}
    assert Counter(pick(picker, now=1.0) for _ in range(30)) == {"a": 10, "b": 10, "c": 10}
    assert picker.explain().endswith("round robin, as only 1 of 3 weights are usable")


def test_weights_are_held_within_a_tenth_and_ten_times_their_mean() -> None:
    """b: 10,000 of a mean of 3,335; a and c, 1 and 4, are raised to 333.5."""
    picker = picker_of(QUICK, targets("abc"))
    for target, rate in (("a", 1), ("b", 10_000), ("c", 4)):
        report(picker, target, rate=rate, used=1.0)

    assert shares(picker, 1.0) == {"a": 0.031, "b": 0.937, "c": 0.031}


def test_picks_follow_the_weights() -> None:
    picker = picker_of(QUICK, targets("ab"))
    report(picker, "a", rate=100, used=0.25)
    report(picker, "b", rate=100, used=0.75)

    picked = Counter(pick(picker, now=1.0) for _ in range(4000))
    assert abs(picked["a"] - 3000) <= 2


def test_a_joining_target_keeps_the_others_weights() -> None:
    picker = picker_of(QUICK, targets("ab"))
    report(picker, "a", rate=100, used=0.25)
    report(picker, "b", rate=100, used=0.75)
    picker.update(targets("abc"), now=0.1)

    assert shares(picker, 0.1)["a"] == pytest.approx(3 * shares(picker, 0.1)["b"], abs=0.002)


def test_answers_to_probes_count() -> None:
    picker = picker_of(QUICK, targets("ab"))
    for target, used in (("a", 0.25), ("b", 0.75), ("gone", 0.1)):
        picker.probed(Probe(target, 1, 0.1), LoadReport(requests_per_s=10, utilization=used), now=0.0)
    picker.probed(Probe("a", 2, 0.1), None, now=0.0)

    assert shares(picker, 1.0) == {"a": 0.75, "b": 0.25}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"blackout_s": -1.0}, "blackout_s=-1.0 must be at least 0"),
        ({"error_penalty": -0.1}, "error_penalty=-0.1 must be at least 0"),
        ({"expiry_s": 0.0}, "expiry_s=0.0 must be above 0"),
        ({"update_s": float("nan")}, "update_s=nan must be above 0"),
    ],
)
def test_settings_out_of_range_are_refused_and_named(settings: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ReportedWeights(**settings)
