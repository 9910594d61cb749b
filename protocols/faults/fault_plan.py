"""`FaultPlan`: lists all faults of a run with their times and target nodes, and the time at which all of them end.

A fault passes through these files, from its random draw to its effect:

- decided in `profiles/`: `draw_plan` draws it by a recipe (`network_recipes.py`, `node_recipes.py`);
- checked here (names, times), in `kinds/field_limits.py` (numbers) and in `fault_budget.py`;
- carried out by the injector of its level, at its time: `simulation/faults/protocol_injector.py` of the protocols, and
  `simulation_injector.py` and `process_injector.py` in `coterie.actors.simulation.faults` and `coterie.nemesis`;
- counted in `FaultCounts` by the code that carries it out, when it has changed what happens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from coterie.errors import PlanError
from coterie.protocols.faults.kinds.fault_kinds import ANYWHERE, Fault, Level, Partition, Shape, kind, nodes_of
from coterie.protocols.faults.kinds.field_limits import check_numbers
from coterie.protocols.faults.nearest_name import hint

__all__ = ["FaultPlan", "where"]


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """All faults of a run.

    Attributes:
        nodes: all nodes of the run, in order; at least one, without duplicates.
        faults: the faults, which are sorted by time here; faults of the same time keep their order.
        ends_at_s: when everything heals (s).
        profile: the profile from which it was drawn, None if it was written by hand.

    Raises:
        PlanError: a node, a time or a number is invalid; the error names the fault.
    """

    nodes: tuple[str, ...]
    faults: tuple[Fault, ...]
    ends_at_s: float
    profile: str | None = None

    def __post_init__(self) -> None:
        _check_nodes(self.nodes)
        if not (math.isfinite(self.ends_at_s) and self.ends_at_s > 0):
            raise PlanError(f"ends_at_s is {self.ends_at_s}: it must be a finite time (s) above 0")
        for number, fault in enumerate(self.faults):
            place = where(number, fault)
            check_numbers(fault, place)
            _check_names(fault, self.nodes, place)
            if fault.at_s > self.ends_at_s:
                raise PlanError(f"{place} would begin at {fault.at_s} s, but the plan ends at {self.ends_at_s} s")
        object.__setattr__(self, "faults", tuple(sorted(self.faults, key=lambda fault: fault.at_s)))

    def kinds(self) -> list[str]:
        """Return the names under which its faults are counted, sorted, without duplicates."""
        return sorted(dict.fromkeys(kind(fault) for fault in self.faults))

    def check_level(self, level: Level) -> None:
        """Refuse a plan that cannot be carried out at `level`.

        Raises:
            PlanError: it has a fault that `level` lacks; the error names the first.
        """
        for number, fault in enumerate(self.faults):
            if level not in fault.LEVELS:
                levels = ", ".join(sorted(each.value for each in fault.LEVELS))
                raise PlanError(
                    f"{where(number, fault)} cannot be carried out at level {level.value!r}, only at: {levels}"
                )


def where(number: int, fault: Fault) -> str:
    """Return the name of fault `number` in error messages."""
    return f"faults[{number}] ({fault.KIND})"


def _check_nodes(nodes: Sequence[str]) -> None:
    if not nodes:
        raise PlanError("the plan has no nodes: name the nodes of the run")
    doubled = [name for number, name in enumerate(nodes) if name in nodes[:number]]
    if doubled or ANYWHERE in nodes or "" in nodes:
        raise PlanError(f"nodes {list(nodes)}: each must have a unique name that is not empty and not {ANYWHERE!r}")


def _check_names(fault: Fault, nodes: Sequence[str], place: str) -> None:
    for name in nodes_of(fault):
        if name not in nodes:
            raise PlanError(f"{place} names node {name!r}, which is not in the plan{hint(name, nodes)}")
    if getattr(fault, "target", None) == ANYWHERE:
        raise PlanError(f"{place} has the target {ANYWHERE!r}: a target is one node")
    if isinstance(fault, Partition):
        _check_sides(fault, nodes, place)
    opens, links = getattr(fault, "opens", ()), getattr(fault, "links", ())
    if opens and sorted(opens) != sorted(links):
        raise PlanError(f"{place} opens {list(opens)}, but clogs {list(links)}: both must be the same links")


def _check_sides(fault: Partition, nodes: Sequence[str], place: str) -> None:
    if fault.others and fault.shape is not Shape.HALVES:
        raise PlanError(f"{place} has `others`, which only the shape 'halves' may have, not {fault.shape.value!r}")
    if fault.target in fault.others or len(dict.fromkeys(fault.others)) != len(fault.others):
        raise PlanError(f"{place} names a node twice on one side: {[fault.target, *fault.others]}")
    if len(fault.others) + 1 >= len(nodes):
        raise PlanError(f"{place} leaves no node on the other side of the partition")
