"""A timed coroutine does what its inner one does, and says how long each of its steps took."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

import pytest

from coterie.runtime.cells.metering.timed_coroutine import TimedCoroutine


class Steps:
    """A clock that each step of `work` moves by one second."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.used: list[float] = []
        self.notes: list[str] = []

    def monotonic(self) -> float:
        return self.now_s

    async def work(self, *waits: asyncio.Future[None]) -> None:
        try:
            for wait in waits:
                self.now_s += 1
                await wait
            self.now_s += 1
        finally:
            self.notes.append("ended")

    def timed(self, inner: Coroutine[object, object, None]) -> TimedCoroutine:
        return TimedCoroutine(inner, self.monotonic, self.used.append)


async def test_the_time_between_suspensions_counts_and_the_waits_do_not() -> None:
    steps, wait = Steps(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(steps.timed(steps.work(wait)))
    await asyncio.sleep(0)
    steps.now_s += 100
    wait.set_result(None)
    await task

    assert steps.used == [1.0, 1.0]


async def test_a_cancelled_task_runs_its_finally_and_the_time_counts() -> None:
    steps, wait = Steps(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(steps.timed(steps.work(wait)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert steps.notes == ["ended"]
    assert steps.used == [1.0, 0.0]


async def test_it_can_be_awaited_and_closed_like_any_coroutine() -> None:
    steps = Steps()
    await steps.timed(steps.work())
    closed = steps.timed(steps.work(asyncio.get_running_loop().create_future()))
    closed.send(None)
    closed.close()

    assert steps.notes == ["ended", "ended"]
