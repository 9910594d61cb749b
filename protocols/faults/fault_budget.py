"""The fault budget: what the algorithms promise to survive. What goes beyond it proves nothing against them.

| within the budget | why |
| --- | --- |
| wiped, stale or rotted replicas: at most a minority | such a replica has forgotten what it promised, and never comes back under its old name: it is gone, and a majority must stay |
| clock rates from 0.9 to 1.1 | the drift that time-outs (and leases) are declared for |
| everything else, in any number | messages may be lost and nodes may crash as often as they like |

The profile `beyond-budget` is exempt; what may be expected of a group under it stands in `profiles.py`.
"""  # noqa: E501 - a table

from __future__ import annotations

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import Plan, where
from coterie.protocols.faults.kinds.fault_kinds import BitRot, ClockRate, Role, StaleDisk, WipedDisk

__all__ = ["BEYOND_BUDGET", "LARGEST_DRIFT", "Forgetting", "check_budget", "most_forgotten"]

BEYOND_BUDGET = "beyond-budget"
"""The profile whose plans may go beyond the budget."""

LARGEST_DRIFT = 0.1
"""How far a clock's rate may be from 1."""

Forgetting = BitRot | StaleDisk | WipedDisk
"""The faults after which a replica has forgotten what it promised."""


def most_forgotten(nodes: int) -> int:
    """Return how many of `nodes` replicas may forget: a minority."""
    return (nodes - 1) // 2


def check_budget(plan: Plan) -> None:
    """Refuse a plan beyond the fault budget, unless its profile is `beyond-budget`.

    A fault that is aimed by role may hit anybody: it counts as one more replica.

    Raises:
        PlanError: it names the first fault that is too much.
    """
    if plan.profile == BEYOND_BUDGET:
        return
    most, forgotten = most_forgotten(len(plan.nodes)), dict[str, None]()
    for number, fault in enumerate(plan.faults):
        place = f"{where(number, fault)} at {fault.at_s} s is beyond the fault budget"
        if isinstance(fault, Forgetting):
            forgotten[fault.target if fault.role is Role.ANY else place] = None
            if len(forgotten) > most:
                raise PlanError(
                    f"{place}: {len(forgotten)} of {len(plan.nodes)} replicas would be wiped, stale or rotted, "
                    f"{most} may be; only the profile {BEYOND_BUDGET!r} is exempt"
                )
        if isinstance(fault, ClockRate) and abs(fault.rate - 1) > LARGEST_DRIFT + 1e-9:
            raise PlanError(
                f"{place}: the clock of {fault.target!r} would run at {fault.rate}, the declared drift is "
                f"{LARGEST_DRIFT}; only the profile {BEYOND_BUDGET!r} is exempt"
            )
