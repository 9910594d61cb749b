"""`UpgradeAccount`: each way in which rows can contradict what clients were told."""

from __future__ import annotations

import pytest

from coterie.actors.simulation.scenarios.upgrades.upgrade_account import UpgradeAccount
from coterie.errors import CommandRefused, CommandTimeout, Outcome


def account() -> UpgradeAccount:
    made = UpgradeAccount()
    for number in (1, 2, 3, 4):
        made.sent(number, (10 * number,))
    made.answered(1, 10)
    made.answered(2, 30)
    made.failed(3, CommandTimeout("no answer", Outcome.UNKNOWN))
    made.failed(4, CommandRefused("not active"))
    return made


@pytest.mark.parametrize("rows", [[(1, 10), (2, 20)], [(1, 10), (2, 20), (3, 30)]])
def test_rows_that_agree_with_what_was_told_are_accepted(rows: list[tuple[int, int]]) -> None:
    assert account().mistakes(rows) == []


@pytest.mark.parametrize(
    ("rows", "mistake"),
    [
        ([(1, 10)], "command 2 was answered, and is lost"),
        ([(1, 10), (2, 20), (2, 20)], "a command was executed twice"),
        ([(1, 10), (2, 20), (4, 40)], "command 4 was refused, and executed"),
        ([(1, 10), (2, 40)], r"command 2 had the effect 40, not \(20,\)"),
        ([(2, 20), (1, 10)], "command 2 was answered 30, the total was 20"),
    ],
)
def test_rows_that_contradict_it_are_found(rows: list[tuple[int, int]], mistake: str) -> None:
    with pytest.raises(AssertionError, match=mistake):
        assert account().mistakes(rows) == [], "; ".join(account().mistakes(rows))


def test_answers_are_counted() -> None:
    assert account().answers == 2
