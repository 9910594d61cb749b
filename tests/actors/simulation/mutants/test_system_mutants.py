"""Mutants of whole systems: the fast ones are killed here; `make mutants` runs all of them."""

from __future__ import annotations

import pytest

from coterie.actors.simulation.mutants import SYSTEM_MUTANTS
from coterie.protocols.simulation.mutants import Mutant, run_mutant

SLOW = ("driver: ", "clients: ")
"""Whole replicated clusters, seed after seed: `make mutants` has the time."""

QUICK = [mutant for mutant in SYSTEM_MUTANTS if not mutant.name.startswith(SLOW)]


@pytest.mark.slow
@pytest.mark.parametrize("mutant", QUICK, ids=lambda mutant: mutant.name.replace(": ", "-").replace(" ", "_"))
def test_mutant_is_killed_and_the_clean_code_passes(mutant: Mutant) -> None:
    ended = run_mutant(mutant, most_seeds=20)

    assert ended.killed_by is not None
    assert ended.false_alarm is None


def test_patches_have_their_targets() -> None:
    for mutant in SYSTEM_MUTANTS:
        assert all(patch.name in vars(patch.owner) for patch in mutant.patches), mutant.name
