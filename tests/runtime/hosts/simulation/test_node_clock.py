from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.simulation.node_clock import NodeClock
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock


def test_a_clock_shows_the_worlds_time_until_told_otherwise() -> None:
    world = VirtualClock()
    clock = NodeClock(world)
    world.advance_to(12.5)
    assert (clock.monotonic(), clock.wall()) == (12.5, world.wall())


def test_a_change_of_the_rate_is_no_jump() -> None:
    world = VirtualClock()
    clock = NodeClock(world)
    world.advance_to(10.0)
    clock.set_rate(1.1)
    assert clock.monotonic() == 10.0
    world.advance_to(20.0)
    assert clock.monotonic() == pytest.approx(21.0)
    clock.set_rate(0.9)
    assert clock.monotonic() == pytest.approx(21.0)
    world.advance_to(30.0)
    assert clock.monotonic() == pytest.approx(30.0)


def test_a_wall_clock_may_jump_back_and_the_monotonic_one_goes_on() -> None:
    world = VirtualClock()
    clock = NodeClock(world)
    clock.wall_offset_s = -3600.0
    assert clock.wall() == world.wall() - 3600.0
    assert clock.monotonic() == 0.0


@pytest.mark.parametrize("rate", [0.9, 0.93, 1.0, 1.07, 1.1])
def test_whoever_wakes_at_a_time_of_the_clock_never_wakes_before_it(rate: float) -> None:
    world = VirtualClock()
    clock = NodeClock(world)
    world.advance_to(0.7)
    clock.set_rate(rate)
    for number in range(1, 1000):
        when_s = 0.7 + number / 7
        world.advance_to(clock.world_time(when_s))
        assert when_s <= clock.monotonic() <= when_s + 1e-9


@pytest.mark.parametrize("rate", [0.0, -1.0, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        NodeClock(VirtualClock()).set_rate(rate)


@pytest.mark.parametrize(("rate", "expected_s"), [(0.5, 20.0), (1.0, 10.0), (2.0, 5.0)])
def test_sleeps_and_time_outs_follow_the_lifes_own_clock(rate: float, expected_s: float) -> None:
    world = SimulatedWorld(1)

    async def sleep() -> None:
        loop = asyncio.get_running_loop()
        begin = loop.time()
        await asyncio.sleep(5.0)
        async with asyncio.timeout(10.0):
            await asyncio.sleep(5.0)
        assert 10.0 <= loop.time() - begin < 10.01

    async def main() -> None:
        world.clock("n1").set_rate(rate)
        await world.begin("n1").create_task(sleep())
        assert world.loop.time() == pytest.approx(expected_s, abs=0.01)

    world.run(main)


def test_timers_that_are_set_follow_a_change_of_the_rate() -> None:
    world = SimulatedWorld(1)

    async def main() -> None:
        life = world.begin("n1")
        task = life.create_task(asyncio.sleep(10.0))
        await asyncio.sleep(5.0)
        world.clock("n1").set_rate(0.5)
        await task
        assert world.loop.time() == pytest.approx(15.0, abs=0.01)

    world.run(main)


def test_each_node_has_a_clock_of_its_own_which_outlives_a_crash() -> None:
    world = SimulatedWorld(1)

    async def main() -> None:
        life = world.begin("n1")
        life.host.clock.wall_offset_s = 7.0
        life.crash()
        assert world.begin("n1").host.clock.wall_offset_s == 7.0
        assert world.begin("n2").host.clock.wall_offset_s == 0.0

    world.run(main)
