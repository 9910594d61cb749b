from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import uvloop

from coterie.cli.command_loop import TerminatedBySignal, run_async


@pytest.fixture(autouse=True)
def _same_handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == handlers


def test_command_runs_on_uvloop_and_returns_its_result() -> None:
    async def command() -> str:
        return type(asyncio.get_running_loop()).__module__

    assert run_async(command()) == uvloop.Loop.__module__


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedBySignal)]
)
def test_signal_ends_a_command_in_order(number: signal.Signals, error: type[BaseException]) -> None:
    steps: list[str] = []

    async def command() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            steps.append("closed")

    with pytest.raises(error):
        run_async(command())

    assert steps == ["closed"]


def test_cancellation_that_no_signal_asked_for_is_not_hidden() -> None:
    async def command() -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        run_async(command())
