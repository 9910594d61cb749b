"""Datagrams of simulated systems: crashes free their ports, freezes hold them back, and a seed gives one trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.refs import Address
from coterie.runtime.system import System
from tests.runtime.datagrams.pairs import KEY, Keeper, Number

PORTS = {"a": 1, "b": 2}


class Nodes:
    """Nodes a and b of a simulated world."""

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.systems: dict[str, System] = {}

    async def start(self, name: str) -> Life:
        life = self.world.begin(name)
        life.create_task(self._run(life))
        await asyncio.sleep(3)
        return life

    def tell(self, value: int) -> None:
        with self.world.lives["a"]:
            self.systems["a"].datagrams.tell(Address("b", "keeper"), Number(value))

    @property
    def values(self) -> list[int]:
        cell = self.systems["b"].registry.cell_at("keeper")
        assert cell is not None
        assert isinstance(cell.actor, Keeper)
        return [msg.value for msg in cell.actor.received]

    async def _run(self, life: Life) -> None:
        async with System(life.name, cluster="test", host=life.host, auth=KEY) as system:
            await system.listen("127.0.0.1", PORTS[life.name], datagrams=True)
            system.spawn(Keeper, name="keeper")
            for peer, port in PORTS.items():
                if peer != life.name:
                    system.add_peer(peer, "127.0.0.1", port)
            self.systems[life.name] = system
            await asyncio.get_running_loop().create_future()


def simulate(main: Callable[[Nodes], Awaitable[None]], seed: int = 1, trace: StepTrace | None = None) -> None:
    world = SimulatedWorld(seed, trace=trace)

    async def observe() -> None:
        nodes = Nodes(world)
        await nodes.start("a")
        await nodes.start("b")
        await main(nodes)

    world.run(observe)


def test_a_node_that_crashed_and_started_again_gets_datagrams() -> None:
    async def main(nodes: Nodes) -> None:
        nodes.world.lives["b"].crash()
        nodes.tell(1)
        await asyncio.sleep(1)
        await nodes.start("b")
        nodes.tell(2)
        await asyncio.sleep(1)

        assert nodes.values == [2]
        assert nodes.systems["a"].stats().datagrams["sent"] == 2

    simulate(main)


def test_a_paused_node_gets_what_was_sent_meanwhile_once_it_continues() -> None:
    async def main(nodes: Nodes) -> None:
        nodes.world.lives["b"].pause()
        nodes.tell(1)
        await asyncio.sleep(1)
        assert nodes.values == []
        nodes.world.lives["b"].resume()
        await asyncio.sleep(1)

        assert nodes.values == [1]

    simulate(main)


def test_damaged_and_doubled_datagrams_are_never_handled_wrongly() -> None:
    async def main(nodes: Nodes) -> None:
        link = nodes.world.network.link("a", "b")
        for number in range(300):
            link.corruption = link.duplication = link.loss = 0.2
            nodes.tell(number)
            link.clear_conditions()  # the streams are to stay up
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)

        assert len(nodes.values) == len(set(nodes.values)) > 150
        assert set(nodes.values) <= set(range(300))
        dropped = nodes.systems["b"].stats().datagrams
        assert dropped["dropped_replayed"] > 10
        assert dropped["dropped_bad_message"] == 0

    simulate(main)


def test_a_seed_gives_one_trace() -> None:
    async def main(nodes: Nodes) -> None:
        nodes.world.network.link("a", "b").duplication = 0.5
        for number in range(20):
            nodes.tell(number)
            await asyncio.sleep(0.01)

    digests = []
    for seed in (1, 1, 2):
        trace = StepTrace()
        simulate(main, seed, trace)
        digests.append(trace.digest)

    assert digests[0] == digests[1] != digests[2]
