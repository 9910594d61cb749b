"""Past store runs: simulates stores that go back in time, in fixed situations; a failed run raises `Violation`.

No fault plan does this to a node that goes on as a voter: a plan's stale disk stays down.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

from coterie.actors.node import Node
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulated_node import DATA_DIRECTORY
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CommandTimeout
from coterie.protocols.algorithm import NodeId
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import message
from coterie.runtime.storage.history import generation

__all__ = ["cut_log", "restored_copy"]

WITHIN_S: Final = 30.0
PAUSE_S: Final = 3.0
"""A pause in writing, after which the high-water file covers what was written before."""

SEGMENT: Final = f"{DATA_DIRECTORY}/segment-0000000001.log"


def cut_log(seed: int) -> None:
    """Cut the log of an acceptor below a chosen value: it must not accept another one.

    Raises:
        Violation: the acceptor takes part although it has lost what it accepted.
    """
    sim = Simulation(seed)
    sim.run(partial(_cut_an_acceptor, sim))


async def _cut_an_acceptor(sim: Simulation) -> None:
    topology = Topology("config", nodes=["n1", "n2", "n3"])
    topology.synod("config")
    sim.deploy(topology)
    await sim.ready()
    await asyncio.sleep(PAUSE_S)
    disk = sim.world.disk("n2")
    before = disk.contents(SEGMENT)
    sim.partition(["n3"], ["n1", "n2"])
    await sim.clients(1, partial(_propose, b"first"))
    await asyncio.sleep(PAUSE_S)
    sim.node("n1").crash()
    sim.node("n2").crash()
    disk.replace(SEGMENT, before)
    sim.heal()
    sim.node("n2").start()
    with contextlib.suppress(CommandTimeout):
        await sim.clients(1, partial(_propose, b"second"))
    sim.node("n1").start()
    await asyncio.sleep(PAUSE_S)


async def _propose(value: bytes, client: SimulatedClient) -> None:
    await client.access.synod("config").propose(value)


# A peer remembers the generation.


@message(name="simulation.Nothing")
class Nothing:
    """Never sent."""


class Opener(Actor[Nothing]):
    """Reports which generation its store has, as a peer would remember it."""

    def __init__(self, heard: list[generation.Generation], node: Node) -> None:
        self._heard = heard
        self._store = node.store

    def on_start(self) -> None:
        """Report the generation."""
        self._heard.append(self._store.generation)

    def receive(self, msg: Nothing, /) -> None:
        """Do nothing."""


def restored_copy(seed: int) -> None:
    """Restore a whole copy of a store, which cannot know it by itself: a peer that remembers a generation must.

    Raises:
        Violation: the peer believes the store.
    """
    sim = Simulation(seed)
    sim.run(partial(_restore_a_copy, sim))


async def _restore_a_copy(sim: Simulation) -> None:
    heard: list[generation.Generation] = []
    topology = Topology("copies", nodes=["n1"])
    topology.actor("opener", partial(Opener, heard))
    sim.deploy(topology)
    await sim.ready()
    disk = sim.world.disk("n1")
    copy = disk.copy()
    await _restart(sim)
    sim.node("n1").crash()
    disk.restore(copy)
    await _restart(sim)
    remembered, now = heard[-2:]
    if generation.contradiction(remembered, now) is None:
        detail = f"a copy of generation {heard[0]} was restored; {remembered} was remembered, {now} is believed"
        sim.violation_context.fail("storage.restored_copy_believed", NodeId("n1"), detail)


async def _restart(sim: Simulation) -> None:
    sim.node("n1").restart()
    await sim.until(lambda: sim.node("n1").is_up, within_s=WITHIN_S)
