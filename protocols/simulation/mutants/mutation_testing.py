"""Mutation testing: runs an algorithm with a deliberate bug (a mutant), and tests that a checker detects it.

Mutant ── patches + a MutantTrial ──▶ run_mutant: seed after seed ──▶ killed by an invariant, or survived
                  │                     │
                  │                     └─ the original code runs with the same seeds: no false alarm
                  ├─ ScenarioTrial: a scenario under plans that are drawn from a profile
                  └─ DirectedTrial: a directed schedule, which is run once
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Protocol

from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING, Scenario

__all__ = [
    "MOST_SEEDS",
    "DirectedTrial",
    "Mutant",
    "MutantResult",
    "MutantTrial",
    "Patch",
    "ScenarioTrial",
    "directed_mutant",
    "patched",
    "run_mutant",
]

MOST_SEEDS = 60
"""The number of seeds after which a mutant counts as a survivor."""

NOT_SAFETY = ("algorithm.", "liveness.", "program")
"""Prefixes of invariants that do not kill a mutant: errors of the algorithm itself, and missing progress."""


class MutantTrial(Protocol):
    """A test that must detect a mutant. The seed determines the whole run."""

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    @property
    def level(self) -> Level:
        """The level at which it runs."""
        ...

    @property
    def is_random(self) -> bool:
        """Whether different seeds give different runs."""
        ...

    def run(self, seed: int) -> Violation | None:
        """Run `seed`; return the first broken invariant."""
        ...


@dataclass(frozen=True, slots=True)
class ScenarioTrial:
    """A trial that runs a scenario under plans drawn from its seeds.

    Attributes:
        scenario: the scenario.
        profile: the profile from which plans are drawn.
        nodes: how many nodes; None: drawn from the seed.
        operations: the most that clients request; None: the default number.
    """

    scenario: Scenario
    profile: str = EVERYTHING
    nodes: int | None = None
    operations: int | None = None

    is_random = True
    """Different seeds give different runs."""

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name

    @property
    def level(self) -> Level:
        """The scenario's level."""
        return self.scenario.level

    def run(self, seed: int) -> Violation | None:
        """Run `seed` of the scenario; return the first broken invariant."""
        run = self.scenario.run
        return run(seed, profile=self.profile, nodes=self.nodes, operations=self.operations).violation


@dataclass(frozen=True, slots=True)
class DirectedTrial:
    """A trial that runs a directed schedule, which raises `Violation` if an invariant breaks.

    Attributes:
        name: its name in reports.
        level: the level at which it runs.
        schedule: runs it with a seed.
    """

    name: str
    level: Level
    schedule: Callable[[int], None]

    is_random = False
    """Every seed gives the same run."""

    def run(self, seed: int) -> Violation | None:
        """Run the schedule; return the first broken invariant."""
        try:
            self.schedule(seed)
        except Violation as violation:
            return violation
        return None


@dataclass(frozen=True, slots=True)
class Patch:
    """Replaces `owner.name` by `replacement` (a function, a property, a value)."""

    owner: type | ModuleType
    name: str
    replacement: object


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deliberate bug.

    Attributes:
        name: a description of the bug.
        trial: the test that must detect it.
        patches: the changes that make up the bug.
        first_seed: the first seed of the trial, chosen so that the mutant is killed quickly.
    """

    name: str
    trial: MutantTrial
    patches: tuple[Patch, ...]
    first_seed: int = 0


def directed_mutant(kind: str, name: str, schedule: Callable[[], None], *patches: Patch) -> Mutant:
    """Return the mutant `kind: name` of the protocol level, whose trial is `schedule`; that is called like it."""
    title = schedule.__name__.replace("_", " ")
    return Mutant(f"{kind}: {name}", DirectedTrial(title, Level.PROTOCOL, lambda seed: schedule()), patches)


@dataclass(frozen=True, slots=True)
class MutantResult:
    """The result of `run_mutant`.

    Attributes:
        name: the mutant's name.
        killed_by: the broken invariant; None for a survivor.
        seed: the seed that killed the mutant, or the last one.
        seeds: how many seeds were run.
        false_alarm: the invariant that the original code broke with one of the same seeds; None if it broke none.
    """

    name: str
    killed_by: str | None
    seed: int
    seeds: int
    false_alarm: str | None

    @property
    def is_success(self) -> bool:
        """Whether the checkers killed the mutant and passed the original code."""
        return self.killed_by is not None and self.false_alarm is None


def run_mutant(mutant: Mutant, *, most_seeds: int = MOST_SEEDS) -> MutantResult:
    """Run the mutated code, seed after seed, until a checker reports a broken safety invariant.

    The original code runs with the same seeds. A directed trial is run once: its seeds do not differ.

    Raises:
        LookupError: a target of a patch does not exist.
    """
    trial, killed_by, false_alarm = mutant.trial, None, None
    seeds = range(mutant.first_seed, mutant.first_seed + (most_seeds if trial.is_random else 1))
    seed = mutant.first_seed
    for seed in seeds:
        with patched(mutant.patches):
            killed_by = _broken_safety(trial.run(seed))
        clean = trial.run(seed)
        false_alarm = false_alarm or (None if clean is None else clean.invariant)
        if killed_by is not None:
            break
    return MutantResult(mutant.name, killed_by, seed, seed - mutant.first_seed + 1, false_alarm)


def _broken_safety(violation: Violation | None) -> str | None:
    if violation is None or violation.invariant.startswith(NOT_SAFETY) or violation.invariant.endswith(".converged"):
        return None
    return violation.invariant


@contextmanager
def patched(patches: Sequence[Patch]) -> Iterator[None]:
    """Apply `patches` while the block runs.

    Raises:
        LookupError: a target does not exist.
    """
    originals = [(patch, _original(patch)) for patch in patches]
    try:
        for patch in patches:
            setattr(patch.owner, patch.name, patch.replacement)
        yield
    finally:
        for patch, original in originals:
            setattr(patch.owner, patch.name, original)


def _original(patch: Patch) -> object:
    if patch.name not in vars(patch.owner):
        raise LookupError(f"{patch.owner.__name__}.{patch.name} does not exist: give this mutant a new target")
    return vars(patch.owner)[patch.name]
