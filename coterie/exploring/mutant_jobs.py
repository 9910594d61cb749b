"""Mutant jobs: runs the mutation tests of all mutants, in this process or in worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

from coterie.actors.simulation.mutants import SYSTEM_MUTANTS
from coterie.errors import CoterieError
from coterie.exploring.run_jobs import worker_pool, worker_settings
from coterie.protocols.faults.nearest_name import hint
from coterie.protocols.simulation.mutants import MUTANTS, Mutant, MutantResult, MutantTrial, run_mutant

__all__ = ["ALL_MUTANTS", "MutantError", "TimedMutantResult", "mutant_named", "run_mutant_jobs"]

ALL_MUTANTS: tuple[Mutant, ...] = (*MUTANTS, *SYSTEM_MUTANTS)
"""All mutants; those of the pure algorithms first."""


class MutantError(CoterieError, ValueError):
    """There is no such mutant: the error names the requested one and the nearest that exists."""


@dataclass(frozen=True, slots=True)
class TimedMutantResult:
    """The result of one mutant, and how long its run took (s)."""

    result: MutantResult
    wall_s: float

    @property
    def trial(self) -> MutantTrial:
        """The trial in which the mutant ran."""
        return mutant_named(self.result.name).trial


def mutant_named(name: str) -> Mutant:
    """Return the mutant called `name`.

    Raises:
        MutantError: there is none of that name; the nearest is named.
    """
    for mutant in ALL_MUTANTS:
        if mutant.name == name:
            return mutant
    raise MutantError(f"there is no mutant {name!r}{hint(name, [mutant.name for mutant in ALL_MUTANTS])}")


def run_mutant_jobs(
    names: Sequence[str], *, processes: int = 1, on_result: Callable[[TimedMutantResult], None]
) -> list[TimedMutantResult]:
    """Run these mutants, each in one process; `on_result` is called with each result as it is ready.

    Raises:
        MutantError: there is no such mutant.
        LookupError: a target of a patch is gone.
    """
    for name in names:
        mutant_named(name)
    results: list[TimedMutantResult] = []
    for timed in _run_here(names) if processes == 1 else _run_in_workers(names, processes):
        results.append(timed)
        on_result(timed)
    return results


def _run_here(names: Sequence[str]) -> Iterator[TimedMutantResult]:
    with worker_settings():
        for name in names:
            yield _run_one(name)


def _run_in_workers(names: Sequence[str], processes: int) -> Iterator[TimedMutantResult]:
    with worker_pool(processes) as pool:
        for finished in as_completed([pool.submit(_run_one, name) for name in names]):
            yield finished.result()


def _run_one(name: str) -> TimedMutantResult:
    began_s = time.perf_counter()
    result = run_mutant(mutant_named(name))
    return TimedMutantResult(result, time.perf_counter() - began_s)
