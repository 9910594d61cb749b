"""A learner has caught up once it needs less than an election time-out for a round (dissertation §4.2.1)."""

from __future__ import annotations

import pytest

from coterie.protocols.raft.membership.catch_up import ROUNDS_MAX, SILENCES_MAX, CatchUp, CatchUpState
from coterie.protocols.replicated_log import LogIndex

SHORTEST_S, LONGEST_S = 0.2, 0.4


class Learner:
    """A learner, seen at some times."""

    def __init__(self, last_index: int) -> None:
        self.catch_up = CatchUp(now=0.0, last_index=LogIndex(last_index), shortest_s=SHORTEST_S, longest_s=LONGEST_S)

    def seen(
        self, now: float, match: int, last: int, *, has_answered: bool = True, gets_snapshot: bool = False
    ) -> CatchUpState:
        return self.catch_up.observe(
            match_index=LogIndex(match),
            last_index=LogIndex(last),
            has_answered=has_answered,
            gets_snapshot=gets_snapshot,
            now=now,
        )


def test_a_quick_round_is_enough() -> None:
    learner = Learner(100)

    assert learner.seen(0.1, 99, 120) is CatchUpState.BEHIND
    assert learner.seen(0.19, 100, 150) is CatchUpState.CAUGHT_UP


def test_a_slow_round_is_followed_by_another_up_to_what_the_log_holds_then() -> None:
    learner = Learner(100)

    assert learner.seen(SHORTEST_S, 100, 150) is CatchUpState.BEHIND
    assert learner.seen(SHORTEST_S + 0.1, 149, 170) is CatchUpState.BEHIND
    assert learner.seen(SHORTEST_S + 0.19, 150, 170) is CatchUpState.CAUGHT_UP


def test_a_learner_that_is_too_slow_in_every_round_is_given_up() -> None:
    learner, now = Learner(0), 0.0
    for index in range(ROUNDS_MAX - 1):
        now += 1.25 * SHORTEST_S
        assert learner.seen(now, index, index + 1) is CatchUpState.BEHIND

    assert learner.seen(now + 1.25 * SHORTEST_S, ROUNDS_MAX, ROUNDS_MAX) is CatchUpState.TOO_SLOW


def test_a_learner_that_does_not_answer_has_not_caught_up_whatever_it_holds() -> None:
    learner = Learner(100)

    assert learner.seen(0.1, 100, 100, has_answered=False) is CatchUpState.BEHIND
    assert learner.seen(SILENCES_MAX * LONGEST_S - 0.01, 100, 100, has_answered=False) is CatchUpState.BEHIND
    assert learner.seen(SILENCES_MAX * LONGEST_S, 100, 100, has_answered=False) is CatchUpState.SILENT


@pytest.mark.parametrize("gets_snapshot", [False, True])
def test_a_learner_that_answers_and_takes_nothing_is_given_up_unless_it_gets_a_snapshot(gets_snapshot: bool) -> None:
    learner = Learner(100)
    assert learner.seen(0.1, 1, 100) is CatchUpState.BEHIND

    found = learner.seen(0.2 + SILENCES_MAX * LONGEST_S, 1, 100, gets_snapshot=gets_snapshot)

    assert found is (CatchUpState.BEHIND if gets_snapshot else CatchUpState.STALLED)


def test_a_learner_whose_promotion_is_held_stays_caught_up_however_long_that_takes() -> None:
    learner, now = Learner(100), 0.1
    assert learner.seen(now, 100, 100) is CatchUpState.CAUGHT_UP

    for _ in range(3 * ROUNDS_MAX):
        now += 0.9 * SHORTEST_S
        assert learner.seen(now, 100, 100) is CatchUpState.CAUGHT_UP
    now += SILENCES_MAX * LONGEST_S - 0.01
    assert learner.seen(now, 100, 100, has_answered=False) is CatchUpState.BEHIND
    assert learner.seen(now + 0.1, 100, 100, has_answered=False) is CatchUpState.SILENT
