"""Every mutant dies by a named invariant of safety, and the clean code passes what killed it."""

from __future__ import annotations

import pytest

from coterie.protocols.raft.log import RaftLog
from coterie.protocols.simulation.mutants import MUTANTS, Mutant, Patch, hunt, patched


def test_there_are_twelve_mutants() -> None:
    assert len(dict.fromkeys(mutant.name for mutant in MUTANTS)) == 12


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name.replace(": ", "-").replace(" ", "_"))
def test_mutant_is_killed_by_random_seeds(mutant: Mutant) -> None:
    ended = hunt(mutant, most_seeds=20)

    assert ended.killed_by is not None
    assert ended.killed_by.split(".")[0] == mutant.scenario
    assert ended.is_clean_code_fine
    assert ended.is_success


def test_harmless_mutant_survives() -> None:
    harmless = Mutant("harmless", "synod", (Patch(RaftLog, "is_up_to_date", RaftLog.is_up_to_date),))

    ended = hunt(harmless, most_seeds=2)

    assert ended.killed_by is None
    assert not ended.is_success
    assert ended.seeds == 2


def test_patch_whose_target_is_gone_fails_loudly() -> None:
    with (
        pytest.raises(LookupError, match=r"RaftLog\.no_such_method is gone"),
        patched([Patch(RaftLog, "no_such_method", None)]),
    ):
        pass


def test_patches_are_taken_back() -> None:
    original = vars(RaftLog)["is_up_to_date"]

    with patched([Patch(RaftLog, "is_up_to_date", None)]):
        assert vars(RaftLog)["is_up_to_date"] is None

    assert vars(RaftLog)["is_up_to_date"] is original
