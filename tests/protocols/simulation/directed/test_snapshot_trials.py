"""Logs that are compacted, and snapshots that are fetched: the trials pass, and each of them can fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.protocols.checking.violation import Violation
from coterie.protocols.simulation.directed import snapshot_trials
from coterie.protocols.simulation.mutants import Mutant, patched
from coterie.protocols.simulation.mutants.snapshot_mutants import SNAPSHOT_MUTANTS


@pytest.mark.parametrize("trial", [getattr(snapshot_trials, name) for name in snapshot_trials.__all__])
def test_snapshots_lose_nothing_and_add_nothing(trial: Callable[[], None]) -> None:
    trial()


@pytest.mark.parametrize("mutant", SNAPSHOT_MUTANTS, ids=lambda mutant: mutant.name)
def test_each_snapshot_mutant_is_found(mutant: Mutant) -> None:
    with patched(mutant.patches):
        violation = mutant.trial.run(0)

    assert isinstance(violation, Violation)
