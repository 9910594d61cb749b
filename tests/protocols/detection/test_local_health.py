"""The local health score stays within its bounds, and multiplies times by one more than itself."""

from __future__ import annotations

from coterie.protocols.detection.local_health import LocalHealth


def test_signs_of_bad_health_raise_the_score_and_answered_probes_lower_it() -> None:
    health = LocalHealth(8)
    health.worsen()
    health.worsen(2)
    assert (health.score, health.factor) == (3, 4)
    health.improve()
    assert health.score == 2


def test_the_score_stays_within_its_bounds() -> None:
    health = LocalHealth(2)
    health.improve()
    assert health.score == 0
    health.worsen(5)
    assert health.score == 2


def test_a_maximum_of_zero_switches_it_off() -> None:
    health = LocalHealth(0)
    health.worsen()
    assert health.factor == 1
