"""When a pool grows and shrinks: a table of checks, and what each gives."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.actors.pools.pool_size import PoolSize, SizeLimits

LIMITS = SizeLimits(2, 4, grow_at=4.0, grow_after_s=1.0, shrink_after_s=10.0)


def changes(size: PoolSize, *checks: tuple[float, int, int, int]) -> list[int]:
    """Return what each check (now, workers, busy, waiting) gives."""
    return [size.change(workers=workers, busy=busy, waiting=waiting, now=now) for now, workers, busy, waiting in checks]


def test_it_grows_when_mailboxes_stay_deep_for_the_whole_time() -> None:
    assert changes(PoolSize(LIMITS), (0.0, 2, 2, 8), (0.5, 2, 2, 9), (1.0, 2, 2, 8)) == [0, 0, 1]


def test_a_burst_that_ends_does_not_make_it_grow() -> None:
    assert changes(PoolSize(LIMITS), (0.0, 2, 2, 50), (0.9, 2, 2, 7), (1.0, 2, 2, 50), (1.9, 2, 2, 50)) == [0] * 4


def test_after_each_worker_it_waits_anew() -> None:
    size = PoolSize(LIMITS)

    assert changes(size, (0.0, 2, 2, 99), (1.0, 2, 2, 99), (1.5, 3, 3, 99), (2.0, 3, 3, 99), (2.5, 3, 3, 99)) == [
        *(0, 1, 0, 0, 1)
    ]


def test_it_does_not_grow_beyond_the_most() -> None:
    assert changes(PoolSize(LIMITS), (0.0, 4, 4, 99), (9.0, 4, 4, 99)) == [0, 0]


def test_it_shrinks_when_a_worker_was_spare_at_every_check() -> None:
    assert changes(PoolSize(LIMITS), (0.0, 4, 3, 0), (5.0, 4, 0, 0), (10.0, 4, 2, 0)) == [0, 0, -1]


@pytest.mark.parametrize("check", [(5.0, 4, 4, 0), (5.0, 4, 3, 1)])
def test_a_busy_moment_starts_the_wait_anew(check: tuple[float, int, int, int]) -> None:
    assert changes(PoolSize(LIMITS), (0.0, 4, 0, 0), check, (10.0, 4, 0, 0), (19.0, 4, 0, 0), (20.0, 4, 0, 0)) == [
        *(0, 0, 0, 0, -1)
    ]


def test_it_does_not_shrink_below_the_fewest() -> None:
    assert changes(PoolSize(LIMITS), (0.0, 2, 0, 0), (99.0, 2, 0, 0)) == [0, 0]


def test_between_the_thresholds_nothing_changes_for_any_time() -> None:
    assert changes(PoolSize(LIMITS), *((float(now), 3, 3, 5) for now in range(100))) == [0] * 100


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"fewest": 0, "most": 1}, "fewest=0"),
        ({"fewest": 3, "most": 2}, "most=2 must be at least fewest=3"),
        ({"fewest": 1, "most": 2, "grow_at": 0.0}, r"grow_at=0\.0"),
        ({"fewest": 1, "most": 2, "grow_after_s": float("nan")}, "grow_after_s=nan"),
        ({"fewest": 1, "most": 2, "shrink_after_s": 0.0}, r"shrink_after_s=0\.0"),
    ],
)
def test_limits_out_of_range_are_refused_with_the_value(fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        SizeLimits(**fields)
