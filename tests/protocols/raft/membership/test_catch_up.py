"""A learner has caught up once it needs less than an election time-out for a round (dissertation §4.2.1)."""

from __future__ import annotations

import pytest

from coterie.protocols.raft.membership.catch_up import (
    CHUNK_SILENCES_MAX,
    FETCHES_MAX,
    ROUNDS_MAX,
    SILENCES_MAX,
    CatchUp,
    CatchUpState,
)
from coterie.protocols.replicated_log import LogIndex

SHORTEST_S, LONGEST_S = 0.2, 0.4


class Learner:
    """A learner, seen at some times."""

    def __init__(self, last_index: int) -> None:
        self.catch_up = CatchUp(now=0.0, last_index=LogIndex(last_index), shortest_s=SHORTEST_S, longest_s=LONGEST_S)

    def seen(
        self, now: float, match: int, last: int, *, has_answered: bool = True, fetched: tuple[int, int] | None = None
    ) -> CatchUpState:
        return self.catch_up.observe(
            match_index=LogIndex(match),
            last_index=LogIndex(last),
            has_answered=has_answered,
            fetched=fetched,
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


def test_a_learner_that_answers_and_takes_nothing_is_given_up() -> None:
    learner = Learner(100)
    assert learner.seen(0.1, 1, 100) is CatchUpState.BEHIND

    assert learner.seen(0.09 + SILENCES_MAX * LONGEST_S, 1, 100) is CatchUpState.BEHIND
    assert learner.seen(0.11 + SILENCES_MAX * LONGEST_S, 1, 100) is CatchUpState.STALLED


def test_a_learner_that_fetches_a_snapshot_is_waited_for_however_long_that_takes() -> None:
    learner, now = Learner(100), 0.1
    for chunk in range(50):
        assert learner.seen(now, 0, 100, fetched=(1, chunk)) is CatchUpState.BEHIND
        now += (CHUNK_SILENCES_MAX - 1) * LONGEST_S
    assert learner.seen(now + 0.1, 90, 100) is CatchUpState.BEHIND  # it has it, and gets the entries after it
    assert learner.seen(now + 0.2, 100, 100) is CatchUpState.BEHIND


@pytest.mark.parametrize("fetched", [(0, 0), (1, 0), (1, 2**20)])
def test_a_learner_that_asks_for_no_later_chunk_of_a_snapshot_is_given_up(fetched: tuple[int, int]) -> None:
    learner = Learner(100)
    assert learner.seen(0.1, 0, 100, fetched=fetched) is CatchUpState.BEHIND

    assert learner.seen(CHUNK_SILENCES_MAX * LONGEST_S, 0, 100, fetched=fetched) is CatchUpState.BEHIND
    assert learner.seen(0.11 + CHUNK_SILENCES_MAX * LONGEST_S, 0, 100, fetched=fetched) is CatchUpState.STALLED


def test_a_learner_that_loses_what_it_fetched_again_and_again_is_given_up() -> None:
    learner = Learner(100)
    for fetches in range(FETCHES_MAX + 1):
        for chunk in range(20):
            assert learner.seen(fetches, 0, 100, fetched=(fetches, chunk)) is CatchUpState.BEHIND

    assert learner.seen(FETCHES_MAX + 1, 0, 100, fetched=(FETCHES_MAX + 1, 0)) is CatchUpState.LOSES_SNAPSHOTS


def test_a_snapshot_that_was_fetched_in_the_end_is_no_failure() -> None:
    learner = Learner(100)
    for fetches in range(3 * FETCHES_MAX):
        assert learner.seen(fetches, fetches, 100, fetched=(fetches, 1)) is CatchUpState.BEHIND


def test_a_learner_whose_promotion_is_held_stays_caught_up_however_long_that_takes() -> None:
    learner, now = Learner(100), 0.1
    assert learner.seen(now, 100, 100) is CatchUpState.CAUGHT_UP

    for _ in range(3 * ROUNDS_MAX):
        now += 0.9 * SHORTEST_S
        assert learner.seen(now, 100, 100) is CatchUpState.CAUGHT_UP
    now += SILENCES_MAX * LONGEST_S - 0.01
    assert learner.seen(now, 100, 100, has_answered=False) is CatchUpState.BEHIND
    assert learner.seen(now + 0.1, 100, 100, has_answered=False) is CatchUpState.SILENT
