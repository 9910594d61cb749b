"""The numbers of faults have limits by the name of their field."""

from __future__ import annotations

import math

import pytest

from coterie.errors import PlanError
from coterie.protocols.faults.kinds.fault_kinds import ClockRate, Outage, SlowDisk, WallJump
from coterie.protocols.faults.kinds.field_limits import LIMITS, Limit, check_numbers


def test_limit_allows_what_is_within_and_nothing_infinite() -> None:
    limit = Limit(0, 1, is_open=True)

    assert [number for number in (-1, 0, 0.5, 1, 2, math.nan, math.inf) if limit.allows(number)] == [0.5, 1]
    assert str(limit) == "above 0 and at most 1"
    assert str(LIMITS["factor"]) == "at least 1"


def test_every_number_of_a_list_is_checked() -> None:
    check_numbers(Outage(1, (0.0, 1.0)), "here")
    with pytest.raises(PlanError, match=r"here has down_s -1"):
        check_numbers(Outage(1, (0.0, -1)), "here")


def test_walls_may_jump_backwards_but_nothing_runs_backwards() -> None:
    check_numbers(WallJump(1, "n1", -3600.0), "here")
    with pytest.raises(PlanError, match="rate 0: it must be above 0"):
        check_numbers(ClockRate(1, "n1", 1, 0), "here")
    with pytest.raises(PlanError, match=r"factor 0\.5: it must be at least 1"):
        check_numbers(SlowDisk(1, "n1", 1, 0.5), "here")
