"""Mutants and how they are hunted: a patch while a trial runs, and what the judges say to it.

Mutant ── patches + a Trial ──▶ hunt: seed after seed ──▶ killed by an invariant, or survived
                  │                     │
                  │                     └─ the clean code goes through the very same seeds: no alarm
                  ├─ Explored: a scenario under a profile, whatever its seeds bring
                  └─ Directed: a story that says what must hold; one telling is enough
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

__all__ = ["MOST_SEEDS", "Directed", "Explored", "Hunt", "Mutant", "Patch", "Trial", "hunt", "patched"]

MOST_SEEDS = 60
"""How many seeds a mutant may survive before it counts as a survivor."""

UNCONVINCING = ("algorithm.", "liveness.", "program")
"""What kills nobody: what the algorithm notices itself, and what merely does not come to its end."""


class Trial(Protocol):
    """Where a mutant must show itself. Everything follows from the seed."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    @property
    def level(self) -> Level:
        """At which level it runs."""
        ...

    @property
    def is_random(self) -> bool:
        """Whether seeds differ."""
        ...

    def judge(self, seed: int) -> Violation | None:
        """Run `seed`; return the first broken invariant."""
        ...


@dataclass(frozen=True, slots=True)
class Explored:
    """A scenario under plans that its seeds draw.

    Attributes:
        scenario: what runs.
        profile: what the plans are drawn from.
        nodes: how many nodes; None: as the seed says.
        operations: the most that clients ask for; None: the usual number.
    """

    scenario: Scenario
    profile: str = EVERYTHING
    nodes: int | None = None
    operations: int | None = None

    is_random = True
    """Seeds differ."""

    @property
    def name(self) -> str:
        """The scenario's name."""
        return self.scenario.name

    @property
    def level(self) -> Level:
        """The scenario's level."""
        return self.scenario.level

    def judge(self, seed: int) -> Violation | None:
        """Run `seed` of the scenario; return the first broken invariant."""
        run = self.scenario.run
        return run(seed, profile=self.profile, nodes=self.nodes, operations=self.operations).violation


@dataclass(frozen=True, slots=True)
class Directed:
    """A story that is told step by step, and raises `Violation` where something does not hold.

    Attributes:
        name: what people call it.
        level: at which level it plays.
        story: tells it, from a seed.
    """

    name: str
    level: Level
    story: Callable[[int], None]

    is_random = False
    """Every telling is the same story."""

    def judge(self, seed: int) -> Violation | None:
        """Tell the story; return the first broken invariant."""
        try:
            self.story(seed)
        except Violation as violation:
            return violation
        return None


@dataclass(frozen=True, slots=True)
class Patch:
    """Replaces `owner.name` by `by` (a function, a property, a value)."""

    owner: type | ModuleType
    name: str
    by: object


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug.

    Attributes:
        name: what is wrong.
        trial: where it must be noticed.
        patches: how it comes about.
        first_seed: where the hunt begins: no condition, but a seed near which it was found to die quickly.
    """

    name: str
    trial: Trial
    patches: tuple[Patch, ...]
    first_seed: int = 0


@dataclass(frozen=True, slots=True)
class Hunt:
    """How a hunt ended.

    Attributes:
        name: the mutant's.
        killed_by: the broken invariant; None for a survivor.
        seed: the one that killed, or the last one.
        seeds: how many were run.
        alarm: the invariant that the clean code broke in one of the same seeds; None if it broke none.
    """

    name: str
    killed_by: str | None
    seed: int
    seeds: int
    alarm: str | None

    @property
    def is_success(self) -> bool:
        """Whether the judges told the mutant from the clean code."""
        return self.killed_by is not None and self.alarm is None


def hunt(mutant: Mutant, *, most_seeds: int = MOST_SEEDS) -> Hunt:
    """Run seed after seed of the mutated code until a judge names an invariant of safety; the clean code runs them too.

    A directed trial is tried once: another seed would tell the same.

    Raises:
        LookupError: a target of a patch is gone.
    """
    trial, killed_by, alarm = mutant.trial, None, None
    seeds = range(mutant.first_seed, mutant.first_seed + (most_seeds if trial.is_random else 1))
    seed = mutant.first_seed
    for seed in seeds:
        with patched(mutant.patches):
            killed_by = _broken_safety(trial.judge(seed))
        clean = trial.judge(seed)
        alarm = alarm or (None if clean is None else clean.invariant)
        if killed_by is not None:
            break
    return Hunt(mutant.name, killed_by, seed, seed - mutant.first_seed + 1, alarm)


def _broken_safety(violation: Violation | None) -> str | None:
    if violation is None or violation.invariant.startswith(UNCONVINCING) or violation.invariant.endswith(".converged"):
        return None
    return violation.invariant


@contextmanager
def patched(patches: Sequence[Patch]) -> Iterator[None]:
    """Apply `patches` while the block runs.

    Raises:
        LookupError: a target is gone.
    """
    originals = [(patch, _original(patch)) for patch in patches]
    try:
        for patch in patches:
            setattr(patch.owner, patch.name, patch.by)
        yield
    finally:
        for patch, original in originals:
            setattr(patch.owner, patch.name, original)


def _original(patch: Patch) -> object:
    if patch.name not in vars(patch.owner):
        raise LookupError(f"{patch.owner.__name__}.{patch.name} is gone: this mutant needs a new target")
    return vars(patch.owner)[patch.name]
