from __future__ import annotations

import asyncio

import pytest

from coterie.demo.run_together import run_together


async def test_all_are_run_to_their_end() -> None:
    done: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await run_together(one(1), one(2))

    assert done == [1, 2]


async def test_first_error_is_raised_as_itself_and_ends_the_others() -> None:
    cancelled: list[bool] = []

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("first")

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(ValueError, match="first"):
        await run_together(endless(), failing(), endless())

    assert cancelled == [True, True]


async def test_cancellation_ends_all() -> None:
    ended: list[bool] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(run_together(endless(), endless()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == [True, True]
