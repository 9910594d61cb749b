"""RttPhi: the time-out by hand-computed tables, what is sampled, and the suspicion."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from coterie.protocols.detection.failure_detector import PeerDetector
from coterie.protocols.detection.probes.rtt_phi import RttPhi
from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig

Y_8 = 5.225986644093563
CONFIG = RttPhiConfig(probe_timeout_s=1.0)


def probed(*round_trips_s: float, config: RttPhiConfig = CONFIG) -> RttPhi:
    """A detector that has measured these round trips, a second apart."""
    peer = RttPhi(config, now=0.0)
    for second, round_trip_s in enumerate(round_trips_s):
        peer.sent(10.0, now=float(second))
        peer.answered(now=second + round_trip_s)
    return peer


def test_fewer_than_four_round_trips_leave_the_initial_timeout() -> None:
    assert probed(0.5, 0.5, 0.5).timeout_s() == 1.0
    assert probed(0.6, 0.6, 0.6, 0.6).timeout_s() == pytest.approx(1.1)


def test_equal_round_trips_give_the_mean_plus_half_of_the_initial_timeout() -> None:
    """σ is at least 1 / (2 · 5.226): 0.25 + 5.226 · σ = 0.25 + 0.5."""
    assert CONFIG.deviations == pytest.approx(Y_8)
    assert probed(*[0.25] * 10).timeout_s() == pytest.approx(0.75)


def test_varying_round_trips_give_the_mean_plus_5_226_deviations() -> None:
    """0.1, 0.3, 0.1, 0.3: μ = 0.2, σ = 0.1 (above the floor of 0.0957): 0.2 + 0.5226 = 0.7226."""
    assert probed(0.1, 0.3, 0.1, 0.3).timeout_s() == pytest.approx(0.2 + 0.1 * Y_8)


@pytest.mark.parametrize(
    ("round_trip_s", "local_score", "is_indirect", "timeout_s"),
    [
        (0.25, 0, False, 0.75),
        (0.25, 0, True, 1.5),  # one share more for the second hop
        (0.25, 1, False, 1.5),  # (1 + 1) · 0.75
        (0.25, 2, True, 3.0),  # (1 + 2 + 1) · 0.75
        (0.25, 8, True, 4.0),  # 7.5, but never more than four times the initial one: extended first, then bounded
        (10.0, 0, False, 4.0),
    ],
)
def test_the_timeout_is_extended_then_bounded(
    round_trip_s: float, local_score: int, is_indirect: bool, timeout_s: float
) -> None:
    peer = probed(*[round_trip_s] * 4)

    assert peer.timeout_s(local_score=local_score, is_indirect=is_indirect) == pytest.approx(timeout_s)


def test_the_timeout_is_at_least_half_of_the_initial_one() -> None:
    config = replace(CONFIG, min_factor=0.8)

    assert probed(*[0.001] * 4, config=config).timeout_s() == 0.8


def test_missed_indirect_and_spoilt_probes_are_not_sampled() -> None:
    peer = probed(0.2, 0.2, 0.2, 0.2)
    before = peer.timeout_s()
    peer.sent(3.0, now=10.0)
    peer.missed_one(now=13.0)
    peer.sent(3.0, now=13.0)
    peer.heard(now=15.0)
    peer.sent(3.0, now=16.0)
    peer.answered(now=18.0, is_sampled=False)

    assert peer.evidence(now=18.0)["samples"] == 4
    assert peer.timeout_s() == before


def test_the_window_holds_the_last_100_round_trips() -> None:
    peer = probed(*[3.0] * 50, *[0.25] * 100)

    assert peer.evidence(now=0.0)["samples"] == 100
    assert peer.timeout_s() == pytest.approx(0.75)


def test_three_missed_probes_are_a_suspicion() -> None:
    peer = RttPhi(CONFIG, now=0.0)
    levels = []
    for second in range(3):
        peer.sent(1.0, now=float(second))
        peer.missed_one(now=second + 1.0)
        levels.append(peer.suspicion(now=second + 1.0))

    assert levels == [pytest.approx(1 / 3), pytest.approx(2 / 3), 1.0]
    peer.sent(1.0, now=3.0)
    peer.answered(now=3.5)
    assert (peer.missed, peer.suspicion(now=3.5)) == (0, 0.0)


def test_suspects_at_expects_the_remaining_probes_the_last_of_them_indirect() -> None:
    """Time-outs of 1 s, the indirect one 2 s: sent at 0, the first ends at 1, the second at 2, the third at 4."""
    peer = RttPhi(CONFIG, now=0.0)
    peer.sent(1.0, now=0.0)

    assert peer.suspects_at() == 4.0


def test_an_own_pause_is_left_out_of_account() -> None:
    peer = RttPhi(CONFIG, now=0.0)
    peer.sent(1.0, now=0.0)
    peer.paused(10.0)

    assert peer.suspects_at() == 14.0
    assert peer.suspicion(now=10.0) == 0.0


@pytest.mark.parametrize("seed", range(30))
def test_suspicion_is_1_exactly_from_suspects_at_on_and_never_falls_between_signs_of_life(seed: int) -> None:
    rng, now, before = random.Random(seed), rng_start(seed), 0.0
    peer = RttPhi(CONFIG, now=now)
    detector: PeerDetector = peer
    for _ in range(200):
        timeout_s = peer.timeout_s(local_score=rng.choice((0, 0, 0, 1, 3, 8)), is_indirect=peer.missed == 2)
        before = max(before, detector.suspicion(now=now))
        peer.sent(timeout_s, now=now)
        assert detector.suspicion(now=now) >= before - 1e-9
        at = detector.suspects_at()
        assert detector.suspicion(now=at) >= 1.0
        if peer.missed < 3:
            assert detector.suspicion(now=math.nextafter(at, 0.0)) < 1.0
        for share in (0.0, 0.3, 0.9):
            level = detector.suspicion(now=now + share * timeout_s)
            assert level >= before - 1e-12
            before = level
        if rng.random() < 0.3:
            now += rng.random() * timeout_s
            peer.answered(now=now)
            before = 0.0
            now += rng.random() * timeout_s
        else:
            now += timeout_s
            peer.missed_one(now=now)


def rng_start(seed: int) -> float:
    return (0.0, 1e3, 1e7)[seed % 3]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"probe_timeout_s": 0.0}, "probe_timeout_s is 0.0"),
        ({"min_factor": 2.0}, "min_factor 2.0"),
        ({"max_factor": 0.9}, "max_factor 0.9"),
        ({"missed_limit": 0}, "missed_limit is 0"),
        ({"threshold": 0.9}, "threshold is 0.9"),
        ({"min_samples": 101}, r"min_samples \(101\) must be between 1 and window_samples \(100\)"),
        ({"local_score_limit": -1}, "local_score_limit is -1"),
        ({"fail_after_s": -1.0}, "fail_after_s is -1.0"),
        ({"lag_tolerance_s": 0.5}, r"lag_tolerance_s \(0.5\) must be at least 0 and below the shortest time-out"),
    ],
)
def test_contradictory_settings_are_refused_by_name(changes: dict[str, float], names: str) -> None:
    with pytest.raises(ValueError, match=names):
        replace(CONFIG, **changes)  # type: ignore[arg-type]


def test_the_presets_become_slower_with_distance() -> None:
    presets = [RttPhiConfig.local(), RttPhiConfig.lan(), RttPhiConfig.wan()]

    assert [preset.probe_timeout_s for preset in presets] == [0.2, 1.0, 3.0]
    assert RttPhiConfig() == RttPhiConfig.lan()


def test_the_silence_in_the_evidence_lasts_since_the_last_sign_of_life() -> None:
    peer = RttPhi(CONFIG, now=0.0)
    peer.heard(now=1.0)
    for sent_at in (2.0, 3.0, 4.0):
        peer.sent(1.0, now=sent_at)
        peer.missed_one(now=sent_at + 1.0)

    assert peer.evidence(now=5.0)["silence_s"] == 4.0
    peer.paused(1.5)
    assert peer.evidence(now=6.5)["silence_s"] == 4.0
