"""All mutants: enough of them, most die at random; hunts in one process and in several; names that do not exist."""

from __future__ import annotations

import pytest

from coterie.exploring.mutant_jobs import ALL_MUTANTS, Catch, MutantError, hunt_all, mutant_named

QUICK = ("synod: promise not durable", "sessions: unknown session executed")


def test_there_are_28_mutants_or_more_and_most_fall_to_the_profile_everything() -> None:
    names = dict.fromkeys(mutant.name for mutant in ALL_MUTANTS)
    random = [mutant for mutant in ALL_MUTANTS if mutant.trial.is_random]

    assert len(names) == len(ALL_MUTANTS) >= 28
    assert len(random) >= 0.7 * len(ALL_MUTANTS)


@pytest.mark.parametrize("processes", [1, 2])
def test_hunts_are_told_as_they_end(processes: int) -> None:
    told: list[Catch] = []

    catches = hunt_all(QUICK, processes=processes, caught=told.append)

    assert catches == told
    assert {catch.hunt.name: catch.hunt.killed_by for catch in told} == {
        QUICK[0]: "synod.promise_ahead_of_disk",
        QUICK[1]: "sessions.executed_twice",
    }
    assert all(catch.hunt.is_success and catch.wall_s > 0 for catch in told)


def test_unknown_mutant_is_told_with_the_nearest() -> None:
    with pytest.raises(MutantError, match="did you mean 'raft: vote not durable'"):
        mutant_named("raft: vote not durabel")
