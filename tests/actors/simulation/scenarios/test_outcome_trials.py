"""A client whose group answers at random is never told what is not true; a node short of memory breaks no replica."""

from __future__ import annotations

from collections import Counter

import pytest

from coterie.actors.simulation.scenarios.outcome_trials import out_of_memory, random_answers

WAYS = {
    *("done", "withheld", "large", "full", "unknown", "stale", "bad"),
    *("stopped", "not_leader", "overloaded", "too_large", "not_registered"),
    *("unsettled", "lost", "failed", "garbage", "silent"),
}


@pytest.mark.parametrize("seed", range(12))
def test_no_error_says_of_a_command_what_is_not_true_however_its_attempts_end(seed: int) -> None:
    ways = random_answers(seed)

    assert ways.keys() == WAYS


def test_seeds_answer_in_different_ways() -> None:
    assert random_answers(0) != random_answers(1)
    assert Counter(random_answers(2)).total() > 150


def test_a_replica_that_ran_out_of_memory_agrees_with_the_others_after_its_restart() -> None:
    out_of_memory(0)
