from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from coterie.actors.simulation.checkers.history_recording import Ledger, Recorder
from coterie.errors import CommandRefused, CommandTimeout, Outcome
from coterie.protocols.checking.linearizability import UNKNOWN, Counter, Register


def recorder(ledger: Ledger) -> Recorder:
    return ledger.recorder("g", "c1", Register(), lambda: 1.0)


async def fail(error: BaseException) -> NoReturn:
    raise error


async def answer(value: int) -> int:
    return value


async def test_an_answer_is_recorded_and_handed_on() -> None:
    ledger = Ledger()

    assert await recorder(ledger).record(("read",), answer(3), output=lambda value: value + 1) == 3

    (operation,) = ledger.by_group["g"].history.operations
    assert (operation.client, operation.input, operation.output) == ("c1", ("read",), 4)
    assert ledger.answered == 1


async def test_what_was_definitely_not_done_is_no_operation() -> None:
    ledger = Ledger()

    with pytest.raises(CommandRefused):
        await recorder(ledger).record(("write", 1), fail(CommandRefused("no")))

    assert ledger.by_group["g"].history.operations == ()


@pytest.mark.parametrize("error", [CommandTimeout("?", Outcome.UNKNOWN), ValueError("?"), asyncio.CancelledError()])
async def test_any_other_end_is_unknown(error: BaseException) -> None:
    ledger = Ledger()

    with pytest.raises(type(error)):
        await recorder(ledger).record(("write", 1), fail(error))

    (operation,) = ledger.by_group["g"].history.operations
    assert operation.returned_at is None
    assert operation.output is UNKNOWN
    assert ledger.answered == 0


def test_one_group_has_one_model() -> None:
    ledger = Ledger()
    recorder(ledger)

    with pytest.raises(ValueError, match="'g' is recorded as a Register, not a Counter"):
        ledger.recorder("g", "c2", Counter(), lambda: 0.0)
