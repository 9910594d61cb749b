"""Fault budget: refuses plans that no algorithm promises to survive (a majority loses its state, clocks drift too far).

The budget is the faults that the algorithms promise to survive. Failures beyond it do not count against them.

| within the budget | why |
| --- | --- |
| wiped, stale or rotted replicas: at most a minority | such a replica has lost durable state and never comes back; only a member with another store takes its place; a majority must remain |
| clock rates from 0.9 to 1.1 | the drift for which time-outs (and leases) are specified |
| everything else, in any number | messages may be lost and nodes may crash any number of times |

The profile `beyond-budget` is exempt; `fault_profiles.py` states what must hold under it.
"""  # noqa: E501 - a table

from __future__ import annotations

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan, where
from coterie.protocols.faults.kinds.fault_kinds import BitRot, ClockRate, StaleDisk, TargetRole, WipedDisk

__all__ = ["BEYOND_BUDGET", "LARGEST_DRIFT", "StateLoss", "check_budget", "max_state_losses"]

BEYOND_BUDGET = "beyond-budget"
"""The profile whose plans may go beyond the budget."""

LARGEST_DRIFT = 0.1
"""The largest allowed difference of a clock's rate from 1."""

StateLoss = BitRot | StaleDisk | WipedDisk
"""The faults by which a replica loses durable state, and with it its votes and promises."""


def max_state_losses(nodes: int) -> int:
    """Return how many of `nodes` replicas may lose their state: a minority."""
    return (nodes - 1) // 2


def check_budget(plan: FaultPlan) -> None:
    """Refuse a plan beyond the fault budget, unless its profile is `beyond-budget`.

    A fault that is targeted by role may hit any node: it counts as one more replica.

    Raises:
        PlanError: the plan is beyond the budget; the error names the first fault that is.
    """
    if plan.profile == BEYOND_BUDGET:
        return
    most, lost = max_state_losses(len(plan.nodes)), dict[str, None]()
    for number, fault in enumerate(plan.faults):
        place = f"{where(number, fault)} at {fault.at_s} s is beyond the fault budget"
        if isinstance(fault, StateLoss):
            lost[fault.target if fault.role is TargetRole.ANY else place] = None
            if len(lost) > most:
                raise PlanError(
                    f"{place}: {len(lost)} of {len(plan.nodes)} replicas would be wiped, stale or rotted, "
                    f"{most} may be; only the profile {BEYOND_BUDGET!r} is exempt"
                )
        if isinstance(fault, ClockRate) and abs(fault.rate - 1) > LARGEST_DRIFT + 1e-9:
            raise PlanError(
                f"{place}: the clock of {fault.target!r} would run at {fault.rate}, the declared drift is "
                f"{LARGEST_DRIFT}; only the profile {BEYOND_BUDGET!r} is exempt"
            )
