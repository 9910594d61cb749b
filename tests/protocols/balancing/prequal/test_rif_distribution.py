"""RifDistribution: each target counts once with its latest value; the quantile is the one computed by hand."""

from __future__ import annotations

import math

import pytest

from coterie.protocols.balancing.prequal.rif_distribution import RifDistribution


def distribution(values: list[int], quantile: float = 0.75, max_age_s: float = 10.0) -> RifDistribution:
    made = RifDistribution(quantile, max_age_s)
    for number, value in enumerate(values):
        made.record(f"t{number}", value, now=0.0)
    return made


@pytest.mark.parametrize(
    ("quantile", "limit"), [(0.0, 1), (0.2, 1), (0.21, 2), (0.5, 3), (0.75, 5), (0.84, 9), (0.99, 9), (1.0, math.inf)]
)
def test_the_quantile_is_the_lowest_value_that_this_share_does_not_exceed(quantile: float, limit: float) -> None:
    assert distribution([5, 1, 9, 2, 3], quantile).limit() == limit


def test_nothing_known_is_no_limit() -> None:
    assert distribution([]).limit() == math.inf


def test_a_target_that_is_probed_often_counts_once_with_its_latest_value() -> None:
    rifs = distribution([1, 1, 1, 1])
    for value in (50, 60, 70):
        rifs.record("t0", value, now=1.0)

    assert (len(rifs), rifs.limit()) == (4, 1)


def test_a_target_that_left_counts_no_longer() -> None:
    rifs = distribution([1, 2, 3, 4])
    rifs.forget("t3")
    rifs.forget("never known")

    assert (len(rifs), rifs.limit()) == (3, 3)


def test_values_that_are_too_old_count_no_longer() -> None:
    rifs = distribution([7, 8], max_age_s=10.0)
    rifs.record("t1", 4, now=10.0)
    assert (len(rifs), rifs.limit()) == (2, 7)

    rifs.record("t2", 5, now=10.1)
    assert (len(rifs), rifs.limit()) == (2, 5)
