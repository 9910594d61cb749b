"""Every mutant of the pure algorithms dies by a named invariant, and the clean code passes what killed it."""

from __future__ import annotations

import pytest

from coterie.protocols.simulation.mutants import MUTANTS, Mutant, run_mutant

INVARIANTS_OF = {"members": "raft", "log base": "raft", "snapshot": "raft"}
"""Whose invariants find the mutants of a family, where it is not the family's own."""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(": ", "-").replace(" ", "_"))
def test_mutant_is_killed_and_the_clean_code_passes(mutant: Mutant) -> None:
    ended = run_mutant(mutant, most_seeds=20)

    assert ended.killed_by is not None
    family = mutant.name.split(":")[0]
    assert ended.killed_by.split(".")[0] == INVARIANTS_OF.get(family, family)
    assert ended.false_alarm is None
    assert ended.is_success
