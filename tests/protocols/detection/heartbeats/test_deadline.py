"""Deadline: suspects after a fixed silence."""

from __future__ import annotations

import math
import random

import pytest

from coterie.protocols.detection.heartbeats.deadline import Deadline, DeadlineConfig


def test_suspicion_is_the_silence_as_a_share_of_the_timeout() -> None:
    peer = Deadline(2.0, now=10.0)

    assert [peer.suspicion(now=now) for now in (10.0, 11.0, 12.0, 16.0)] == [0.0, 0.5, 1.0, 3.0]
    assert peer.suspects_at() == 12.0
    peer.heard(now=11.5)
    assert peer.suspects_at() == 13.5
    assert peer.evidence(now=12.0) == {"silence_s": 0.5, "timeout_s": 2.0}


def test_an_own_pause_is_left_out_of_account() -> None:
    peer = Deadline(2.0, now=10.0)

    peer.paused(5.0)

    assert peer.suspicion(now=16.0) == 0.5


@pytest.mark.parametrize("seed", range(20))
def test_suspicion_is_1_exactly_from_suspects_at_on(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(200):
        peer = Deadline(rng.random() * 3 + 1e-3, now=rng.random() * 10 ** rng.randrange(8))
        at = peer.suspects_at()
        assert peer.suspicion(now=at) >= 1.0
        assert peer.suspicion(now=math.nextafter(at, 0.0)) < 1.0


@pytest.mark.parametrize("timeout_s", [0.5, 0.4, math.inf, math.nan])
def test_a_timeout_that_is_no_longer_than_the_interval_is_refused_by_name(timeout_s: float) -> None:
    with pytest.raises(ValueError, match=rf"timeout_s \({timeout_s}\) must be longer than interval_s \(0.5\)"):
        DeadlineConfig(interval_s=0.5, timeout_s=timeout_s)


def test_the_presets_become_slower_with_distance() -> None:
    presets = [DeadlineConfig.local(), DeadlineConfig.lan(), DeadlineConfig.wan()]

    assert [preset.timeout_s for preset in presets] == [0.5, 2.0, 10.0]
    assert DeadlineConfig() == DeadlineConfig.lan()
    assert presets[0].interval_s <= 0.25
