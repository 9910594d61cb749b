"""A failure, cut down to the smallest case that fails in the same way: by the same invariant."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from coterie.exploring.discovery import find
from coterie.exploring.jobs import Job, carry_out, rare_collections
from coterie.protocols.faults.plan import Plan
from coterie.protocols.faults.shrinking import Case, shrink
from coterie.protocols.simulation.verdict import Verdict

__all__ = ["MOST_TRIES", "WITHIN_S", "Reduction", "reduce"]

WITHIN_S = 60.0
MOST_TRIES = 2000


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
    """

    job: Job
    verdict: Verdict
    plan: Plan | None
    found: Verdict
    tries: int
    wall_s: float
    is_complete: bool


def reduce(
    job: Job,
    found: Verdict,
    *,
    within_s: float = WITHIN_S,
    tries: int = MOST_TRIES,
    clock: Callable[[], float] = time.perf_counter,
) -> Reduction:
    """Cut down the failing run of `job` with the seed of `found`; Ctrl-C ends the search with the best so far.

    `within_s` and `tries` bound the search; with 0 tries nothing is cut. A run that does not fail in the same way when
    it is given its own plan is not cut down: it is kept as a seed.

    Raises:
        ValueError: `found` is no failure.
    """
    if found.violation is None:
        raise ValueError(f"seed {found.seed} did not fail: there is nothing to cut down")
    began_s = clock()
    search = _Search(replace(job, seed=found.seed), found.violation.invariant)
    with rare_collections():
        case = Case(found.seed, _plan_of(search.job, found), job.operations)
        failed_at_s = search.fails(case) if tries else None
        if failed_at_s is None:
            verdict = _shown(search.job)
            return Reduction(search.job, verdict, verdict.plan, found, 1, clock() - began_s, not tries)
        shrunk = shrink(
            case, failed_at_s, search.fails, tries=tries, within_s=within_s, clock=lambda: search.stopped or clock()
        )
        smallest = search.job_of(shrunk.case)
        verdict = _shown(smallest)
    wall_s = clock() - began_s
    return Reduction(smallest, verdict, shrunk.case.plan, found, shrunk.tries + 1, wall_s, shrunk.is_complete)


def _plan_of(job: Job, found: Verdict) -> Plan:
    if found.plan is not None:
        return found.plan
    return job.plan or find(job.scenario, job.level).plan(job.seed, profile=job.profile, nodes=job.nodes)


def _shown(job: Job) -> Verdict:
    """Run `job` for its digest, and again for the trace that people read: together they may give another trace."""
    return replace(carry_out(replace(job, traced=True)), digest=carry_out(replace(job, hashed=True)).digest)


class _Search:
    """Runs candidates of one job; Ctrl-C makes every later one fail to fail, and time run out."""

    def __init__(self, job: Job, invariant: str) -> None:
        self.job = job
        self.stopped = 0.0
        self._invariant = invariant

    def job_of(self, case: Case) -> Job:
        return replace(self.job, seed=case.seed, plan=case.plan, operations=case.operations, nodes=None)

    def fails(self, case: Case) -> float | None:
        try:
            violation = carry_out(self.job_of(case)).violation
        except KeyboardInterrupt:
            self.stopped = float("inf")
            return None
        if violation is None or violation.invariant != self._invariant:
            return None
        return violation.time_s
