"""A plan that was made for a simulation, cut to what real processes can suffer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Level

__all__ = ["Fitted", "fit"]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What is left of a plan. `skipped`: how many faults of each kind were left out."""

    plan: Plan
    skipped: Mapping[str, int]


def fit(plan: Plan) -> Fitted:
    """Leave out of `plan` what no real process can suffer; who suffers the rest, and when, stays as it is.

    Raises:
        PlanError: nothing would be left; the error names the kinds.
    """
    kept = tuple(fault for fault in plan.faults if Level.PROCESS in fault.LEVELS)
    skipped = Counter(fault.KIND for fault in plan.faults if Level.PROCESS not in fault.LEVELS)
    if skipped and not kept:
        raise PlanError(f"real processes can suffer none of its faults: {', '.join(sorted(skipped))}")
    return Fitted(replace(plan, faults=kept), dict(sorted(skipped.items())))
