"""Seed after seed: the verdicts as they arrive, and what was learned so far."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass, field, replace

from coterie.exploring.run_jobs import Job, carry_out, many_runs, workers
from coterie.protocols.simulation.scenarios.run_outcome import Outcome, Summary, Verdict, summarise

__all__ = ["Exploration", "explore"]


@dataclass(slots=True)
class Exploration:
    """What many seeds came to, so far.

    Attributes:
        wanted: the seeds to run.
        verdicts: one for each seed that has run, in the order of arrival.
        wall_s: how long that took.
        is_interrupted: Ctrl-C ended it.
    """

    wanted: Sequence[int]
    verdicts: list[Verdict] = field(default_factory=list)
    wall_s: float = 0.0
    is_interrupted: bool = False

    @property
    def summary(self) -> Summary:
        """All verdicts added up, in the order of their seeds."""
        return summarise(sorted(self.verdicts, key=lambda verdict: verdict.seed))

    @property
    def seeds_per_minute(self) -> float:
        """How fast it went."""
        return 60 * len(self.verdicts) / max(self.wall_s, 1e-9)

    @property
    def left(self) -> Sequence[int]:
        """The seeds from the first one that has not run on: where to go on."""
        done = {verdict.seed for verdict in self.verdicts}
        first = next((place for place, seed in enumerate(self.wanted) if seed not in done), len(self.wanted))
        return self.wanted[first:]

    def first_failure(self) -> Verdict | None:
        """Return the verdict of the smallest failing seed, None if all is well."""
        failed = [verdict for verdict in self.verdicts if verdict.outcome is Outcome.FAILED]
        return min(failed, key=lambda verdict: verdict.seed, default=None)


def explore(
    job: Job,
    seeds: Sequence[int],
    *,
    processes: int = 1,
    progress: Callable[[Exploration], None] = lambda _: None,
    is_heard: bool = False,
) -> Exploration:
    """Run `job` with each of `seeds`; call `progress` after each.

    With one process everything happens in this one; with more, in workers. Ctrl-C ends it early. `is_heard`: let what
    is simulated log, which workers never do.

    Raises:
        PlanError, ScenarioError: as `carry_out`.
    """
    found = Exploration(seeds)
    began_s = time.perf_counter()
    try:
        for verdict in _verdicts(job, seeds, processes, is_heard=is_heard):
            found.verdicts.append(verdict)
            found.wall_s = time.perf_counter() - began_s
            progress(found)
    except KeyboardInterrupt:
        found.is_interrupted = True
    found.wall_s = time.perf_counter() - began_s
    return found


def _verdicts(job: Job, seeds: Sequence[int], processes: int, *, is_heard: bool) -> Iterator[Verdict]:
    if processes == 1:
        with many_runs(is_heard=is_heard):
            for seed in seeds:
                yield carry_out(replace(job, seed=seed))
        return
    with workers(min(processes, len(seeds))) as pool:
        waiting = [pool.submit(carry_out, replace(job, seed=seed)) for seed in seeds]
        for done in as_completed(waiting):
            yield done.result()
