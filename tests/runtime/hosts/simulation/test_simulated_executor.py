from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.random_durations import RandomDuration
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld


def as_life(main: object, *, seed: int = 1) -> None:
    world = SimulatedWorld(seed)

    async def observe() -> None:
        life = world.begin("n1")
        await life.create_task(main(life))  # type: ignore[operator]

    world.run(observe)


def test_functions_take_time_and_give_their_result_or_error() -> None:
    async def main(life: Life) -> None:
        loop, executor = asyncio.get_running_loop(), life.host.executor
        begin = loop.time()
        assert await executor.run(lambda: 7) == 7
        assert await executor.run_disk(lambda: 8) == 8
        assert loop.time() > begin
        with pytest.raises(KeyError):
            await executor.run(lambda: dict[str, int]()["nothing"])

    as_life(main)


def test_disk_calls_are_done_in_order_however_long_they_take() -> None:
    async def main(life: Life) -> None:
        did: list[int] = []
        heard: list[int] = []
        life.host.executor.disk = RandomDuration(0.001, tail=0.5, tail_s=0.1)
        for number in range(100):
            life.host.executor.submit_disk(
                lambda number=number: did.append(number),  # type: ignore[misc]
                lambda result, error, number=number: heard.append(number),  # type: ignore[misc]
            )
        await asyncio.sleep(1000)
        assert did == heard == list(range(100))

    as_life(main)


def test_a_crash_may_fall_between_what_was_done_and_hearing_of_it() -> None:
    outcomes: set[tuple[bool, bool]] = set()
    for seed in range(30):
        world = SimulatedWorld(seed)
        did: list[int] = []
        heard: list[object] = []

        async def observe(world: SimulatedWorld = world, did: list[int] = did, heard: list[object] = heard) -> None:
            life = world.begin("n1")
            life.host.executor.disk = RandomDuration(1.0)
            with life:
                life.host.executor.submit_disk(lambda: did.append(1), lambda result, error: heard.append(result))
            await asyncio.sleep(0.75)
            life.crash()
            await asyncio.sleep(10)

        world.run(observe)
        outcomes.add((bool(did), bool(heard)))
    assert outcomes == {(False, False), (True, False), (True, True)}


def test_a_crash_may_fall_into_the_middle_of_a_disk_call_and_tear_its_write() -> None:
    held: set[str] = set()
    for seed in range(200):
        world = SimulatedWorld(seed)

        async def observe(world: SimulatedWorld = world) -> None:
            life = world.begin("n1")
            disk = life.host.disk
            disk.make_directories("data")
            disk.replace("data/log", b"")
            life.host.executor.disk = RandomDuration(1.0)

            def append() -> None:
                file = disk.open("data/log")
                file.write_at(0, b"torn" * 512)
                file.sync()

            with life:
                life.host.executor.submit_disk(append, lambda result, error: None)
            await asyncio.sleep(0.4)
            life.crash()

        world.run(observe)
        held.add(_what_became_of(world.disks["n1"].contents("data/log")))
        if len(held) == 4:
            return
    raise AssertionError(f"of nothing, all, cut and torn there was only {held}")


def _what_became_of(data: bytes) -> str:
    if data in (b"", b"torn" * 512):
        return "all" if data else "nothing"
    if len(data) < 2048:
        return "cut"
    assert b"\0" in data
    return "torn"


def test_a_slow_disk_takes_so_many_times_as_long() -> None:
    async def main(life: Life) -> None:
        loop = asyncio.get_running_loop()
        life.host.executor.disk = RandomDuration(0.01)
        begin = loop.time()
        await life.host.executor.run_disk(lambda: None)
        usual_s = loop.time() - begin
        life.host.executor.disk_factor = 100.0
        begin = loop.time()
        await life.host.executor.run_disk(lambda: None)
        assert loop.time() - begin > 20 * usual_s

    as_life(main)


def test_what_was_abandoned_in_time_is_not_run() -> None:
    async def main(life: Life) -> None:
        did: list[int] = []
        future = life.host.executor.run(lambda: did.append(1))
        future.cancel()
        await asyncio.sleep(10)
        assert did == []

    as_life(main)


def test_a_closed_executor_takes_nothing() -> None:
    async def main(life: Life) -> None:
        life.host.executor.close()
        with pytest.raises(RuntimeError, match="closed"):
            life.host.executor.run(lambda: None)

    as_life(main)


def test_the_loops_executor_is_the_lifes() -> None:
    async def main(life: Life) -> None:
        loop = asyncio.get_running_loop()
        life.host.executor.worker = RandomDuration(5.0)
        begin = loop.time()
        assert await asyncio.to_thread(lambda: 7) == 7
        assert loop.time() - begin >= 2.5

    as_life(main)
