"""All mutants: their number, most found at random; runs in one process and in several; unknown names."""

from __future__ import annotations

import pytest

from coterie.exploring.mutant_jobs import ALL_MUTANTS, MutantError, TimedMutantResult, mutant_named, run_mutant_jobs

DIRECTED = (
    *("detector: ", "swim: ", "balancing: ", "outcomes: ", "machines: ", "digests: ", "members: "),
    "authorisation: ",
    "membership: ",
    "placement: ",
    "view: ",
    "text unescaped",
)
"""All trials of these are directed: detectors and policies have no safety property that a plan of faults could break;
what clients are told is compared with answers that a trial makes up; no plan starts a node with another store, or
forges what is said; members and placements have worlds of their own, with faults of their own."""

QUICK = ("synod: promise not durable", "sessions: unknown session executed")


def test_there_are_90_mutants_or_more_and_many_of_safety_fall_to_the_profile_everything() -> None:
    names = dict.fromkeys(mutant.name for mutant in ALL_MUTANTS)
    safety = [mutant for mutant in ALL_MUTANTS if not mutant.name.startswith(DIRECTED)]
    random = [mutant for mutant in safety if mutant.trial.is_random]

    assert len(names) == len(ALL_MUTANTS) >= 90
    assert len(random) > len(safety) / 3


@pytest.mark.parametrize("processes", [1, 2])
def test_mutant_results_are_reported_as_they_arrive(processes: int) -> None:
    told: list[TimedMutantResult] = []

    results = run_mutant_jobs(QUICK, processes=processes, on_result=told.append)

    assert results == told
    assert {timed.result.name: timed.result.killed_by for timed in told} == {
        QUICK[0]: "synod.value_not_highest",
        QUICK[1]: "sessions.executed_twice",
    }
    assert all(timed.result.is_success and timed.wall_s > 0 for timed in told)


def test_unknown_mutant_is_told_with_the_nearest() -> None:
    with pytest.raises(MutantError, match="did you mean 'raft: vote not durable'"):
        mutant_named("raft: vote not durabel")
