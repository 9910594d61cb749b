"""Unsupported faults: removes from a simulation's fault plan the faults that cannot be injected into real processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Level

__all__ = ["SupportedPlan", "drop_unsupported"]


@dataclass(frozen=True, slots=True)
class SupportedPlan:
    """A plan without unsupported faults. `skipped`: the number of faults left out, by kind."""

    plan: FaultPlan
    skipped: Mapping[str, int]


def drop_unsupported(plan: FaultPlan) -> SupportedPlan:
    """Leave out the faults that real processes do not support; the targets and times of the others stay the same.

    Raises:
        PlanError: no fault would be left; the error names the kinds.
    """
    kept = tuple(fault for fault in plan.faults if Level.PROCESS in fault.LEVELS)
    skipped = Counter(fault.KIND for fault in plan.faults if Level.PROCESS not in fault.LEVELS)
    if skipped and not kept:
        raise PlanError(f"real processes support none of its faults: {', '.join(sorted(skipped))}")
    return SupportedPlan(replace(plan, faults=kept), dict(sorted(skipped.items())))
