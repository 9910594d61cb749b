"""What a history accepts, and what it says about what it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from coterie.protocols.checking.linearizability import UNKNOWN, Datum, History, HistoryError, Key


def begun() -> History:
    history = History()
    history.invoked("a", ("put", 1), key="k", at_s=1.0)
    return history


def test_operations_are_numbered_and_ordered_by_their_events() -> None:
    history = begun()
    second = history.invoked("b", ("get",), key="k", at_s=1.0)
    history.returned(second, 1, at_s=1.0)
    history.returned(0, at_s=2.0)
    first, second_ = history.operations
    assert (first.number, first.invoked_at, first.returned_at, first.output, first.returned_s) == (0, 0, 3, None, 2.0)
    assert (second_.number, second_.invoked_at, second_.returned_at, second_.output) == (1, 1, 2, 1)
    assert second_.call == "get() -> 1"
    assert second_.interval == "1 … 1 s"


def test_a_failed_operation_is_left_out() -> None:
    history = begun()
    history.failed(0, at_s=2.0)
    assert list(history) == []
    assert len(history) == 1


def test_an_operation_that_never_ended_is_of_unknown_outcome_like_one_given_up() -> None:
    given_up = begun()
    given_up.unknown(0, at_s=2.0)
    assert given_up.operations == begun().operations
    (operation,) = given_up
    assert (operation.output, operation.returned_at, operation.interval) == (UNKNOWN, None, "1 … ?")
    assert operation.call == "put(1) -> ?"


def end_twice(history: History) -> None:
    history.returned(0, at_s=1.0)
    history.unknown(0, at_s=1.0)


MISTAKES: dict[str, tuple[Callable[[History], object], str]] = {
    "ended twice": (end_twice, "operation 0 of 'a' has already ended: returned"),
    "never begun": (lambda it: it.returned(7, at_s=1.0), "operation 7 was never invoked: there are 1"),
    "a negative number": (lambda it: it.returned(-1, at_s=1.0), "operation -1 was never invoked"),
    "time back": (lambda it: it.returned(0, at_s=0.5), "operation 0: time goes back from 1.0 to 0.5 s"),
    "no time": (lambda it: it.returned(0, at_s=float("nan")), "operation 0: nan is not a finite time"),
    "no input": (lambda it: it.invoked("a", cast("Datum", ["put"]), at_s=1.0), "operation 1 of 'a': its input"),
    "no output": (lambda it: it.returned(0, cast("Datum", {1: 2}), at_s=1.0), "operation 0 of 'a': its output"),
    "a NaN": (lambda it: it.returned(0, float("nan"), at_s=1.0), "operation 0 of 'a': its output nan"),
    "a NaN inside": (lambda it: it.returned(0, (1, (float("inf"),)), at_s=1.0), "its output"),
    "no key": (lambda it: it.invoked("a", 1, key=cast("Key", 1.5), at_s=1.0), "operation 1 of 'a': a key is"),
    "a true key": (lambda it: it.invoked("a", 1, key=True, at_s=1.0), "operation 1 of 'a': a key is"),
    "no client": (lambda it: it.invoked(cast("str", 3), 1, at_s=1.0), "operation 1: the client must be a str, not 3"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_by_the_name_of_its_operation_and_changes_nothing(name: str) -> None:
    make, message = MISTAKES[name]
    history = begun()
    with pytest.raises(HistoryError, match=message):
        make(history)
    assert len(history) == 1
    assert len(history.events) == (2 if name == "ended twice" else 1)
