from __future__ import annotations

import asyncio
from typing import NoReturn

import pytest

from coterie.actors.simulation.checkers.history_recording import Recorder, Recordings
from coterie.errors import CommandRefused, CommandTimeout, Outcome
from coterie.protocols.checking.linearizability import UNKNOWN, Counter, Register


def recorder(recordings: Recordings) -> Recorder:
    return recordings.recorder("g", "c1", Register(), lambda: 1.0)


async def fail(error: BaseException) -> NoReturn:
    raise error


async def answer(value: int) -> int:
    return value


async def test_an_answer_is_recorded_and_handed_on() -> None:
    recordings = Recordings()

    assert await recorder(recordings).record(("read",), answer(3), output=lambda value: value + 1) == 3

    (operation,) = recordings.by_group["g"].history.operations
    assert (operation.client, operation.input, operation.output) == ("c1", ("read",), 4)
    assert recordings.answered == 1


async def test_what_was_definitely_not_done_is_no_operation() -> None:
    recordings = Recordings()

    with pytest.raises(CommandRefused):
        await recorder(recordings).record(("write", 1), fail(CommandRefused("no")))

    assert recordings.by_group["g"].history.operations == ()


@pytest.mark.parametrize("error", [CommandTimeout("?", Outcome.UNKNOWN), ValueError("?"), asyncio.CancelledError()])
async def test_any_other_end_is_unknown(error: BaseException) -> None:
    recordings = Recordings()

    with pytest.raises(type(error)):
        await recorder(recordings).record(("write", 1), fail(error))

    (operation,) = recordings.by_group["g"].history.operations
    assert operation.returned_at is None
    assert operation.output is UNKNOWN
    assert recordings.answered == 0


def test_one_group_has_one_model() -> None:
    recordings = Recordings()
    recorder(recordings)

    with pytest.raises(ValueError, match="'g' is recorded as a Register, not a Counter"):
        recordings.recorder("g", "c2", Counter(), lambda: 0.0)
