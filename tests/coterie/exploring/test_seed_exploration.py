"""Many seeds: all results, however many processes; and what was learned when Ctrl-C ended it."""

from __future__ import annotations

import pytest

from coterie.errors import PlanError
from coterie.exploring.run_jobs import Job
from coterie.exploring.seed_exploration import Exploration, explore
from coterie.protocols.simulation.scenarios.run_result import RunOutcome
from tests.coterie.exploring import toy


def test_every_seed_has_its_result_alone_and_with_workers() -> None:
    job = Job(f"{toy.WHERE}:seldom", 0)

    alone, together = explore(job, range(12)), explore(job, range(12), processes=2)

    assert alone.summary == together.summary
    assert alone.summary.seeds == 12
    assert alone.summary.failed >= 2
    assert alone.summary.fired == {"crash": 12 * 12}
    first = alone.first_failure()
    assert first is not None
    assert first.seed == min(alone.summary.failing_seeds) >= 4
    assert not alone.remaining_seeds


def test_progress_is_told_after_each_seed() -> None:
    told: list[int] = []

    explore(Job(f"{toy.WHERE}:good", 0), range(5), progress=lambda found: told.append(len(found.results)))

    assert told == [1, 2, 3, 4, 5]


def test_interrupt_keeps_what_was_learned_and_says_where_to_go_on() -> None:
    found = explore(Job(f"{toy.WHERE}:interrupted", 0), range(9))

    assert found.is_interrupted
    assert found.summary.passed == 3
    assert list(found.remaining_seeds) == [3, 4, 5, 6, 7, 8]


def test_seed_that_was_overtaken_is_run_again_when_it_goes_on() -> None:
    results = explore(Job(f"{toy.WHERE}:good", 0), range(4)).results
    found = Exploration(range(6), [results[0], results[3], results[1]])

    assert list(found.remaining_seeds) == [2, 3, 4, 5]


def test_bad_input_ends_it_at_once_in_workers_too() -> None:
    with pytest.raises(PlanError):
        explore(Job("raft", 0, profile="no_such_profile"), range(4), processes=2)


def test_void_runs_are_counted() -> None:
    assert explore(Job(f"{toy.WHERE}:void", 0), range(3)).summary.outcome is RunOutcome.VOID
