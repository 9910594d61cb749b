from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator

import pytest

from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from tests.runtime.hosts.simulation.lives import Diary, in_world

# --- crash


def test_a_crash_runs_no_finally_and_nothing_of_the_life_afterwards() -> None:
    diary = Diary()
    seen: list[str] = []

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.create_task(diary.write_for_ever("a"))
        await asyncio.sleep(2.5)
        life.crash()
        await asyncio.sleep(10)
        gc.collect()
        seen.extend(diary.entries)

    in_world(main)
    assert seen == ["a", "a", "a"]


def test_a_crash_leaves_other_lives_alone() -> None:
    diary = Diary()
    seen: list[str] = []

    async def main(world: SimulatedWorld) -> None:
        for name in ("n1", "n2"):
            world.begin(name).create_task(diary.write_for_ever(name))
        await asyncio.sleep(1.5)
        world.lives["n1"].crash()
        await asyncio.sleep(1)
        seen.extend(sorted(diary.entries))

    in_world(main)
    assert seen == ["n1", "n1", "n2", "n2", "n2"]


def test_what_a_life_schedules_is_its_own_however_it_does_it() -> None:
    happened: list[str] = []

    async def spread(loop: asyncio.AbstractEventLoop) -> None:
        loop.call_later(1, happened.append, "timer")
        loop.call_soon(loop.call_later, 1, happened.append, "timer of a callback")
        asyncio.create_task(asyncio.sleep(1)).add_done_callback(lambda task: happened.append("callback of a task"))
        async with asyncio.timeout(1):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                happened.append("timeout")
                raise

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.create_task(spread(world.loop))
        await asyncio.sleep(0.5)
        life.crash()
        await asyncio.sleep(2)

    in_world(main)
    assert happened == []


@pytest.mark.parametrize("is_plain", [True, False])
def test_a_task_that_somebody_else_wakes_is_still_its_own_lifes(is_plain: bool) -> None:
    happened: list[str] = []

    async def wait(future: asyncio.Future[None]) -> None:
        await future
        happened.append("woken")

    async def main(world: SimulatedWorld) -> None:
        future: asyncio.Future[None] = asyncio.Future() if is_plain else world.loop.create_future()
        life = world.begin("n1")
        life.create_task(wait(future))
        await asyncio.sleep(1)
        future.set_result(None)  # schedules the wake-up, on behalf of the observer
        life.crash()
        await asyncio.sleep(1)

    in_world(main)
    assert happened == []


def test_a_callback_belongs_to_whoever_added_it_not_to_whoever_completes_the_future() -> None:
    happened: list[Life | None] = []

    async def main(world: SimulatedWorld) -> None:
        future = world.loop.create_future()
        first, second = world.begin("n1"), world.begin("n2")

        def note(future: asyncio.Future[None]) -> None:
            owner = world.loop.owner
            happened.append(owner if isinstance(owner, Life) else None)

        with first:
            future.add_done_callback(note)
        with second:
            future.set_result(None)
        await asyncio.sleep(1)
        assert happened == [first]

    in_world(main)


def test_a_callback_that_was_added_can_be_removed() -> None:
    happened: list[str] = []

    async def main(world: SimulatedWorld) -> None:
        future = world.loop.create_future()

        def note(future: asyncio.Future[None]) -> None:
            happened.append("called")

        future.add_done_callback(note)
        assert future.remove_done_callback(note) == 1
        future.set_result(None)
        await asyncio.sleep(1)

    in_world(main)
    assert happened == []


def test_a_crash_from_within_takes_away_the_effects_of_what_is_left_of_the_step() -> None:
    happened: list[str] = []

    async def die(life: Life) -> None:
        life.crash()
        asyncio.get_running_loop().call_soon(happened.append, "scheduled")
        asyncio.create_task(Diary().write_for_ever("a")).add_done_callback(lambda task: happened.append("done"))
        await asyncio.sleep(0)
        happened.append("went on")

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.create_task(die(life))
        await asyncio.sleep(1)

    in_world(main)
    assert happened == []


def test_an_asynchronous_generator_is_not_closed_by_a_crash() -> None:
    happened: list[str] = []
    seen: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(100):
                yield number
                await asyncio.sleep(1)
        finally:
            happened.append("closed")

    async def read() -> None:
        async for _ in numbers():
            pass

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.create_task(read())
        await asyncio.sleep(2.5)
        life.crash()
        gc.collect()
        await asyncio.sleep(5)
        seen.extend(happened)

    in_world(main)
    assert seen == []


def test_who_waits_for_the_end_of_a_life_hears_of_it() -> None:
    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        world.loop.call_later(1, life.crash)
        await life.ended
        assert life.is_over
        assert "n1" not in world.lives

    in_world(main)


def test_a_node_lives_again_on_its_own_disk() -> None:
    async def main(world: SimulatedWorld) -> None:
        first = world.begin("n1")
        first.host.disk.make_directories("d")
        first.host.disk.replace("d/kept", b"x")
        first.crash()
        second = world.begin("n1")
        assert second.host.disk.contents("d/kept") == b"x"
        assert second.number == 2
        assert first.host.random.random() != second.host.random.random()

    in_world(main)


def test_who_lives_cannot_begin() -> None:
    async def main(world: SimulatedWorld) -> None:
        world.begin("n1")
        with pytest.raises(ValueError, match="is running already"):
            world.begin("n1")

    in_world(main)


def test_a_crash_loses_what_was_not_synced_only_if_the_power_fails() -> None:
    async def main(world: SimulatedWorld) -> None:
        for keeps_disk in (True, False):
            lost = 0
            for number in range(8):
                life = world.begin(f"keeps {keeps_disk} {number}")
                lost += writes_and_crashes(life, keeps_disk=keeps_disk)
            assert (lost == 0) is keeps_disk

    def writes_and_crashes(life: Life, *, keeps_disk: bool) -> bool:
        disk = life.host.disk
        disk.make_directories("d")
        file = disk.open("d/file", create=True)
        disk.sync_directory("d")
        for at in range(64):
            file.write_at(at, b"x")
        life.crash(keeps_disk=keeps_disk)
        with pytest.raises(OSError, match="crashed"):
            file.read_at(0, 1)
        return disk.contents("d/file") != b"x" * 64

    in_world(main)


def test_a_crash_takes_the_lifes_timers_away_and_what_waits_for_its_turn() -> None:
    happened: list[str] = []

    async def main(world: SimulatedWorld) -> None:
        for number in range(8):
            life = world.begin(f"n{number}")
            with life:
                world.loop.call_later(1000, happened.append, "timer")
            world.loop.call_soon(life.crash)
            for _ in range(3):
                life.call_soon(happened.append, "ran before the crash, perhaps")
            await asyncio.sleep(0.01)
        assert [timer for timer in world.loop.timers if timer.when() >= 1000] == []

    in_world(main)
    assert "timer" not in happened


def test_what_nobody_else_refers_to_is_kept_from_the_collector() -> None:
    happened: list[str] = []
    seen: list[str] = []
    held: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            happened.append("generator: finally")

    async def wait() -> None:
        held.append(numbers())
        await anext(held[0])
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            happened.append("task: finally")

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.create_task(wait())
        await asyncio.sleep(1)
        life.crash()
        held.clear()
        gc.collect()
        await asyncio.sleep(1)
        seen.extend(happened)

    in_world(main)
    assert seen == []
