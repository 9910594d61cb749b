"""PhiAccrual: what it samples, what it tolerates, and when it suspects."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from coterie.protocols.detection.failure_detector import PeerDetector
from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrual, PhiAccrualConfig
from coterie.protocols.detection.heartbeats.tail_models import ExponentialTail, LogisticTail, NormalTail, TailModel

Y_8 = 5.225986644093563
"""The y at which the logistic tail reaches phi 8."""

PLAIN = PhiAccrualConfig(
    interval_s=1.0, min_deviation_s=0.1, acceptable_pause_s=0.0, window_samples=4, lag_tolerance_s=0.1
)


def test_before_the_first_interval_the_estimate_is_two_samples_a_quarter_off() -> None:
    """0.75 and 1.25: μ = 1, σ = 0.25; so threshold 8 is reached 1 + 5.226 · 0.25 s after the beginning."""
    peer = PhiAccrual(PLAIN, now=100.0)

    assert peer.suspects_at() == pytest.approx(101.0 + 0.25 * Y_8)
    assert peer.evidence(now=100.0)["samples"] == 2


def test_the_time_until_the_first_heartbeat_is_no_sample() -> None:
    peer = PhiAccrual(PLAIN, now=0.0)

    peer.heard(now=1.5)

    assert peer.evidence(now=1.5)["samples"] == 2
    assert peer.suspects_at() == pytest.approx(1.5 + 1.0 + 0.25 * Y_8)


def test_mean_and_deviation_are_of_the_last_intervals() -> None:
    """Of the intervals 1, 1, 1.2, 0.8, 1 the last four count: μ = 1, σ² = (0 + 0.04 + 0.04 + 0) / 4 = 0.02."""
    peer = PhiAccrual(PLAIN, now=0.0)
    for now in (1.0, 2.0, 3.0, 4.2, 5.0, 6.0):
        peer.heard(now=now)

    assert peer.suspects_at() == pytest.approx(6.0 + 1.0 + Y_8 * math.sqrt(0.02))


def test_regular_heartbeats_do_not_bring_the_deviation_below_its_floor() -> None:
    peer = PhiAccrual(PLAIN, now=0.0)
    for now in range(1, 20):
        peer.heard(now=float(now))

    assert peer.suspects_at() == pytest.approx(19.0 + 1.0 + 0.1 * Y_8)


def test_the_acceptable_pause_is_added_to_the_mean() -> None:
    peer = PhiAccrual(replace(PLAIN, acceptable_pause_s=3.0), now=0.0)

    assert peer.suspects_at() == pytest.approx(3.0 + 1.0 + 0.25 * Y_8)
    assert peer.phi(now=4.0) == pytest.approx(math.log10(2))


def test_a_silence_that_was_suspected_is_no_sample() -> None:
    peer = PhiAccrual(PLAIN, now=0.0)
    for now in (1.0, 2.0, 3.0, 4.0, 5.0, 60.0):
        peer.heard(now=now)

    assert peer.suspects_at() == pytest.approx(60.0 + 1.0 + 0.1 * Y_8)


def test_an_own_pause_counts_neither_as_silence_nor_as_part_of_a_sample() -> None:
    peer = PhiAccrual(PLAIN, now=0.0)
    for now in (1.0, 2.0, 3.0, 4.0, 5.0):
        peer.heard(now=now)
    peer.paused(60.0)

    assert peer.suspicion(now=65.0) == pytest.approx(0.0)
    peer.heard(now=66.0)
    assert peer.suspects_at() == pytest.approx(66.0 + 1.0 + 0.1 * Y_8)


def test_heartbeats_that_arrive_all_at_once_leave_a_mean_above_zero() -> None:
    peer = PhiAccrual(replace(PLAIN, model=ExponentialTail()), now=0.0)
    for _ in range(10):
        peer.heard(now=1.0)

    assert peer.suspects_at() == pytest.approx(1.0 + 0.1 * 8 * math.log(10))


@pytest.mark.parametrize("model", [NormalTail(), LogisticTail(), ExponentialTail()])
@pytest.mark.parametrize("seed", range(20))
def test_suspicion_is_1_exactly_from_suspects_at_on(model: TailModel, seed: int) -> None:
    rng = random.Random(seed)
    config = replace(PLAIN, model=model, threshold=rng.choice((1.0, 3.3, 8.0, 12.0)), acceptable_pause_s=rng.random())
    now = rng.choice((0.0, 1e3, 1e7))
    peer: PeerDetector = PhiAccrual(config, now=now)
    for _ in range(50):
        now += rng.expovariate(1.0)
        peer.heard(now=now)
        at = peer.suspects_at()
        assert peer.suspicion(now=at) >= 1.0
        assert peer.suspicion(now=math.nextafter(at, 0.0)) < 1.0
        levels = [peer.suspicion(now=now + (at - now) * share) for share in (0, 0.2, 0.5, 0.9, 1, 1.01, 2, 1e3, 1e6)]
        assert levels == sorted(levels)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"threshold": 0.5}, "threshold is 0.5"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"window_samples": 1}, "window_samples is 1"),
        ({"min_deviation_s": 0.0}, "min_deviation_s"),
        ({"min_deviation_s": 2.0}, r"min_deviation_s \(2.0\) must be above 0 and at most interval_s \(1.0\)"),
        ({"acceptable_pause_s": -1.0}, "acceptable_pause_s is -1.0"),
        ({"interval_s": 0.0}, "interval_s is 0.0"),
        ({"fail_after_s": -1.0}, "fail_after_s is -1.0"),
        ({"lag_tolerance_s": 1.5}, r"lag_tolerance_s \(1.5\) must be between 0 and interval_s \(1.0\)"),
    ],
)
def test_contradictory_settings_are_refused_by_name(changes: dict[str, float], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        replace(PLAIN, **changes)  # type: ignore[arg-type]


def test_the_presets_become_slower_with_distance() -> None:
    presets = [PhiAccrualConfig.local(), PhiAccrualConfig.lan(), PhiAccrualConfig.wan()]
    first_suspicions_s = [preset.peer_detector(now=0.0).suspects_at() for preset in presets]

    assert PhiAccrualConfig() == PhiAccrualConfig.lan()
    assert first_suspicions_s == sorted(first_suspicions_s)
    assert first_suspicions_s[0] < 1.0
    assert presets[0].interval_s <= 0.25
