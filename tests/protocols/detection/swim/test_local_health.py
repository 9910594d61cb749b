"""The local health score follows Lifeguard's table, within its bounds."""

from __future__ import annotations

import pytest

from coterie.protocols.detection.swim.local_health import LocalHealth


@pytest.mark.parametrize(
    ("helpers", "nacks", "score"),
    [(0, 0, 1), (3, 3, 0), (3, 2, 1), (3, 0, 3), (1, 1, 0)],
)
def test_a_failed_probe_counts_the_helpers_that_did_not_even_send_a_nack(helpers: int, nacks: int, score: int) -> None:
    health = LocalHealth(8)
    health.probe_failed(helpers=helpers, nacks=nacks)
    assert health.score == score
    assert health.factor == 1 + score


def test_refutations_and_lag_raise_the_score_and_success_lowers_it() -> None:
    health = LocalHealth(8)
    health.refuted()
    health.lagged()
    assert health.score == 2
    health.probe_succeeded()
    assert health.score == 1


def test_the_score_stays_within_its_bounds() -> None:
    health = LocalHealth(2)
    health.probe_succeeded()
    assert health.score == 0
    for _ in range(5):
        health.lagged()
    assert health.score == 2


def test_a_maximum_of_zero_switches_it_off() -> None:
    health = LocalHealth(0)
    health.refuted()
    assert health.factor == 1
