from __future__ import annotations

import pytest

from coterie.errors import PlanError
from coterie.nemesis.unsupported_faults import drop_unsupported
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Duplicate, Loss, SlowNode

NODES = ("n1", "n2", "n3")
CRASH, LOSS = Crash(1.0, "n1"), Loss(2.0, 1.0, 0.5)


def test_supported_faults_stay_as_they_are() -> None:
    plan = FaultPlan(NODES, (CRASH, LOSS), 5.0, "crashes")

    fitted = drop_unsupported(plan)

    assert (fitted.plan, fitted.skipped) == (plan, {})


def test_what_only_a_simulator_can_do_is_left_out_and_counted_by_kind() -> None:
    slow = SlowNode(0.5, "n2", 1.0, 0.01)
    plan = FaultPlan(NODES, (slow, CRASH, Duplicate(1.5, 1.0, 0.5), LOSS, slow), 5.0)

    fitted = drop_unsupported(plan)

    assert fitted.plan == FaultPlan(NODES, (CRASH, LOSS), 5.0)
    assert fitted.skipped == {"duplicate": 1, "slow_node": 2}


def test_plan_without_faults_is_supported() -> None:
    assert drop_unsupported(FaultPlan(NODES, (), 5.0)).skipped == {}


def test_plan_of_which_nothing_would_be_left_is_refused_with_its_kinds() -> None:
    with pytest.raises(PlanError, match="none of its faults: slow_node"):
        drop_unsupported(FaultPlan(NODES, (SlowNode(0.5, "n2", 1.0, 0.01),), 5.0))
