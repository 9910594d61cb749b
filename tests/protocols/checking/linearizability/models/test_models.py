"""The models, step by step."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.protocols.checking.linearizability import (
    UNKNOWN,
    AppendList,
    Counter,
    Datum,
    KeyValue,
    Model,
    Output,
    Register,
    check,
)
from tests.protocols.checking.linearizability.histories import told

STEPS: list[tuple[Model[Any], Datum, Datum, Output, Datum]] = [
    # model, state, input, output that fits, state after
    (Register(5), 5, ("read",), 5, 5),
    (Register(), 5, ("write", 6), None, 6),
    (Register(), 5, ("compare_and_swap", 5, 6), True, 6),
    (Register(), 5, ("compare_and_swap", 4, 6), False, 5),
    (KeyValue(), None, ("get",), None, None),
    (KeyValue(), b"x", ("put", b"y"), None, b"y"),
    (KeyValue(), b"x", ("delete",), True, None),
    (KeyValue(), None, ("delete",), False, None),
    (KeyValue(), None, ("compare_and_swap", None, b"x"), True, b"x"),
    (KeyValue(), b"x", ("compare_and_swap", b"x", None), True, None),
    (AppendList(), (1,), ("append", 2), None, (1, 2)),
    (AppendList(), (1,), ("append", 2), 2, (1, 2)),
    (AppendList(), (1,), ("read",), (1,), (1,)),
    (Counter(), 3, ("increment",), None, 4),
    (Counter(), 3, ("increment", -2), 1, 1),
    (Counter(), 3, ("read",), 3, 3),
]


@pytest.mark.parametrize(("model", "state", "asked", "output", "after"), STEPS)
def test_a_step_takes_the_output_that_fits_or_none_and_no_other(
    model: Model[Any], state: Datum, asked: Datum, output: Output, after: Datum
) -> None:
    assert model.step(state, asked, output) == (True, after)
    assert model.step(state, asked, UNKNOWN) == (True, after)
    if output is not None or asked == ("get",):
        assert not model.step(state, asked, "something else")[0]


@pytest.mark.parametrize("model", [Register(), KeyValue(), AppendList(), Counter()])
def test_an_operation_that_a_model_does_not_know_is_refused_by_name(model: Model[Any]) -> None:
    with pytest.raises(ValueError, match=r"has no \('jump', 3\); it has "):
        check(told(("a", ("jump", 3), None, 0.0, 1.0)), model)


class Lock(Model[bool]):
    """A user's own."""

    def initial(self) -> bool:
        return False

    def step(self, state: bool, input: Datum, output: Output, /) -> tuple[bool, bool]:  # noqa: A002
        if input == ("acquire",):
            return output in (UNKNOWN, not state), True
        return True, False


def test_a_users_own_model_needs_two_methods() -> None:
    first, second = ("a", ("acquire",), True, 0.0, 1.0), ("b", ("acquire",), True, 0.5, 1.5)
    assert not check(told(first, second), Lock()).is_ok
    assert check(told(first, second, ("a", ("release",), UNKNOWN, 1.1, None)), Lock()).is_ok
