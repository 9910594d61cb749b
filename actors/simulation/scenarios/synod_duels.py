"""Scenario `synod`: runs clients that propose different values to the same synods (single-decree Paxos) under faults.

Five nodes run twenty synods on one store each. In each second ten clients propose to, or read, one of the synods. Every
answer must be the one chosen value, whatever crashes happen; when the plan has ended every synod must answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CommandTimeout
from coterie.protocols.checking.linearizability import Consensus
from coterie.protocols.faults.profiles.fault_profiles import is_live

__all__ = ["SYNOD"]

SYNODS: Final = 20
CLIENTS: Final = 10
ROUNDS: Final = 25
THINK_S: Final = 1.5
FINISH_S: Final = 120.0


class SynodWorkload:
    """The workload of one client. The time of `sim` selects the synod."""

    def __init__(self, sim: Simulation, client: SimulatedClient) -> None:
        self._sim = sim
        self._client = client
        self._recorder = client.recorder("synods", Consensus())

    async def run(self) -> None:
        """Propose or read repeatedly; an operation that is not answered is recorded as unknown."""
        for at in self._client.rounds(ROUNDS):
            await asyncio.sleep(THINK_S * self._client.random.random())
            with contextlib.suppress(CommandTimeout):
                await self._round(_name(int(self._sim.now()) % SYNODS), b"%d.%d" % (self._client.number, at))

    async def read_all(self) -> None:
        """Read every synod, and retry each until it answers."""
        for number in range(SYNODS):
            while True:
                with contextlib.suppress(CommandTimeout):
                    await self._read(_name(number))
                    break

    async def _round(self, name: str, value: bytes) -> None:
        if self._client.random.random() < 0.3:
            await self._read(name)
        else:
            propose = self._client.access.synod(name).propose(value)
            await self._recorder.record(("propose", value), propose, key=name)

    async def _read(self, name: str) -> None:
        await self._recorder.record(("read",), self._client.access.synod(name).value(), key=name)


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which must have a plan."""
    if sim.plan is None:
        raise ValueError("the scenario takes its nodes from the plan: pass one to Simulation(plan=…)")
    topology = Topology("synods", nodes=sim.plan.nodes)
    for number in range(SYNODS):
        topology.synod(_name(number))
    sim.deploy(topology)
    clients = sim.clients(CLIENTS, lambda client: SynodWorkload(sim, client).run())
    await sim.until(lambda: sim.injector.is_over, within_s=sim.plan.ends_at_s + FINISH_S)
    if is_live(sim.plan):
        await sim.until(lambda: clients.is_done, within_s=FINISH_S)
        readers = sim.clients(1, lambda client: SynodWorkload(sim, client).read_all())
        await sim.until(lambda: readers.is_done, within_s=FINISH_S)
    sim.assert_linearizable()


def _name(number: int) -> str:
    return f"synod-{number}"


SYNOD = SystemScenario("synod", run, nodes=5)
"""`coterie sim synod --level system`."""
