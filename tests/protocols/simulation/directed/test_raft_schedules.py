"""The directed schedules of Raft end well with the code as it is; the mutants show that they can end badly."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.protocols.simulation.directed import raft_schedules
from coterie.protocols.simulation.mutants import Mutant, run_mutant
from coterie.protocols.simulation.mutants.raft_mutants import RAFT_MUTANTS

SCHEDULES: list[Callable[[], None]] = [getattr(raft_schedules, name) for name in raft_schedules.__all__]
DIRECTED = [mutant for mutant in RAFT_MUTANTS if not mutant.trial.is_random]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=raft_schedules.__all__)
def test_schedule_ends_well(schedule: Callable[[], None]) -> None:
    schedule()


@pytest.mark.parametrize("mutant", DIRECTED, ids=lambda mutant: mutant.name)
def test_directed_mutant_is_killed(mutant: Mutant) -> None:
    result = run_mutant(mutant)

    assert result.is_success, result


def test_each_schedule_kills_a_mutant() -> None:
    tried = {mutant.trial.name.replace(" ", "_") for mutant in DIRECTED}

    assert tried == set(raft_schedules.__all__)
