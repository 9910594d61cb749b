"""The fault budget: a minority may lose state, clocks may drift a tenth, and the error names the fault beyond it."""

from __future__ import annotations

import pytest

from coterie.errors import PlanError
from coterie.protocols.faults.fault_budget import BEYOND_BUDGET, check_budget
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import BitRot, ClockRate, Crash, Fault, StaleDisk, TargetRole, WipedDisk

NODES = ("n1", "n2", "n3", "n4", "n5")


def plan(*faults: Fault, profile: str | None = None) -> FaultPlan:
    return FaultPlan(NODES, faults, 20.0, profile)


def test_minority_may_forget_and_the_same_replica_counts_once() -> None:
    check_budget(plan(WipedDisk(1, "n1"), StaleDisk(2, "n2", 1.0), BitRot(3, "n1"), WipedDisk(4, "n2")))


@pytest.mark.parametrize(
    "third", [WipedDisk(3, "n3"), StaleDisk(3, "n3", 1.0), BitRot(3, "n3"), WipedDisk(3, "n1", role=TargetRole.LEADER)]
)
def test_replica_beyond_the_minority_is_named(third: Fault) -> None:
    with pytest.raises(PlanError, match=rf"faults\[2\] \({third.KIND}\) at 3 s .* 3 of 5 replicas .* 2 may be"):
        check_budget(plan(WipedDisk(1, "n1"), WipedDisk(2, "n2"), third))


def test_single_node_may_forget_nothing() -> None:
    with pytest.raises(PlanError, match="1 of 2 replicas would be wiped"):
        check_budget(FaultPlan(("n1", "n2"), (WipedDisk(1, "n1"),), 20.0))


@pytest.mark.parametrize("rate", [0.89, 1.11])
def test_clock_beyond_the_drift_is_named(rate: float) -> None:
    check_budget(plan(ClockRate(1, "n1", 1.0, 0.9), ClockRate(1, "n1", 1.0, 1.1)))

    with pytest.raises(PlanError, match=rf"faults\[1\] \(clock_rate\) .* clock of 'n2' would run at {rate}"):
        check_budget(plan(Crash(1, "n1"), ClockRate(2, "n2", 1.0, rate)))


def test_profile_beyond_the_budget_is_exempt() -> None:
    check_budget(plan(*(WipedDisk(1, name) for name in NODES), ClockRate(1, "n1", 1.0, 3.0), profile=BEYOND_BUDGET))
