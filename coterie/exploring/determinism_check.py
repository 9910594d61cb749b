"""Is a seed one trace? Each runs twice, in two processes whose string hashes differ, and the traces are compared."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import zip_longest

from coterie.exploring.run_jobs import Job, carry_out, workers
from coterie.exploring.seed_exploration import Exploration
from coterie.protocols.simulation.run_trace import TraceLine
from coterie.protocols.simulation.scenarios.run_outcome import Verdict

__all__ = ["HASH_SEEDS", "Difference", "check_determinism", "first_difference"]

HASH_SEEDS = (1, 2)
"""Under which sets of strings are iterated over in different orders."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A seed that ran in two ways. `line` counts from 1; None if a second look showed no difference of the lines."""

    seed: int
    line: int | None
    one: str
    other: str

    def __str__(self) -> str:
        if self.line is None:
            return f"seed {self.seed} is not deterministic: its trace hashes differ, though no line did when run again"
        return (
            f"seed {self.seed} is not deterministic: its traces differ first in line {self.line}:\n"
            f"  with hash seed {HASH_SEEDS[0]}: {self.one}\n  with hash seed {HASH_SEEDS[1]}: {self.other}"
        )


def check_determinism(
    job: Job, seeds: Sequence[int], *, processes: int = 2, progress: Callable[[Exploration], None] = lambda _: None
) -> tuple[Exploration, Sequence[Difference]]:
    """Run each of `seeds` twice; return what the first runs came to, and every difference.

    `processes`: how many in all, at least two. Ctrl-C ends it early.
    """
    found, differences = Exploration(seeds), list[Difference]()
    began_s = time.perf_counter()
    with ExitStack() as stack:
        try:
            pools = [stack.enter_context(workers(max(1, processes // 2), hash_seed=seed)) for seed in HASH_SEEDS]
            waiting = [[_submit(pool, job, seed) for pool in pools] for seed in seeds]
            for one, other in waiting:
                verdicts = one.result(), other.result()
                found.verdicts.append(verdicts[0])
                found.wall_s = time.perf_counter() - began_s
                if _fingerprint(verdicts[0]) != _fingerprint(verdicts[1]):
                    differences.append(_look_again(pools, job, verdicts[0].seed))
                progress(found)
        except KeyboardInterrupt:
            found.is_interrupted = True
    found.wall_s = time.perf_counter() - began_s
    return found, differences


def first_difference(seed: int, one: Sequence[TraceLine], other: Sequence[TraceLine]) -> Difference:
    """Return where two traces part; a line that only one of them has shows as an empty one."""
    for number, (left, right) in enumerate(zip_longest(one, other), start=1):
        if left != right:
            return Difference(seed, number, str(left or ""), str(right or ""))
    return Difference(seed, None, "", "")


def _submit(pool: ProcessPoolExecutor, job: Job, seed: int) -> Future[Verdict]:
    return pool.submit(carry_out, replace(job, seed=seed, hashed=True))


def _fingerprint(verdict: Verdict) -> tuple[object, ...]:
    return verdict.digest, str(verdict.violation), verdict.events, verdict.operations, verdict.fired


def _look_again(pools: Sequence[ProcessPoolExecutor], job: Job, seed: int) -> Difference:
    traced = replace(job, seed=seed, hashed=True, traced=True)
    one, other = [pool.submit(carry_out, traced) for pool in pools]
    return first_difference(seed, one.result().trace, other.result().trace)
