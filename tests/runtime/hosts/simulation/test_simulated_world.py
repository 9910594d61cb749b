from __future__ import annotations

import asyncio
import gc

import pytest

from coterie import Actor, Address, Ask, System, message
from coterie.errors import VirtualDeadlock
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.step_trace import StepTrace


@message(name="simulation.test.Count")
class Count(Ask[int]):
    by: int


class Counter(Actor[Count]):
    total = 0

    def receive(self, msg: Count) -> int:
        self.total += msg.by
        return self.total


PORTS = {"a": 7001, "b": 7002}


async def node(life: Life, asks: int = 0) -> int:
    """Be one of two linked systems; ask the other's counter, and return what it said last."""
    other = "b" if life.name == "a" else "a"
    async with System(life.name, host=life.host) as system:
        system.spawn(Counter, name="counter")
        await system.listen("127.0.0.1", PORTS[life.name])
        system.add_peer(other, "127.0.0.1", PORTS[other])
        await system.linked(other)
        said = 0
        for _ in range(asks):
            said = await system.at(Address(other, "counter")).ask(Count(1))
        if not asks:
            await asyncio.Event().wait()
        return said


def counted(world: SimulatedWorld, asks: int = 50) -> int:
    async def main() -> int:
        asker, asked = world.begin("a"), world.begin("b")
        asked.create_task(node(asked))
        return await asker.create_task(node(asker, asks))

    return world.run(main)


def digest(seed: int) -> str:
    world = SimulatedWorld(seed, trace=StepTrace())
    assert counted(world) == 50
    return world.digest


def test_two_systems_talk_over_the_worlds_network() -> None:
    assert counted(SimulatedWorld(1)) == 50


def test_the_same_seed_does_the_same_and_another_one_something_else() -> None:
    assert digest(1) == digest(1) != digest(2)


def test_a_trace_changes_nothing() -> None:
    plain, traced = SimulatedWorld(3), SimulatedWorld(3, trace=StepTrace())
    counted(plain)
    counted(traced)
    assert (plain.loop.handled, plain.loop.clock.monotonic()) == (traced.loop.handled, traced.loop.clock.monotonic())


def test_the_trace_records_timers_arrivals_and_picks() -> None:
    trace = StepTrace(keeps_lines=True)
    counted(SimulatedWorld(1, trace=trace), asks=3)
    for what in (" timer a ", " soon b ", "arrived a b ", "pick counter"):
        assert any(what in line for line in trace.lines), what
    assert not any(" at 0x" in line for line in trace.lines)


def test_a_world_without_a_trace_has_no_digest() -> None:
    with pytest.raises(RuntimeError, match="records no trace"):
        _ = SimulatedWorld(1).digest


def test_a_node_that_crashes_is_missed_and_linked_again_in_its_next_life() -> None:
    world = SimulatedWorld(5)

    async def main() -> None:
        asker, asked = world.begin("a"), world.begin("b")
        asked.create_task(node(asked))
        asking = asker.create_task(node(asker, asks=10**9))
        await asyncio.sleep(5)
        asked.crash(is_silent=True)
        await asyncio.sleep(100)
        assert asking.done(), "an ask to a node that is gone fails"
        with pytest.raises(Exception, match="counter"):
            asking.result()
        asker.crash(keeps_disk=True)
        asker, asked = world.begin("a"), world.begin("b")
        asked.create_task(node(asked))
        assert await asker.create_task(node(asker, asks=5)) == 5

    world.run(main)


def test_if_everybody_waits_for_ever_the_world_says_who() -> None:
    world = SimulatedWorld(1)

    async def main() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlock, match=r"locks\.py"):
        world.run(main)


def test_an_error_that_nobody_took_comes_out_of_the_run() -> None:
    async def fail() -> None:
        raise KeyError("lost")

    world = SimulatedWorld(1)
    world.loop.set_exception_handler(lambda loop, context: world.loop.unhandled.append(context["exception"]))

    async def main() -> None:
        world.begin("n1").create_task(fail())
        await asyncio.sleep(1)

    with pytest.raises(ExceptionGroup, match="unhandled errors") as caught:
        world.run(main)
    assert caught.group_contains(KeyError, match="lost")


def test_the_observers_own_tasks_are_cancelled_in_good_order_at_the_end() -> None:
    happened: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(1)
            happened.append("finally")

    world = SimulatedWorld(1)

    async def main() -> None:
        task = asyncio.create_task(linger())
        await asyncio.sleep(1)
        assert not task.done()

    world.run(main)
    assert happened == ["finally"]


def test_the_collector_runs_at_steps_of_the_world() -> None:
    freed_at: list[int] = []
    world = SimulatedWorld(1)

    class Cycle:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            freed_at.append(world.loop.handled)

    async def main() -> None:
        Cycle()
        for _ in range(100_010):
            await asyncio.sleep(0)

    world.run(main)
    assert freed_at == [100_000]
    assert gc.isenabled()


def test_lives_that_are_ready_together_go_in_any_order_but_each_in_its_own() -> None:
    orders: set[str] = set()
    for seed in range(20):
        world = SimulatedWorld(seed)
        happened: list[str] = []

        async def main(world: SimulatedWorld = world, happened: list[str] = happened) -> None:
            lives = [world.begin(name) for name in "ab"]
            for number in range(3):
                for life in lives:
                    life.call_soon(happened.append, f"{life.name}{number}")
            await asyncio.sleep(1)

        world.run(main)
        orders.add(" ".join(happened))
    assert orders == {"a0 a1 a2 b0 b1 b2", "b0 b1 b2 a0 a1 a2"}


def test_the_loop_wakes_up_a_little_late_now_and_then_but_never_early() -> None:
    late_s: list[float] = []
    world = SimulatedWorld(1)

    async def main() -> None:
        for _ in range(1000):
            begin = world.loop.time()
            await asyncio.sleep(1.0)
            late_s.append(world.loop.time() - begin - 1.0)

    world.run(main)
    assert min(late_s) >= -1e-9
    assert 50 < sum(late > 1e-6 for late in late_s) < 150
    assert max(late_s) < 0.001


class Sleeper(Actor[Count]):
    async def receive(self, msg: Count) -> int:
        await asyncio.sleep(3600.0)
        return msg.by


def test_a_handler_that_still_waits_when_the_world_ends_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    world = SimulatedWorld()

    async def be_asked(life: Life) -> None:
        async with System("n1", host=life.host) as system:
            await system.spawn(Sleeper).ask(Count(1), timeout_s=3600.0)

    async def main() -> None:
        life = world.begin("n1")
        life.create_task(be_asked(life))
        await asyncio.sleep(1.0)

    world.run(main)
    assert [record.getMessage() for record in caplog.records] == []
