"""A failure, cut down to the smallest case that fails in the same way: by the same invariant."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from coterie.exploring.captured_log import kept_log
from coterie.exploring.run_jobs import Job, carry_out, many_runs, workers
from coterie.exploring.scenario_discovery import find
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.shrinking import Case, shrink
from coterie.protocols.simulation.scenarios.run_outcome import Verdict

__all__ = ["MOST_TRIES", "WITHIN_S", "Reduction", "reduce"]

WITHIN_S = 60.0
MOST_TRIES = 2000

LATE = 1.25
LATE_S = 0.5
"""How much later than the smallest failure so far a candidate may fail: a quarter, and half a second. Then it ends."""

STUCK = "SimulationStuck"
"""The error of a run that took too long: if that is the failure itself, candidates are not ended."""

RAISED = ("program", "scenario.raised")
"""The invariants that stand for whatever a scenario of somebody's raises."""


@dataclass(frozen=True, slots=True)
class Reduction:
    """A failing run, made small.

    Attributes:
        job: the run; it fails again, in every process.
        verdict: what it came to, with its trace and digest.
        plan: what it suffers, None if nobody knows.
        found: the verdict of the run that was cut down.
        tries: how many runs that took.
        wall_s: how long.
        is_complete: whether nothing smaller is left to try; False if time ended the search.
        log: the last lines that were logged in the run.
    """

    job: Job
    verdict: Verdict
    plan: Plan | None
    found: Verdict
    tries: int
    wall_s: float
    is_complete: bool
    log: tuple[str, ...] = ()


def reduce(
    job: Job,
    found: Verdict,
    *,
    processes: int = 1,
    within_s: float = WITHIN_S,
    tries: int = MOST_TRIES,
    clock: Callable[[], float] = time.perf_counter,
) -> Reduction:
    """Cut down the failing run of `job` with the seed of `found`; Ctrl-C ends the search with the best so far.

    With more than one of `processes`, candidates run in workers, several at once. `within_s` and `tries` bound the
    search; with 0 tries nothing is cut. A run that does not fail in the same way when
    it is given its own plan is not cut down: it is kept as a seed.

    Raises:
        ValueError: `found` is no failure.
    """
    if found.violation is None:
        raise ValueError(f"seed {found.seed} did not fail: there is nothing to cut down")
    began_s = clock()
    with many_runs(), _pool(processes) as pool:
        search = _Search(replace(job, seed=found.seed), _kind(found.violation), processes, pool)
        case = Case(found.seed, _plan_of(search.job, found), job.operations)
        failed_at_s = search.fails(case) if tries else None
        if failed_at_s is None:
            verdict, log = _shown(search.job)
            return Reduction(search.job, verdict, verdict.plan, found, 1, clock() - began_s, not tries, log)
        shrunk = shrink(
            case,
            failed_at_s,
            search.fails,
            tries=tries,
            within_s=within_s,
            clock=lambda: search.stopped or clock(),
            ahead=search.begin,
        )
        smallest = search.job_of(shrunk.case)
        verdict, log = _shown(smallest)
    wall_s = clock() - began_s
    return Reduction(smallest, verdict, shrunk.case.plan, found, shrunk.tries + 1, wall_s, shrunk.is_complete, log)


def _plan_of(job: Job, found: Verdict) -> Plan:
    if found.plan is not None:
        return found.plan
    return job.plan or find(job.scenario, job.level).plan(job.seed, profile=job.profile, nodes=job.nodes)


def _shown(job: Job) -> tuple[Verdict, tuple[str, ...]]:
    """Run `job` for its digest, and again for what people read: together they may give another trace."""
    with kept_log() as log:
        verdict = carry_out(replace(job, traced=True))
    return replace(verdict, digest=carry_out(replace(job, hashed=True)).digest), tuple(log)


def _pool(processes: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    return nullcontext() if processes == 1 else workers(processes)


def _kind(violation: Violation) -> str:
    """Return what makes two failures the same: the invariant; of what a program raised, the type of the error too."""
    if violation.invariant in RAISED:
        return f"{violation.invariant} {violation.detail.partition(':')[0]}"
    return violation.invariant


class _Search:
    """Runs candidates of one job; Ctrl-C makes every later one fail to fail, and time run out."""

    def __init__(self, job: Job, kind: str, processes: int, pool: ProcessPoolExecutor | None) -> None:
        self.job = job
        self.stopped = 0.0
        self._kind = kind
        self._max_s: float | None = None
        self._processes = processes
        self._pool = pool
        self._upcoming: list[Case] = []
        self._begun: dict[Case, Future[Verdict]] = {}

    def job_of(self, case: Case) -> Job:
        return replace(self.job, seed=case.seed, plan=case.plan, operations=case.operations, nodes=None)

    def expect(self, failed_at_s: float) -> None:
        """Give the candidates to come the time that a failure at `failed_at_s` (simulated s) suggests."""
        self._max_s = None if STUCK in self._kind else LATE * failed_at_s + LATE_S

    def begin(self, cases: Sequence[Case]) -> None:
        """Note which cases come next, and that those before do not."""
        self._upcoming = list(cases)
        self._begun = {case: run for case, run in self._begun.items() if not run.cancel()}

    def fails(self, case: Case) -> float | None:
        try:
            violation = self._run(case).violation
        except KeyboardInterrupt:
            self.stopped = float("inf")
            return None
        if violation is None or _kind(violation) != self._kind:
            return None
        self.expect(violation.time_s)
        return violation.time_s

    def _run(self, case: Case) -> Verdict:
        if self._pool is None:
            return carry_out(self._bounded(case))
        self._upcoming = [it for it in (case, *self._upcoming) if it not in self._begun]
        while self._upcoming and sum(not run.done() for run in self._begun.values()) < self._processes:
            self._submit(self._pool, self._upcoming.pop(0))
        if case not in self._begun:
            self._submit(self._pool, case)
        return self._begun[case].result()

    def _submit(self, pool: ProcessPoolExecutor, case: Case) -> None:
        self._begun[case] = pool.submit(carry_out, self._bounded(case))

    def _bounded(self, case: Case) -> Job:
        return replace(self.job_of(case), max_s=self._max_s)
