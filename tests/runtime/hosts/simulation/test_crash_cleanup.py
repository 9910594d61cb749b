from __future__ import annotations

import asyncio
import gc
import sys
import time
import weakref
from collections.abc import Iterator

import pytest

from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld


def crashed_world(worker: object) -> SimulatedWorld:
    """Run a world in which `worker()` lives and crashes; return it, over."""
    world = SimulatedWorld(1)

    async def main() -> None:
        life = world.begin("n1")
        life.create_task(worker(world))  # type: ignore[operator]
        await asyncio.sleep(1)
        life.crash()
        await asyncio.sleep(1)

    world.run(main)
    return world


@pytest.fixture
def unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What Python had to say about errors that nobody could catch."""
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    yield said
    gc.collect()


def test_what_is_freed_when_the_world_ends_has_no_effect_and_makes_no_noise(
    unraisable: list[object], caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    tried: list[str] = []

    async def worker(world: SimulatedWorld) -> None:
        disk = world.lives["n1"].host.disk
        disk.make_directories("d")
        file = disk.open("d/f", create=True)
        loop = asyncio.get_running_loop()
        sleeper = asyncio.create_task(asyncio.sleep(100))
        try:
            await asyncio.sleep(100)
        finally:
            for verb in (lambda: file.write_at(0, b"x"), lambda: loop.call_soon(tried.append, "ran")):
                try:
                    verb()
                except (OSError, RuntimeError):
                    tried.append("refused")
            sleeper.cancel()
            raise KeyError("on the way out")

    crashed_world(worker)
    gc.collect()
    assert tried == ["refused", "refused"]
    assert (unraisable, caplog.records, list(recwarn)) == ([], [], [])


def test_a_coroutine_that_will_not_end_is_let_go_all_the_same(unraisable: list[object]) -> None:
    async def worker(world: SimulatedWorld) -> None:
        while True:
            try:
                await asyncio.sleep(100)
            except GeneratorExit:
                break
            finally:
                await asyncio.sleep(1)

    crashed_world(worker)
    gc.collect()
    assert unraisable == []


def test_a_generator_that_fails_on_its_way_out_makes_no_noise(unraisable: list[object]) -> None:
    def numbers() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise KeyError("on the way out")

    async def worker(world: SimulatedWorld) -> None:
        begun = numbers()
        next(begun)
        await asyncio.sleep(100)

    crashed_world(worker)
    gc.collect()
    assert unraisable == []


def test_a_world_that_is_over_is_freed() -> None:
    async def worker(world: SimulatedWorld) -> None:
        await asyncio.sleep(100)

    over = weakref.ref(crashed_world(worker))
    gc.collect()
    assert over() is None


def test_no_loop_is_made_for_what_is_freed_when_the_world_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    inside: list[bool] = []

    async def worker(world: SimulatedWorld) -> None:
        try:
            await asyncio.sleep(100)
        finally:
            inside.append(time.time() < 10**9)  # the fence still stands
            asyncio.gather()

    monkeypatch.setattr(asyncio.get_event_loop_policy(), "new_event_loop", lambda: made.append("a real loop"))
    crashed_world(worker)
    assert (made, inside) == ([], [True])
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()
