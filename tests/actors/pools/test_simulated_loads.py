"""Load reports in the simulator: one seed does the same twice, with meters, samples, probes and LOAD rows."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Actor, Address, Ask, System, message
from coterie.actors.pools.loads.load_book import LoadBook
from coterie.actors.pools.loads.load_messages import ProbeLoad
from coterie.actors.pools.pool_actor import PoolActor
from coterie.actors.pools.pool_messages import ListWorkers
from coterie.actors.pools.pool_size import SizeLimits
from coterie.protocols.balancing import LoadReport
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.step_trace import StepTrace

PORTS = {"caller": 7001, "server": 7002}
REQUESTS = 100


@message(name="test.simulated_loads.Work")
class Work(Ask[int]):
    number: int


class Worker(Actor[Work]):
    async def receive(self, msg: Work) -> int:
        await asyncio.sleep(0.01 * (msg.number % 3))
        return msg.number


async def serve(life: Life) -> None:
    life.host.resources.loop_used = 0.3
    async with System("server", host=life.host) as system:
        system.spawn(lambda: PoolActor(Worker, SizeLimits(2, 2), weight=1.0, exported=False), name="pool")
        await system.listen("127.0.0.1", PORTS["server"])
        system.add_peer("caller", "127.0.0.1", PORTS["caller"])
        await asyncio.Event().wait()


async def call(life: Life) -> list[LoadReport | None]:
    async with System("caller", host=life.host) as system:
        await system.listen("127.0.0.1", PORTS["caller"])
        system.add_peer("server", "127.0.0.1", PORTS["server"])
        await system.linked("server")
        book, pool = system.extension(LoadBook), system.at(Address("server", "pool"))
        workers = (await pool.ask(ListWorkers(subscriber="caller"))).refs
        seen: list[LoadReport | None] = []
        for number in range(REQUESTS):
            ref: Any = workers[number % 2]
            asked = ref.ask(Work(number))
            seen.append(await pool.ask(ProbeLoad(ref.path)))
            await asked
            seen.append(book.latest(ref))
        return seen


def run(seed: int) -> tuple[str, list[LoadReport | None]]:
    world = SimulatedWorld(seed, trace=StepTrace())

    async def main() -> list[LoadReport | None]:
        server, caller = world.begin("server"), world.begin("caller")
        server.create_task(serve(server))
        return await caller.create_task(call(caller))

    seen = world.run(main)
    return world.digest, seen


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_reports_the_same_loads(seed: int) -> None:
    digest, seen = run(seed)

    assert (digest, seen) == run(seed)
    assert digest != run(seed + 100)[0]
    assert None not in seen
    assert max(load.in_flight for load in seen if load is not None) == 1
    assert any(load.resources is not None and load.resources.loop_used for load in seen if load is not None)
