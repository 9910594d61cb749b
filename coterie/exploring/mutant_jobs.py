"""All mutants, hunted: which there are, and how several processes share the hunts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass

from coterie.actors.simulation.mutants import SYSTEM_MUTANTS
from coterie.errors import CoterieError
from coterie.exploring.run_jobs import many_runs, workers
from coterie.protocols.faults.nearest_name import hint
from coterie.protocols.simulation.mutants import MUTANTS, Hunt, Mutant, Trial, hunt

__all__ = ["ALL_MUTANTS", "Catch", "MutantError", "hunt_all", "mutant_named"]

ALL_MUTANTS: tuple[Mutant, ...] = (*MUTANTS, *SYSTEM_MUTANTS)
"""Those of the pure algorithms first."""


class MutantError(CoterieError, ValueError):
    """There is no such mutant: the error names what was asked for and the nearest that exists."""


@dataclass(frozen=True, slots=True)
class Catch:
    """A hunt that has ended, and how long it took (s)."""

    hunt: Hunt
    wall_s: float

    @property
    def trial(self) -> Trial:
        """Where the mutant was hunted."""
        return mutant_named(self.hunt.name).trial


def mutant_named(name: str) -> Mutant:
    """Return a mutant.

    Raises:
        MutantError: there is none of that name; the nearest is named.
    """
    for mutant in ALL_MUTANTS:
        if mutant.name == name:
            return mutant
    raise MutantError(f"there is no mutant {name!r}{hint(name, [mutant.name for mutant in ALL_MUTANTS])}")


def hunt_all(names: Sequence[str], *, processes: int = 1, caught: Callable[[Catch], None]) -> list[Catch]:
    """Hunt these mutants, each in one process; `caught` hears of each hunt as it ends.

    Raises:
        MutantError: there is no such mutant.
        LookupError: a target of a patch is gone.
    """
    for name in names:
        mutant_named(name)
    catches: list[Catch] = []
    for catch in _hunt_here(names) if processes == 1 else _hunt_elsewhere(names, processes):
        catches.append(catch)
        caught(catch)
    return catches


def _hunt_here(names: Sequence[str]) -> Iterator[Catch]:
    with many_runs():
        for name in names:
            yield _hunt(name)


def _hunt_elsewhere(names: Sequence[str], processes: int) -> Iterator[Catch]:
    with workers(processes) as pool:
        for hunted in as_completed([pool.submit(_hunt, name) for name in names]):
            yield hunted.result()


def _hunt(name: str) -> Catch:
    began_s = time.perf_counter()
    ended = hunt(mutant_named(name))
    return Catch(ended, time.perf_counter() - began_s)
