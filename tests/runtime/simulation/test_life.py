from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from coterie.runtime.simulation.life import Life, LifeState
from coterie.runtime.simulation.world import SimulatedWorld


def in_world(main: Callable[[SimulatedWorld], Awaitable[None]], *, seed: int = 1) -> SimulatedWorld:
    """Run `main` in a world of its own, and return that."""
    world = SimulatedWorld(seed)

    async def observe() -> None:
        await main(world)

    world.run(observe)
    return world


class Diary:
    """What code of a life did, until the world ended (what Python runs while it frees things is no part of a world)."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    async def write_for_ever(self, name: str, every_s: float = 1.0) -> None:
        try:
            while True:
                self.entries.append(name)
                await asyncio.sleep(every_s)
        finally:
            self.entries.append(f"{name}: finally")


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
        with pytest.raises(ValueError, match="lives already"):
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


# --- pause


def test_nothing_of_a_paused_life_runs_and_on_resume_everything_is_due_at_once() -> None:
    diary = Diary()

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.create_task(diary.write_for_ever("a", 1.0))
        life.create_task(diary.write_for_ever("b", 2.0))
        await asyncio.sleep(0.5)
        life.pause()
        assert life.state is LifeState.PAUSED
        await asyncio.sleep(10)
        assert sorted(diary.entries) == ["a", "b"]
        life.resume()
        await asyncio.sleep(0.001)
        assert sorted(diary.entries) == ["a", "a", "b", "b"]

    in_world(main)


@pytest.mark.parametrize("timers_first", [False, True])
def test_what_arrived_during_a_pause_comes_before_the_timers_unless_asked_otherwise(timers_first: bool) -> None:
    happened: list[str] = []

    class Reader(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            happened.append("bytes")

    async def main(world: SimulatedWorld) -> None:
        reader, writer = world.begin("r"), world.begin("w")
        transports: list[asyncio.BaseTransport] = []

        class Writer(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                transports.append(transport)

        await reader.create_task(reader.host.network.listen(Reader, "127.0.0.1", 1))
        await writer.create_task(writer.host.network.connect(Writer, "127.0.0.1", 1))
        await asyncio.sleep(1)
        with reader:
            world.loop.call_later(0.5, happened.append, "timer")
        reader.pause()
        await asyncio.sleep(1)
        assert isinstance(transports[0], asyncio.Transport)
        transports[0].write(b"x")
        await asyncio.sleep(1)
        assert happened == []
        reader.resume(timers_first=timers_first)
        await asyncio.sleep(1)

    in_world(main)
    assert happened == (["timer", "bytes"] if timers_first else ["bytes", "timer"])


def test_a_life_can_crash_while_it_is_paused() -> None:
    diary = Diary()
    seen: list[str] = []

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.create_task(diary.write_for_ever("a"))
        await asyncio.sleep(0.5)
        life.pause()
        await asyncio.sleep(2)
        life.crash()
        with pytest.raises(RuntimeError, match="is over"):
            life.resume()
        await asyncio.sleep(2)
        seen.extend(diary.entries)

    in_world(main)
    assert seen == ["a"]


def test_order_is_kept_through_a_pause() -> None:
    happened: list[int] = []

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.pause()
        for number in range(5):
            life.call_soon(happened.append, number)
        await asyncio.sleep(1)
        life.call_soon(happened.append, 5)
        life.resume()
        life.call_soon(happened.append, 6)
        await asyncio.sleep(1)

    in_world(main)
    assert happened == list(range(7))


# --- slow


def test_each_turn_of_a_slow_life_takes_time() -> None:
    times_s: list[float] = []

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.slow_down(0.5)
        begin = world.loop.time()
        for _ in range(4):
            life.call_soon(lambda: times_s.append(world.loop.time() - begin))
        await asyncio.sleep(10)

    in_world(main)
    assert [round(time_s, 2) for time_s in times_s] == [0.0, 0.5, 1.0, 1.5]


def test_a_slow_life_that_is_fast_again_has_lost_and_reordered_nothing() -> None:
    happened: list[int] = []

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.slow_down(1.0)
        for number in range(6):
            life.call_soon(happened.append, number)
        await asyncio.sleep(2.5)
        assert len(happened) == 3
        life.slow_down(0)
        life.call_soon(happened.append, 6)
        await asyncio.sleep(0.01)

    in_world(main)
    assert happened == list(range(7))


@pytest.mark.parametrize("seed", range(8))
def test_a_timer_due_with_the_next_turn_of_a_slow_life_overtakes_nobody(seed: int) -> None:
    happened: list[object] = []

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.slow_down(1.0)
        world.loop.call_at_for(life, world.loop.clock.monotonic() + 1.0, happened.append, "timer")
        for number in range(3):
            life.call_soon(happened.append, number)
        await asyncio.sleep(10)

    in_world(main, seed=seed)
    assert happened == [0, 1, 2, "timer"]


def test_a_life_that_is_paused_while_slow_goes_on_in_order() -> None:
    happened: list[int] = []

    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        life.slow_down(1.0)
        for number in range(6):
            life.call_soon(happened.append, number)
        await asyncio.sleep(1.5)
        life.pause()
        await asyncio.sleep(5)
        assert happened == [0, 1]
        life.resume()
        await asyncio.sleep(10)

    in_world(main)
    assert happened == list(range(6))


# --- with


def test_a_with_that_awaits_is_refused() -> None:
    async def main(world: SimulatedWorld) -> None:
        life = world.begin("n1")
        with pytest.raises(RuntimeError, match="must not await"), life:
            await asyncio.sleep(1)

    in_world(main)


def test_lives_nest_and_leave_the_observer_as_he_was() -> None:
    async def main(world: SimulatedWorld) -> None:
        first, second = world.begin("n1"), world.begin("n2")
        with first:
            with second:
                assert world.loop.owner is second
            assert world.loop.owner is first
        assert world.loop.owner is None

    in_world(main)
