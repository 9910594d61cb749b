"""ChenNFDE: the expected arrival, lost, repeated and late heartbeats, and the configurator."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from coterie.protocols.detection.heartbeats.chen_nfde import ChenConfig, ChenNFDE
from coterie.protocols.detection.heartbeats.chen_quality import QualityUnreachable, chen_parameters

CONFIG = ChenConfig(interval_s=1.0, margin_s=2.0, window_heartbeats=3)


def test_the_expected_arrival_is_the_mean_of_the_shifted_arrivals() -> None:
    """Arrivals 10.1, 11.3, 12.2 of the numbers 1, 2, 3; minus the number: 9.1, 9.3, 9.2, mean 9.2. EA(4) = 13.2."""
    peer = ChenNFDE(CONFIG, now=9.0)
    for number, arrival_s in ((1, 10.1), (2, 11.3), (3, 12.2)):
        peer.heard(now=arrival_s, sequence=number)

    assert peer.suspects_at() == pytest.approx(13.2 + 2.0)


def test_the_window_forgets_the_oldest_arrival() -> None:
    """Of 9.1, 9.3, 9.2 and 9.7 the last three count: mean 9.4. EA(5) = 14.4."""
    peer = ChenNFDE(CONFIG, now=9.0)
    for number, arrival_s in ((1, 10.1), (2, 11.3), (3, 12.2), (4, 13.7)):
        peer.heard(now=arrival_s, sequence=number)

    assert peer.suspects_at() == pytest.approx(14.4 + 2.0)


def test_lost_heartbeats_leave_no_trace_in_the_estimate() -> None:
    """Numbers 2 to 4 are lost: 9.1, then 9.1; EA(6) = 15.1. Intervals would have averaged to 4."""
    peer = ChenNFDE(CONFIG, now=9.0)
    peer.heard(now=10.1, sequence=1)
    peer.heard(now=14.1, sequence=5)

    assert peer.suspects_at() == pytest.approx(15.1 + 2.0)


def test_repeated_and_overtaken_heartbeats_are_ignored() -> None:
    peer = ChenNFDE(CONFIG, now=9.0)
    peer.heard(now=12.0, sequence=3)
    before = peer.suspects_at()
    for number in (3, 2, 1):
        peer.heard(now=12.5, sequence=number)

    assert peer.suspects_at() == before
    assert peer.evidence(now=12.5)["samples"] == 1


def test_without_numbers_each_heartbeat_follows_the_last() -> None:
    peer = ChenNFDE(CONFIG, now=9.0)
    for arrival_s in (10.0, 11.0, 12.0):
        peer.heard(now=arrival_s)

    assert peer.suspects_at() == pytest.approx(13.0 + 2.0)


def test_before_the_first_heartbeat_it_waits_for_an_interval_and_the_margin() -> None:
    peer = ChenNFDE(CONFIG, now=9.0)

    assert peer.suspects_at() == 12.0
    assert peer.suspicion(now=9.0) == 0.0
    assert peer.suspicion(now=10.5) == pytest.approx(0.5)


def test_a_heartbeat_that_is_later_than_the_next_deadline_does_not_lift_the_suspicion() -> None:
    peer = ChenNFDE(replace(CONFIG, window_heartbeats=100), now=0.0)
    for number in range(1, 101):
        peer.heard(now=float(number), sequence=number)
    peer.heard(now=105.0, sequence=101)

    assert peer.suspicion(now=105.0) >= 1.0  # EA(102) is 102.04, and the margin 2


def test_an_own_pause_prolongs_trust_and_leaves_the_estimate() -> None:
    peer = ChenNFDE(CONFIG, now=9.0)
    peer.heard(now=10.0, sequence=1)
    peer.paused(60.0)

    assert peer.suspects_at() == 11.0 + 2.0 + 60.0
    peer.heard(now=72.0, sequence=63)
    assert peer.suspects_at() == pytest.approx(73.0 + 2.0)


@pytest.mark.parametrize("seed", range(20))
def test_suspicion_is_1_exactly_from_suspects_at_on(seed: int) -> None:
    rng, number = random.Random(seed), 0
    offset_s = rng.choice((0.0, 1e3, 1e7))
    peer = ChenNFDE(replace(CONFIG, margin_s=rng.random() + 1e-3), now=offset_s)
    for _ in range(100):
        number += rng.choice((1, 1, 1, 2, 5))
        now = offset_s + number + rng.random() * 0.5
        peer.heard(now=now, sequence=number)
        at = peer.suspects_at()
        assert peer.suspicion(now=at) >= 1.0
        assert peer.suspicion(now=math.nextafter(at, 0.0)) < 1.0
        levels = [peer.suspicion(now=now + step) for step in (0, 0.1, 0.5, 1, 2, 3, 10, 1e6, 1e9)]
        assert levels == sorted(levels)


def test_the_window_equals_a_naive_recomputation_over_1e5_random_arrivals() -> None:
    rng, peer = random.Random(3), ChenNFDE(replace(CONFIG, window_heartbeats=50), now=0.0)
    shifted_s: list[float] = []
    number = 0
    for count in range(1, 100_001):
        number += 1 + (rng.random() < 0.1)
        now = number + rng.expovariate(10.0)
        peer.heard(now=now, sequence=number)
        shifted_s = [*shifted_s[-49:], now - number]
        if count % 1000 == 0:
            naive_s = math.fsum(shifted_s) / len(shifted_s) + number + 1 + 2.0
            assert peer.suspects_at() == pytest.approx(naive_s, abs=1e-8)


def test_the_configurator_gives_the_numbers_of_the_papers_example() -> None:
    """Found within 30 s, a mistake a month, for a minute; loss 1 %, E(D) = V(D) = 0.02: η 9.71, δ 20.29 (§5)."""
    interval_s, margin_s = chen_parameters(
        detection_time_s=30.0 - 0.02,
        mistake_recurrence_s=30 * 86_400.0,
        mistake_duration_s=60.0,
        loss=0.01,
        delay_deviation_s=math.sqrt(0.02),
    )

    assert interval_s == pytest.approx(9.71, abs=0.005)
    assert margin_s + 0.02 == pytest.approx(20.29, abs=0.005)


def test_a_short_mistake_needs_a_short_interval() -> None:
    """γ = 0.5 · 10² / (0 + 10²) = ½: the interval is at most half of the mistake's duration, 0.1 s."""
    interval_s, margin_s = chen_parameters(
        detection_time_s=10.0, mistake_recurrence_s=11.0, mistake_duration_s=0.2, loss=0.5, delay_deviation_s=0.0
    )

    assert interval_s == pytest.approx(0.1)
    assert margin_s == pytest.approx(9.9)


@pytest.mark.parametrize(
    ("loss", "recurrence_s"), [(1.0, 1e6), (0.999, 1e300)], ids=["everything is lost", "nearly everything is lost"]
)
def test_a_quality_that_the_link_cannot_give_is_refused_with_the_wishes(loss: float, recurrence_s: float) -> None:
    with pytest.raises(QualityUnreachable, match=rf"within 2.0 s with a mistake every .* at a loss of {loss}"):
        ChenConfig.for_quality(
            detection_time_s=2.0,
            mistake_recurrence_s=recurrence_s,
            mistake_duration_s=1.0,
            loss=loss,
            delay_deviation_s=0.5,
        )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"detection_time_s": 0.0}, "detection_time_s"),
        ({"mistake_recurrence_s": 5.0}, r"detection_time_s \(10.0\) must be above 0 and below mistake_recurrence_s"),
        ({"mistake_duration_s": 0.0}, "mistake_duration_s is 0.0"),
        ({"loss": 1.5}, "loss is 1.5"),
        ({"delay_deviation_s": -1.0}, "delay_deviation_s is -1.0"),
    ],
)
def test_wishes_out_of_range_are_refused_by_name(changes: dict[str, float], names: str) -> None:
    wishes = {
        "detection_time_s": 10.0,
        "mistake_recurrence_s": 1e6,
        "mistake_duration_s": 1.0,
        "loss": 0.01,
        "delay_deviation_s": 0.1,
    }
    with pytest.raises(ValueError, match=names):
        chen_parameters(**{**wishes, **changes})


@pytest.mark.parametrize("seed", range(3))
def test_the_configured_quality_is_reached_on_the_link_for_which_it_was_computed(seed: int) -> None:
    """Exponential delays, 5 % loss; wanted: a mistake in an hour at most. Simulated: 30 hours of heartbeats."""
    config = ChenConfig.for_quality(
        detection_time_s=2.0, mistake_recurrence_s=3600.0, mistake_duration_s=1.0, loss=0.05, delay_deviation_s=0.05
    )
    rng, peer, mistakes = random.Random(seed), config.peer_detector(now=0.0), 0
    last_number = int(30 * 3600 / config.interval_s)
    for number in range(1, last_number + 1):
        if rng.random() >= 0.05:
            now = number * config.interval_s + rng.expovariate(20.0)
            mistakes += now >= peer.suspects_at()
            peer.heard(now=now, sequence=number)

    assert mistakes <= 30


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"margin_s": 0.0}, "margin_s is 0.0"), ({"window_heartbeats": 0}, "window_heartbeats is 0")],
)
def test_contradictory_settings_are_refused_by_name(changes: dict[str, float], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        replace(CONFIG, **changes)  # type: ignore[arg-type]


def test_the_presets_become_slower_with_distance() -> None:
    presets = [ChenConfig.local(), ChenConfig.lan(), ChenConfig.wan()]

    assert ChenConfig() == ChenConfig.lan()
    assert [preset.peer_detector(now=0.0).suspects_at() for preset in presets] == pytest.approx([0.4, 2.0, 6.0])
