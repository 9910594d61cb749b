"""Seed exploration: runs a scenario with many seeds, and collects the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace

from coterie.exploring.run_jobs import Job, run_job, worker_pool, worker_settings
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult, Summary, summarise

__all__ = ["Exploration", "explore"]


@dataclass(slots=True)
class Exploration:
    """The results of many seeds so far.

    Attributes:
        requested_seeds: the seeds to run.
        results: one per finished seed, in the order of arrival.
        wall_s: the elapsed time (s).
        is_interrupted: whether Ctrl-C ended it.
    """

    requested_seeds: Sequence[int]
    results: list[RunResult] = field(default_factory=list)
    wall_s: float = 0.0
    is_interrupted: bool = False

    @property
    def summary(self) -> Summary:
        """The sum of all results, in the order of their seeds."""
        return summarise(sorted(self.results, key=lambda result: result.seed))

    @property
    def seeds_per_minute(self) -> float:
        """Finished seeds per minute of wall time."""
        return 60 * len(self.results) / max(self.wall_s, 1e-9)

    @property
    def remaining_seeds(self) -> Sequence[int]:
        """The requested seeds from the first unfinished one on: the seeds to continue with."""
        done = {result.seed for result in self.results}
        first = next(
            (place for place, seed in enumerate(self.requested_seeds) if seed not in done), len(self.requested_seeds)
        )
        return self.requested_seeds[first:]

    def first_failure(self) -> RunResult | None:
        """Return the result of the smallest failing seed, None if no seed failed."""
        failed = [result for result in self.results if result.outcome is RunOutcome.FAILED]
        return min(failed, key=lambda result: result.seed, default=None)


def explore(
    job: Job,
    seeds: Sequence[int],
    *,
    processes: int = 1,
    progress: Callable[[Exploration], None] = lambda _: None,
    is_logging: bool = False,
) -> Exploration:
    """Run `job` with each of `seeds`; call `progress` after each.

    With `processes` 1 the seeds run in this process, otherwise in workers. Ctrl-C ends it early. `is_logging`: let the
    simulated nodes log; workers never log.

    Raises:
        PlanError, ScenarioError: as `run_job`.
    """
    exploration = Exploration(seeds)
    began_s = time.perf_counter()
    try:
        for result in _results(job, seeds, processes, is_logging=is_logging):
            exploration.results.append(result)
            exploration.wall_s = time.perf_counter() - began_s
            progress(exploration)
    except KeyboardInterrupt:
        exploration.is_interrupted = True
    exploration.wall_s = time.perf_counter() - began_s
    return exploration


def _results(job: Job, seeds: Sequence[int], processes: int, *, is_logging: bool) -> Iterator[RunResult]:
    if processes == 1:
        with worker_settings(is_logging=is_logging):
            for seed in seeds:
                yield run_job(replace(job, seed=seed))
        return
    with worker_pool(min(processes, len(seeds))) as pool:
        waiting = [pool.submit(run_job, replace(job, seed=seed)) for seed in seeds]
        for done in as_completed(waiting):
            yield done.result()
