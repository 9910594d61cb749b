"""`advance` and `settle`: virtual time passes as the test says."""

from __future__ import annotations

import asyncio

import pytest

from coterie.testing import VirtualLoop, advance, run_virtual, settle


@pytest.mark.virtual
async def test_advance_lets_time_pass_and_what_is_due_happen() -> None:
    loop = asyncio.get_running_loop()
    happened: list[float] = []
    for at in (1.0, 2.0, 3.5):
        loop.call_at(at, happened.append, at)

    await advance(2.0)

    assert happened == [1.0, 2.0]
    assert loop.time() == 2.0


@pytest.mark.virtual
async def test_settle_runs_whatever_needs_no_time() -> None:
    loop = asyncio.get_running_loop()
    steps: list[int] = []

    def step(left: int) -> None:
        steps.append(left)
        if left:
            loop.call_soon(step, left - 1)

    step(50)
    loop.call_later(0.001, steps.append, -1)
    await settle()

    assert steps == list(range(50, -1, -1))


@pytest.mark.virtual
async def test_time_does_not_go_back() -> None:
    with pytest.raises(ValueError, match=r"advance\(-1\)"):
        await advance(-1)


async def test_on_an_ordinary_loop_they_say_how_to_get_another() -> None:
    with pytest.raises(TypeError, match="run_virtual"):
        await advance(1.0)
    with pytest.raises(TypeError, match="run_virtual"):
        await settle()


def test_run_virtual_returns_at_once_whatever_the_program_waits_for() -> None:
    async def main() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    assert run_virtual(main) == 86_400


def test_the_loop_is_a_factory_for_a_runner() -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(asyncio.sleep(3600))
