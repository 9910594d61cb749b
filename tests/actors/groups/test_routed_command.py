"""What is certain of a command only grows: no later refusal makes an earlier attempt undone."""

from __future__ import annotations

import itertools

import pytest

from coterie.actors.groups.routed_command import ALONE, RoutedCommand, refused
from coterie.errors import CommandRefused, CommandUnsettled, Outcome

ORDER = [Outcome.DEFINITE, Outcome.UNKNOWN, Outcome.HAPPENED]


@pytest.mark.parametrize("outcomes", list(itertools.product(ORDER, repeat=3)))
def test_the_outcome_is_the_most_certain_of_all_attempts(outcomes: tuple[Outcome, ...]) -> None:
    routed = RoutedCommand()

    for outcome in outcomes:
        routed.attempt_ended(outcome)

    assert routed.outcome is max(outcomes, key=ORDER.index)


def test_a_withheld_reply_shows_that_the_command_was_executed_and_a_second_time_it_is_asked_for_alone() -> None:
    routed = RoutedCommand()

    routed.withheld(500)
    assert (routed.outcome, routed.reply_bytes) == (Outcome.HAPPENED, 500)
    routed.withheld(500)
    assert (routed.outcome, routed.reply_bytes) == (Outcome.HAPPENED, ALONE)
    routed.attempt_ended(Outcome.DEFINITE)
    assert routed.fate == "it was executed, only its reply is missing"


def test_a_reply_larger_than_expected_is_asked_for_once_more_before_it_is_asked_for_alone() -> None:
    routed = RoutedCommand()
    routed.reply_bytes = 300

    routed.withheld(500)
    assert routed.reply_bytes == 500
    routed.withheld(500)
    assert routed.reply_bytes == ALONE


@pytest.mark.parametrize("outcome", ORDER)
def test_a_refusal_is_definite_only_if_no_attempt_may_have_been_executed(outcome: Outcome) -> None:
    error = refused("no room", RoutedCommand(outcome))

    assert type(error) is (CommandRefused if outcome is Outcome.DEFINITE else CommandUnsettled)
    assert error.outcome is outcome
    assert str(error).startswith("no room")
