from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.simulation.process_life import LifeState
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from tests.runtime.hosts.simulation.lives import Diary, in_world

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
