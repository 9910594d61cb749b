"""Logs that begin at different places, and entries of members that are dropped: the trials pass, and each can fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coterie.protocols.checking.violation import Violation
from coterie.protocols.simulation.directed.log_trials import behind_the_base, beyond_the_base, dropped_members
from coterie.protocols.simulation.mutants import Mutant, patched
from coterie.protocols.simulation.mutants.membership_mutants import MEMBERSHIP_MUTANTS


@pytest.mark.parametrize("trial", [beyond_the_base, behind_the_base, dropped_members])
def test_logs_that_meet_lose_nothing_and_keep_the_members_that_they_say(trial: Callable[[], None]) -> None:
    trial()


@pytest.mark.parametrize(
    ("trial", "mutant", "invariant"),
    [
        (dropped_members, MEMBERSHIP_MUTANTS[0], "raft.register_follows_log"),
        (beyond_the_base, MEMBERSHIP_MUTANTS[1], "raft.base_kept"),
        (behind_the_base, MEMBERSHIP_MUTANTS[2], "raft.snapshot_needed"),
    ],
)
def test_a_base_that_is_ignored_and_members_that_stay_are_found(
    trial: Callable[[], None], mutant: Mutant, invariant: str
) -> None:
    with patched(mutant.patches), pytest.raises(Violation, match=invariant):
        trial()
