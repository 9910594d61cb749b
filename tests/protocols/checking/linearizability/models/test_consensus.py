"""The models of consensus: one value, which never changes; positions that rise."""

from __future__ import annotations

import pytest

from coterie.protocols.checking.linearizability import UNKNOWN, Consensus, History, LogPositions, Output, check
from coterie.protocols.checking.linearizability.values import Datum

Told = tuple[Datum, Output]


def one_after_the_other(*told: Told) -> History:
    history = History()
    for number, (asked, output) in enumerate(told):
        operation = history.invoked("c1", asked, at_s=float(number))
        if output is UNKNOWN:
            history.unknown(operation, at_s=float(number))
        else:
            history.returned(operation, output, at_s=float(number))
    return history


@pytest.mark.parametrize(
    ("told", "is_ok"),
    [
        ([(("read",), None), (("propose", b"a"), b"a"), (("propose", b"b"), b"a"), (("read",), b"a")], True),
        ([(("propose", b"a"), UNKNOWN), (("read",), None), (("read",), b"a")], True),
        ([(("propose", b"a"), b"a"), (("propose", b"b"), b"b")], False),
        ([(("propose", b"a"), b"a"), (("read",), None)], False),
        ([(("read",), b"a")], False),
        ([(("propose", b"a"), b"z")], False),
    ],
)
def test_one_value_is_chosen_for_ever(told: list[Told], *, is_ok: bool) -> None:
    assert check(one_after_the_other(*told), Consensus()).is_ok is is_ok


@pytest.mark.parametrize(
    ("told", "is_ok"),
    [
        ([(("append", b"a"), 1), (("append", b"b"), 4), (("append", b"c"), UNKNOWN), (("append", b"d"), 5)], True),
        ([(("append", b"a"), 4), (("append", b"b"), 1)], False),
        ([(("append", b"a"), 4), (("append", b"b"), 4)], False),
        ([(("append", b"a"), None)], False),
    ],
)
def test_log_positions_rise(told: list[Told], *, is_ok: bool) -> None:
    assert check(one_after_the_other(*told), LogPositions()).is_ok is is_ok


def test_appends_at_the_same_time_may_have_any_order() -> None:
    history = History()
    first, second = history.invoked("c1", ("append", b"a"), at_s=0.0), history.invoked("c2", ("append", b"b"), at_s=0.0)
    history.returned(first, 2, at_s=1.0)
    history.returned(second, 1, at_s=1.0)

    assert check(history, LogPositions()).is_ok


def test_unknown_input_is_refused() -> None:
    with pytest.raises(ValueError, match="consensus has no"):
        Consensus().step(None, ("write", 1), None)
    with pytest.raises(ValueError, match="positions has no"):
        LogPositions().step(0, ("read",), None)
