"""`shrink`: reduces a failing run to fewer faults, operations and nodes and earlier times, as long as it still fails.

Shrinking spans three places: this file decides which smaller cases to try; `coterie.exploring.failure_shrinking` runs
them (`fails`), in several processes if allowed, and decides what counts as the same failure; a scenario with
`ending_at` ends each try early. `coterie.exploring.failure_folder` saves the smallest case.

Reductions that make every later try cheaper come first: drop what follows the failure, then operations and nodes, and
move everything earlier.

Delta debugging (A. Zeller, R. Hildebrandt: "Simplifying and Isolating Failure-Inducing Input", 2002, algorithm ddmin)
is applied to the faults, beginning with the last ones before the failure, which are the likeliest causes. A run ends at
its failure, so that failing tries are short.

Without one fault all random draws of a run change, as with another seed. So if no fault can be removed but many remain,
a candidate may also be tried with some neighbouring seeds: the goal is a small case that can be replayed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Fault, nodes_of

__all__ = ["FEW_FAULTS", "Case", "Shrunk", "shrink"]

FEW_FAULTS = 5
"""A case of so few faults is easy to understand; only with more faults are candidates tried with other seeds too."""

FEWEST_NODES = 3
NEIGHBOUR_SEEDS = 4
"""How many other seeds are tried for each candidate."""

DECIMALS = (1, 3)
"""The numbers of decimals to which times are cut, if the case still fails."""

FEW_OPERATIONS = (50, 200)
"""The numbers of operations that are tried before any fault is dropped."""

OPERATION_COUNTS = (1, 4, 16, 64, 256, 1024, 4096)
"""The numbers of operations that are tried as long as there are many, or the number is not given."""

DIVISORS = (8, 4, 2)
"""The divisors of the number of operations for the next tries, once it is small."""


@dataclass(frozen=True, slots=True)
class Case:
    """The inputs that determine a run. `operations`: the most that clients request (None: the default number)."""

    seed: int
    plan: FaultPlan
    operations: int | None = None


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest failing case found after `tries` runs; `is_complete` unless the budget ended the search.

    `failed_at_s`: when it fails (simulated s).
    """

    case: Case
    failed_at_s: float
    tries: int
    is_complete: bool


def shrink(
    case: Case,
    failed_at_s: float,
    fails: Callable[[Case], float | None],
    *,
    tries: int,
    within_s: float,
    clock: Callable[[], float],
    prefetch: Callable[[Sequence[Case]], None] = lambda _: None,
) -> Shrunk:
    """Shrink `case`.

    Args:
        case: a failing case.
        failed_at_s: when it fails (simulated s).
        fails: runs a case and returns when it fails (simulated s), None if it does not. It decides what counts as the
            same failure: by custom, the same invariant. If it raises `PlanError`, the case does not fail.
        tries: the most runs.
        within_s: how long to search, by `clock` (s); a running try is finished.
        clock: returns seconds that do not go back.
        prefetch: called with the cases that will be tried next, in this order, until one of them fails. Idle processes
            may begin to run them.
    """
    search = _Search(case, failed_at_s, fails, tries, clock() + within_s, clock, prefetch)
    is_complete = search.run()
    return Shrunk(search.best, search.failed_at_s, search.tried, is_complete)


class _OutOfBudget(Exception):
    """The budget of tries or time is spent."""


class _Search:
    """The smallest failing case so far, and the results of all tries."""

    def __init__(
        self,
        case: Case,
        failed_at_s: float,
        fails: Callable[[Case], float | None],
        tries: int,
        ends_s: float,
        clock: Callable[[], float],
        prefetch: Callable[[Sequence[Case]], None],
    ) -> None:
        self.best = case
        self.failed_at_s = failed_at_s
        self.tried = 0
        self._fails = fails
        self._tries = tries
        self._ends_s = ends_s
        self._clock = clock
        self._prefetch = prefetch
        self._known: dict[Case, float | None] = {case: failed_at_s}
        self._neighbour_seeds = 0

    def run(self) -> bool:
        """Search until the case does not get smaller; return whether the budget sufficed."""
        try:
            self._until_stable()
            if len(self.best.plan.faults) > FEW_FAULTS:
                self._neighbour_seeds = NEIGHBOUR_SEEDS
                self._until_stable()
            self._first(_rounded(self.best.plan))
        except _OutOfBudget:
            return False
        return True

    def _until_stable(self) -> None:
        before = None
        while self.best != before:
            before = self.best
            self._drop_what_came_later()
            self._drop_most_operations()
            self._drop_nodes()
            self._scale_times()
            self._drop_faults()
            self._drop_operations()
            self._drop_nodes()
            self._close_gaps()

    # Tries.

    def _accepts(self, case: Case) -> bool:
        """Run a candidate, with neighbouring seeds if they are allowed; accept the first that fails."""
        seeds = range(case.seed, case.seed + self._neighbour_seeds + 1)
        return any(self._does_fail(replace(case, seed=seed)) for seed in seeds)

    def _does_fail(self, case: Case) -> bool:
        if case not in self._known:
            if self.tried >= self._tries or self._clock() >= self._ends_s:
                raise _OutOfBudget
            self.tried += 1
            try:
                self._known[case] = self._fails(case)
            except PlanError:  # fewer nodes may have a smaller budget of faults
                self._known[case] = None
        failed_at_s = self._known[case]
        if failed_at_s is None:
            return False
        self.best, self.failed_at_s = case, failed_at_s
        return True

    def _first(self, plans: Iterator[FaultPlan]) -> bool:
        """Accept the first of `plans` that still fails; return whether one did."""
        return self._first_case([replace(self.best, plan=plan) for plan in plans if plan != self.best.plan])

    def _first_case(self, cases: Sequence[Case]) -> bool:
        self._prefetch([case for case in cases if case not in self._known])
        return any(self._accepts(case) for case in cases)

    # Fewer faults.

    def _drop_what_came_later(self) -> None:
        plan = self.best.plan
        kept = [fault for fault in plan.faults if fault.at_s <= self.failed_at_s]
        self._first(_with_faults(plan, kept))
        self._first(_ending_sooner(self.best.plan, self.failed_at_s))

    def _drop_faults(self) -> None:
        self._first(_with_faults(self.best.plan, ()))
        parts = 2
        while (count := len(self.best.plan.faults)) > 1 and parts <= count:
            chunks = _chunks(self.best.plan.faults, parts)
            if self._first(_alone(self.best.plan, chunks)):
                parts = 2
            elif self._first(_complements(self.best.plan, chunks)):
                parts = max(2, parts - 1)
            elif parts == count:
                return
            else:
                parts = min(count, parts * 2)

    # Fewer operations and nodes.

    def _drop_most_operations(self) -> None:
        """Make every later try shorter, if the case still fails."""
        self._drop_operations_to(FEW_OPERATIONS)

    def _drop_operations(self) -> None:
        if self.best.operations is None or self.best.operations > FEW_OPERATIONS[-1]:
            self._drop_operations_to(OPERATION_COUNTS)
        while (count := self.best.operations or 0) > 1 and self._drop_operations_to(
            [count // part for part in DIVISORS]
        ):
            pass

    def _drop_operations_to(self, counts: Sequence[int]) -> bool:
        usual = self.best.operations
        fewer = [it for it in counts if it > 0 and (usual is None or it < usual)]
        return self._first_case([replace(self.best, operations=it) for it in fewer])

    def _drop_nodes(self) -> None:
        while len(self.best.plan.nodes) > FEWEST_NODES and self._first(_with_fewer_nodes(self.best.plan)):
            pass

    # Earlier times.

    def _scale_times(self) -> None:
        """Scale all times down, which makes every later try shorter."""
        for factor in (0.1, 0.3, 0.6):
            if self._first(_scaled(self.best.plan, factor)):
                self._first(_ending_sooner(self.best.plan, self.failed_at_s))
                break

    def _close_gaps(self) -> None:
        self._scale_times()
        for number in range(len(self.best.plan.faults)):
            self._first(_closed_gap(self.best.plan, number))


def _with_faults(plan: FaultPlan, faults: Sequence[Fault]) -> Iterator[FaultPlan]:
    yield replace(plan, faults=tuple(faults))


def _chunks(faults: Sequence[Fault], parts: int) -> list[Sequence[Fault]]:
    """Split into `parts` pieces of about the same length, the last one first."""
    ends = [len(faults) * number // parts for number in range(parts + 1)]
    return [faults[begin:end] for begin, end in pairwise(ends)][::-1]


def _alone(plan: FaultPlan, chunks: Sequence[Sequence[Fault]]) -> Iterator[FaultPlan]:
    for chunk in chunks:
        yield from _with_faults(plan, chunk)


def _complements(plan: FaultPlan, chunks: Sequence[Sequence[Fault]]) -> Iterator[FaultPlan]:
    for left_out in reversed(range(len(chunks))):  # the earliest are the least likely causes
        kept = [fault for number, chunk in enumerate(chunks) if number != left_out for fault in chunk]
        yield from _with_faults(plan, kept)


def _with_fewer_nodes(plan: FaultPlan) -> Iterator[FaultPlan]:
    """Leave out the nodes that the fewest faults name, and those faults; first two nodes, so that majorities remain."""
    names = sorted(plan.nodes, key=lambda name: sum(name in nodes_of(fault) for fault in plan.faults))
    for count in (2, 1):
        gone = names[:count]
        nodes = tuple(name for name in plan.nodes if name not in gone)
        faults = tuple(fault for fault in plan.faults if not any(name in gone for name in nodes_of(fault)))
        if len(nodes) >= FEWEST_NODES:
            try:
                yield replace(plan, nodes=nodes, faults=faults)
            except PlanError:  # such as a partition that would have only one side
                continue


def _moved(fault: Fault, at_s: float) -> Fault:
    return replace(fault, at_s=at_s)


def _scaled(plan: FaultPlan, factor: float) -> Iterator[FaultPlan]:
    yield replace(plan, faults=tuple(_moved(fault, fault.at_s * factor) for fault in plan.faults))


def _closed_gap(plan: FaultPlan, number: int) -> Iterator[FaultPlan]:
    """Move fault `number` and all later ones earlier: to the time of the previous one, or half of the way."""
    faults = plan.faults
    since_s = faults[number - 1].at_s if number else 0.0
    gap_s = faults[number].at_s - since_s
    for earlier_s in (gap_s, gap_s / 2):
        later = tuple(_moved(fault, max(0.0, fault.at_s - earlier_s)) for fault in faults[number:])
        yield replace(plan, faults=faults[:number] + later)


def _ending_sooner(plan: FaultPlan, failed_at_s: float) -> Iterator[FaultPlan]:
    last_s = max([failed_at_s, *(fault.at_s for fault in plan.faults)])
    if 0 < last_s < plan.ends_at_s:
        yield replace(plan, ends_at_s=last_s)


def _rounded(plan: FaultPlan) -> Iterator[FaultPlan]:
    """Cut all seconds to few decimals, but none to zero, and round the end of the plan up."""
    for places in DECIMALS:
        scale = 10**places
        faults = tuple(_with_few_decimals(fault, scale) for fault in plan.faults)
        yield replace(plan, faults=faults, ends_at_s=math.ceil(plan.ends_at_s * scale) / scale)


def _with_few_decimals(fault: Fault, scale: int) -> Fault:
    seconds = {field.name: getattr(fault, field.name) for field in fields(fault) if field.name.endswith("_s")}
    shorter: dict[str, Any] = {
        name: tuple(_cut(each, scale) for each in value) if isinstance(value, tuple) else _cut(value, scale)
        for name, value in seconds.items()
    }
    return replace(fault, **shorter)


def _cut(value: float, scale: int) -> float:
    return math.floor(value * scale) / scale or value
