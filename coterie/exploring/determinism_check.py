"""Determinism check: runs each seed in two processes with different string hashes, and compares the two traces."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import zip_longest

from coterie.exploring.run_jobs import Job, run_job, worker_pool
from coterie.exploring.seed_exploration import Exploration
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.protocols.simulation.scenarios.run_result import RunResult

__all__ = ["HASH_SEEDS", "TraceDifference", "check_determinism", "first_difference"]

HASH_SEEDS = (1, 2)
"""Hash seeds under which sets of strings are iterated in different orders."""


@dataclass(frozen=True, slots=True)
class TraceDifference:
    """A seed with two different traces. `line` counts from 1; None if the traces of a second pair of runs are equal."""

    seed: int
    line: int | None
    one: str
    other: str

    def __str__(self) -> str:
        if self.line is None:
            return f"seed {self.seed} is not deterministic: its trace hashes differ, but two more runs had equal traces"
        return (
            f"seed {self.seed} is not deterministic: its traces first differ in line {self.line}:\n"
            f"  with hash seed {HASH_SEEDS[0]}: {self.one}\n  with hash seed {HASH_SEEDS[1]}: {self.other}"
        )


def check_determinism(
    job: Job, seeds: Sequence[int], *, processes: int = 2, progress: Callable[[Exploration], None] = lambda _: None
) -> tuple[Exploration, Sequence[TraceDifference]]:
    """Run each of `seeds` twice; return the results of the first runs, and every difference.

    `processes`: the total number of worker processes, at least two. Ctrl-C ends the check early.
    """
    exploration, differences = Exploration(seeds), list[TraceDifference]()
    began_s = time.perf_counter()
    with ExitStack() as stack:
        try:
            pools = [stack.enter_context(worker_pool(max(1, processes // 2), hash_seed=seed)) for seed in HASH_SEEDS]
            runs = [[_submit(pool, job, seed) for pool in pools] for seed in seeds]
            for one, other in runs:
                results = one.result(), other.result()
                exploration.results.append(results[0])
                exploration.wall_s = time.perf_counter() - began_s
                if _fingerprint(results[0]) != _fingerprint(results[1]):
                    differences.append(_compare_traces(pools, job, results[0].seed))
                progress(exploration)
        except KeyboardInterrupt:
            exploration.is_interrupted = True
    exploration.wall_s = time.perf_counter() - began_s
    return exploration, differences


def first_difference(seed: int, one: Sequence[TraceLine], other: Sequence[TraceLine]) -> TraceDifference:
    """Return the first line in which two traces differ; a missing line is shown as an empty one."""
    for number, (left, right) in enumerate(zip_longest(one, other), start=1):
        if left != right:
            return TraceDifference(seed, number, str(left or ""), str(right or ""))
    return TraceDifference(seed, None, "", "")


def _submit(pool: ProcessPoolExecutor, job: Job, seed: int) -> Future[RunResult]:
    return pool.submit(run_job, replace(job, seed=seed, hashed=True))


def _fingerprint(result: RunResult) -> tuple[object, ...]:
    return result.digest, str(result.violation), result.events, result.operations, result.fired


def _compare_traces(pools: Sequence[ProcessPoolExecutor], job: Job, seed: int) -> TraceDifference:
    traced = replace(job, seed=seed, hashed=True, traced=True)
    one, other = [pool.submit(run_job, traced) for pool in pools]
    return first_difference(seed, one.result().trace, other.result().trace)
