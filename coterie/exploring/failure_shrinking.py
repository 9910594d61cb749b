"""Failure shrinking: finds a small run that breaks the same invariant as a failed one, and saves its trace and log.

`protocols/faults/shrinking.py` decides which smaller cases are tried and in which order (ddmin). This module decides
whether a candidate fails in the same way, runs the candidates (in this process or in workers), and runs the smallest
case again for its trace, digest and log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

from coterie.exploring.captured_log import capture_log
from coterie.exploring.run_jobs import Job, run_job, worker_pool, worker_settings
from coterie.exploring.scenario_discovery import find_scenario
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.shrinking import Case, shrink
from coterie.protocols.simulation.scenarios.run_result import RunResult

__all__ = ["TIME_LIMIT_S", "TRIES_MAX", "ShrunkFailure", "shrink_failure"]

TIME_LIMIT_S = 60.0
TRIES_MAX = 2000

LATE_FACTOR = 1.25
LATE_MARGIN_S = 0.5
"""A candidate is ended this much later than the smallest failure so far: after 1.25 times its time, and 0.5 s."""

STUCK_ERROR = "SimulationStuck"
"""The error of a run that took too long: if it is the failure itself, candidates are not ended early."""

PROGRAM_ERRORS = ("program", "scenario.raised")
"""The invariants that stand for any exception raised by a scenario."""


@dataclass(frozen=True, slots=True)
class ShrunkFailure:
    """The smallest case found for a failure.

    Attributes:
        job: the run; it fails again, in every process.
        result: its result, with trace and digest.
        plan: its fault plan, None if unknown.
        original: the result of the run before shrinking.
        tries: the number of runs that were needed.
        wall_s: the duration of the search (s).
        is_complete: whether nothing smaller is left to try; False if a limit ended the search.
        log: the last lines that were logged in the run.
    """

    job: Job
    result: RunResult
    plan: FaultPlan | None
    original: RunResult
    tries: int
    wall_s: float
    is_complete: bool
    log: tuple[str, ...] = ()


def shrink_failure(
    job: Job,
    original: RunResult,
    *,
    processes: int = 1,
    within_s: float = TIME_LIMIT_S,
    tries: int = TRIES_MAX,
    clock: Callable[[], float] = time.perf_counter,
) -> ShrunkFailure:
    """Shrink the failing run of `job` with the seed of `original`; Ctrl-C ends the search with the best case so far.

    With `processes` above 1, candidates run in workers, several at once. `within_s` and `tries` bound the search; with
    0 tries nothing is shrunk. A run that does not fail in the same way when it is given its own plan is not shrunk: it
    is saved as a seed.

    Raises:
        ValueError: `original` is not a failure.
    """
    if original.violation is None:
        raise ValueError(f"seed {original.seed} did not fail: there is nothing to shrink")
    began_s = clock()
    with worker_settings(), _pool(processes) as pool:
        search = _CandidateRuns(
            replace(job, seed=original.seed), _failure_signature(original.violation), processes, pool
        )
        case = Case(original.seed, _plan_of(search.job, original), job.operations)
        failed_at_s = search.fails(case) if tries else None
        if failed_at_s is None:
            result, log = _final_run(search.job)
            return ShrunkFailure(search.job, result, result.plan, original, 1, clock() - began_s, not tries, log)
        shrunk = shrink(
            case,
            failed_at_s,
            search.fails,
            tries=tries,
            within_s=within_s,
            clock=lambda: search.stopped_at_s or clock(),
            prefetch=search.prefetch,
        )
        smallest = search.job_of(shrunk.case)
        result, log = _final_run(smallest)
    wall_s = clock() - began_s
    return ShrunkFailure(
        smallest, result, shrunk.case.plan, original, shrunk.tries + 1, wall_s, shrunk.is_complete, log
    )


def _plan_of(job: Job, original: RunResult) -> FaultPlan:
    if original.plan is not None:
        return original.plan
    return job.plan or find_scenario(job.scenario, job.level).plan(job.seed, profile=job.profile, nodes=job.nodes)


def _final_run(job: Job) -> tuple[RunResult, tuple[str, ...]]:
    """Run `job` for its trace and log, and again for its digest: both at once may change the trace."""
    with capture_log() as log:
        result = run_job(replace(job, traced=True))
    return replace(result, digest=run_job(replace(job, hashed=True)).digest), tuple(log)


def _pool(processes: int) -> AbstractContextManager[ProcessPoolExecutor | None]:
    return nullcontext() if processes == 1 else worker_pool(processes)


def _failure_signature(violation: Violation) -> str:
    """Return the signature by which two failures are the same: the invariant, and for exceptions the error's type."""
    if violation.invariant in PROGRAM_ERRORS:
        return f"{violation.invariant} {violation.detail.partition(':')[0]}"
    return violation.invariant


class _CandidateRuns:
    """Runs the candidates of one job. After Ctrl-C every later one counts as passed, and the time limit as reached."""

    def __init__(self, job: Job, signature: str, processes: int, pool: ProcessPoolExecutor | None) -> None:
        self.job = job
        self.stopped_at_s = 0.0
        self._signature = signature
        self._max_s: float | None = None
        self._processes = processes
        self._pool = pool
        self._upcoming: list[Case] = []
        self._runs: dict[Case, Future[RunResult]] = {}

    def job_of(self, case: Case) -> Job:
        return replace(self.job, seed=case.seed, plan=case.plan, operations=case.operations, nodes=None)

    def limit_time(self, failed_at_s: float) -> None:
        """Set the time limit of later candidates from a failure at `failed_at_s` (simulated s)."""
        self._max_s = None if STUCK_ERROR in self._signature else LATE_FACTOR * failed_at_s + LATE_MARGIN_S

    def prefetch(self, cases: Sequence[Case]) -> None:
        """Note the cases that come next; cancel the runs of earlier ones that have not started."""
        self._upcoming = list(cases)
        self._runs = {case: run for case, run in self._runs.items() if not run.cancel()}

    def fails(self, case: Case) -> float | None:
        try:
            violation = self._run(case).violation
        except KeyboardInterrupt:
            self.stopped_at_s = float("inf")
            return None
        if violation is None or _failure_signature(violation) != self._signature:
            return None
        self.limit_time(violation.time_s)
        return violation.time_s

    def _run(self, case: Case) -> RunResult:
        if self._pool is None:
            return run_job(self._bounded(case))
        self._upcoming = [it for it in (case, *self._upcoming) if it not in self._runs]
        while self._upcoming and sum(not run.done() for run in self._runs.values()) < self._processes:
            self._submit(self._pool, self._upcoming.pop(0))
        if case not in self._runs:
            self._submit(self._pool, case)
        return self._runs[case].result()

    def _submit(self, pool: ProcessPoolExecutor, case: Case) -> None:
        self._runs[case] = pool.submit(run_job, self._bounded(case))

    def _bounded(self, case: Case) -> Job:
        return replace(self.job_of(case), max_s=self._max_s)
