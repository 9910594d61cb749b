"""Histories survive JSON lines, and lines that tell no history are refused by number."""

from __future__ import annotations

import json
import random

import pytest

from coterie.protocols.checking.linearizability import (
    UNKNOWN,
    History,
    HistoryError,
    history_from_lines,
    history_lines,
)
from tests.protocols.checking.linearizability.histories import random_history

VALUES = (None, True, 0, -(2**70), 0.5, "é\u2028\n", b"\x00\xff", (), ((1, b"x"), ("y",)))


def test_every_history_survives() -> None:
    for seed in range(100):
        rng = random.Random(seed)
        history = random_history(
            lambda rng: ("put", rng.choice(VALUES)), lambda rng, _: rng.choice(VALUES), rng, operations=8
        )
        lines = list(history_lines(history))
        assert all("\n" not in line for line in lines)
        again = history_from_lines(lines)
        assert again.operations == history.operations
        assert list(history_lines(again)) == lines


def test_keys_failures_and_outputs_that_nobody_saw_survive() -> None:
    history = History()
    for key in ("k", b"\xff", 7, None):
        history.returned(history.invoked("a", ("get",), key=key, at_s=0.0), UNKNOWN, at_s=0.0)
    history.failed(history.invoked("a", ("get",), at_s=0.0), at_s=0.0)
    again = history_from_lines(history_lines(history))
    assert again.operations == history.operations
    assert [it.key for it in again] == ["k", b"\xff", 7, None]
    assert len(again) == 5


def test_the_lines_are_those_that_are_documented() -> None:
    history = History()
    history.returned(history.invoked("c1", ("put", 1), key="k", at_s=0.5), at_s=0.75)
    assert list(history_lines(history)) == [
        '{"event": "invoked", "operation": 0, "at_s": 0.5, "client": "c1", "key": "k", "input": ["put", 1]}',
        '{"event": "returned", "operation": 0, "at_s": 0.75, "output": null}',
    ]


def test_a_recorder_that_died_leaves_operations_of_unknown_outcome_and_any_numbers_will_do() -> None:
    line = {"event": "invoked", "operation": 70, "at_s": 0, "client": "a", "input": ["get"]}
    (operation,) = history_from_lines([json.dumps(line), "", "  \n"])
    assert (operation.number, operation.returned_at) == (0, None)


INVOKED = '{"event": "invoked", "operation": 0, "at_s": 1, "client": "a", "input": ["get"]}'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: Expecting"),
        ("[]", "line 2: .* is not an object"),
        ('{"event": "eaten", "operation": 0, "at_s": 1}', "line 2: 'eaten' is not a valid EventKind"),
        ('{"event": "returned", "operation": 5, "at_s": 1}', "line 2: operation 5 is returned, but was never invoked"),
        (INVOKED, "line 2: operation 0 is invoked twice"),
        ('{"event": "returned", "operation": 0, "at_s": 0.5}', "line 2: operation 0: time goes back"),
        ('{"event": "returned", "operation": true, "at_s": 1}', "line 2: `operation` must be a whole number, not True"),
        ('{"event": "returned", "operation": 0, "at_s": "x"}', "line 2: `at_s` must be seconds, not 'x'"),
        ('{"event": "returned", "operation": 0, "at_s": 1, "output": {"a": 1}}', "line 2: .* is not a datum"),
        ('{"event": "returned", "operation": 0, "at_s": 1, "output": NaN}', "line 2: nan is not a datum"),
        ('{"event": "invoked", "operation": 1, "at_s": 1, "client": 3, "input": 1}', "line 2: an invocation must have"),
        ('{"event": "invoked", "operation": 1, "at_s": 1, "client": "a"}', "line 2: an invocation must have"),
        ('{"event": "invoked", "operation": 1, "at_s": 1, "client": "a", "input": 1, "key": [1]}', "is not a key"),
    ],
)
def test_a_bad_line_is_refused_by_its_number(line: str, message: str) -> None:
    with pytest.raises(HistoryError, match=message):
        history_from_lines([INVOKED, line])
