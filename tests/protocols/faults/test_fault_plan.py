"""A plan is checked when it is made, and in the order of time."""

from __future__ import annotations

import math

import pytest

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    Clog,
    Corrupt,
    Crash,
    Duplicate,
    Fault,
    Level,
    Loss,
    Partition,
    Shape,
)

NODES = ("n1", "n2", "n3")


def test_plan_sorts_its_faults_by_time_and_keeps_the_order_within_a_moment() -> None:
    late, first, second = Crash(2.0, "n1"), Crash(1.0, "n3"), Crash(1.0, "n2")

    assert FaultPlan(NODES, (late, first, second), 9.0).faults == (first, second, late)


def test_plan_names_its_kinds_once_and_partitions_by_their_shape() -> None:
    faults = (Crash(1.0, "n1"), Partition(1.0, 1.0, Shape.RING, "n1"), Crash(2.0, "n1"))

    assert FaultPlan(NODES, faults, 9.0).kinds() == ["crash", "partition.ring"]


@pytest.mark.parametrize("nodes", [(), ("n1", "n1"), ("*",), ("",)])
def test_plan_refuses_nodes_without_a_name_of_their_own(nodes: tuple[str, ...]) -> None:
    with pytest.raises(PlanError, match=r"name the nodes|unique name"):
        FaultPlan(nodes, (), 1.0)


@pytest.mark.parametrize("ends_at_s", [0.0, -1.0, math.nan, math.inf])
def test_plan_refuses_an_end_that_is_no_moment(ends_at_s: float) -> None:
    with pytest.raises(PlanError, match="ends_at_s"):
        FaultPlan(NODES, (), ends_at_s)


BAD: list[tuple[Fault, str]] = [
    (Partition(1, 1, Shape.ONE, "n1", ("n2",)), "which only the shape 'halves' may have"),
    (Partition(1, 1, Shape.HALVES, "n1", ("n1",)), "names a node twice"),
    (Partition(1, 1, Shape.HALVES, "n1", ("n2", "n3")), "leaves no node on the other side"),
    (Clog(1, 1, ()), "has no links"),
    (Clog(1, 1, (("n1", "n2"),), (("n2", "n1"),)), "both must be the same links"),
    (Loss(1, 1, 1.5), r"probability 1.5: it must be above 0 and at most 1"),
    (Loss(1, 1, 0.5, source="n4"), "names node 'n4'"),
    (Loss(1, 0, 0.5), "duration_s 0: it must be above 0"),
]


@pytest.mark.parametrize(("fault", "error"), BAD)
def test_plan_refuses_what_cannot_be(fault: Fault, error: str) -> None:
    with pytest.raises(PlanError, match=error):
        FaultPlan(NODES, (fault,), 9.0)


def test_plan_is_refused_by_a_level_that_lacks_one_of_its_kinds() -> None:
    plan = FaultPlan(NODES, (Crash(1, "n1"), Corrupt(2, 1, 0.5)), 9.0)

    plan.check_level(Level.SYSTEM)
    with pytest.raises(PlanError, match=r"faults\[1\] \(corrupt\) cannot be .* level 'protocol', only at: pro"):
        plan.check_level(Level.PROTOCOL)
    with pytest.raises(PlanError, match=r"\(duplicate\) cannot be carried out at level 'system', only at: protocol"):
        FaultPlan(NODES, (Duplicate(1, 1, 0.5),), 9.0).check_level(Level.SYSTEM)
