"""Directed stories of whole systems: what must hold where chance rarely leads; each raises `Violation` where it fails.

They stage what no plan within the budget does (a node that comes back with another store, a stranger with another key)
or what only a crowded mailbox shows.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from coterie.actors.groups.key_value import KeyValue
from coterie.actors.node import Node
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.runtime_checker import CONTROL, RuntimeJudge
from coterie.protocols.checking.violation import Bench
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["another_store", "crowded_mailbox", "strangers_key", "unheard_store"]

WITHIN_S: Final = 30.0
LONG_S: Final = 10.0


# A node comes back under its old name with another store.


def another_store(seed: int) -> None:
    """Tell of a leader whose disk is replaced and formatted again: nobody is elected with its help.

    Raises:
        Violation: a follower that lacks an acknowledged write leads.
    """
    sim = Simulation(seed)
    sim.run(partial(_replace_the_leader, sim))


async def _replace_the_leader(sim: Simulation) -> None:
    topology = Topology("kv", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    sim.deploy(topology)
    await sim.ready()
    await sim.clients(1, _put)
    leader = await sim.until(lambda: sim.leader_of("store"), within=WITHIN_S)
    holder, behind = [node.name for node in sim.nodes if node.name != leader]
    sim.partition([behind], [leader, holder])
    await sim.clients(1, _put)
    sim.node(holder).crash()
    sim.node(leader).wipe(do_format=True)
    sim.node(leader).start()
    sim.heal()
    await asyncio.sleep(LONG_S)


async def _put(client: SimulatedClient) -> None:
    await client.key_value("store").put(b"k", b"%d" % client.number)


def unheard_store(seed: int) -> None:
    """Tell of a follower that is formatted again, whom the other followers have never heard: nobody counts on it.

    Raises:
        Violation: a write that no majority of the old stores holds is applied.
    """
    sim = Simulation(seed)
    sim.run(partial(_replace_a_follower, sim))


async def _replace_a_follower(sim: Simulation) -> None:
    topology = Topology("kv", nodes=["n1", "n2", "n3", "n4", "n5"])
    topology.raft("store", machine=KeyValue)
    sim.deploy(topology)
    await sim.ready()
    await sim.clients(1, _put)
    leader = await sim.until(lambda: sim.leader_of("store"), within=WITHIN_S)
    wiped, *down, _ = [node.name for node in sim.nodes if node.name != leader]
    sim.node(wiped).wipe(do_format=True)
    sim.node(wiped).start()
    await asyncio.sleep(LONG_S)
    for name in (leader, down[0]):
        sim.node(name).crash()
    await asyncio.sleep(LONG_S)  # two of the old stores are left: they elect nobody


# Control mail comes before a full mailbox.


@message(name="simulation.Work")
class Work:
    """One of many."""

    number: int


class Crowded(Actor[Work | Terminated]):
    """Has much to do, and hears of the end of somebody it watches in the middle of it."""

    MUCH: Final = 1000

    def __init__(self, sim: Simulation, judge: RuntimeJudge, node: Node) -> None:
        self._sim = sim
        self._judge = judge

    def on_start(self) -> None:
        """Let somebody end, and much work wait."""
        self._gone = self.context.spawn(Idle)
        self.context.stop(self._gone)
        self._tell(partial(self._judge.spawned, "crowded"))
        for number in range(self.MUCH):
            self._tell(partial(self._judge.told, "itself", "crowded", Lane.BULK, number))
            self.context.self_ref.tell(Work(number))

    def receive(self, msg: Work | Terminated, /) -> None:
        """Work; watch, at the first piece of work: the notice comes at once, for who is watched has ended."""
        if isinstance(msg, Terminated):
            self._tell(partial(self._judge.told, "the runtime", "crowded", CONTROL, 0))
            self._tell(partial(self._judge.handling, "crowded", "the runtime", CONTROL, 0))
        else:
            self._tell(partial(self._judge.handling, "crowded", "itself", Lane.BULK, msg.number))
            if msg.number == self.MUCH // 10:
                self._tell(partial(self._judge.enqueued, "crowded", CONTROL))
                self.context.watch(self._gone)
        self._tell(partial(self._judge.handled, "crowded"))

    def _tell(self, word: partial[None]) -> None:
        self._sim.judge(word)


class Idle(Actor[Work]):
    """Nobody tells it anything."""

    def receive(self, msg: Work, /) -> None:
        """Do nothing."""


def crowded_mailbox(seed: int) -> None:
    """Tell of an actor with a thousand messages to handle: a notice comes before the rest of them.

    Raises:
        Violation: `runtime.control_starved`.
    """
    sim = Simulation(seed)

    async def main() -> None:
        topology = Topology("crowd", nodes=["n1"])
        topology.actor("crowded", partial(Crowded, sim, RuntimeJudge(sim.bench)))
        sim.deploy(topology)
        await asyncio.sleep(LONG_S)

    sim.run(main)


# Who does not know the key is not heard.


class Listener(Actor[Work]):
    """Tells the judge of whatever it hears."""

    def __init__(self, heard: list[Work]) -> None:
        self._heard = heard

    def receive(self, msg: Work, /) -> None:
        """Remember it."""
        self._heard.append(msg)


def strangers_key(seed: int) -> None:
    """Tell of two nodes with different keys, whichever of them dials: neither hears the other.

    Raises:
        Violation: `runtime.stranger_heard`.
    """
    for ours, theirs in (("n1", "n2"), ("n2", "n1")):
        world, heard = SimulatedWorld(seed), list[Work]()
        world.run(partial(_listen_and_call, world, ours, theirs, heard))
        if heard:
            detail = f"it has handled {len(heard)} messages of a node that does not know its key"
            Bench().fail("runtime.stranger_heard", NodeId(ours), detail)


async def _listen_and_call(world: SimulatedWorld, ours: str, theirs: str, heard: list[Work]) -> None:
    ports = {ours: 7401, theirs: 7402}
    one, other = world.begin(ours), world.begin(theirs)
    one.create_task(_live(one, ports, theirs, b"a key of ours alone", heard))
    other.create_task(_live(other, ports, ours, b"another, of theirs", []))
    await asyncio.sleep(LONG_S)


async def _live(life: Life, ports: dict[str, int], peer: str, key: bytes, heard: list[Work]) -> None:
    async with System(life.name, cluster="c", host=life.host, auth=SharedKey(key)) as system:
        await system.listen("127.0.0.1", ports[life.name])
        system.spawn(partial(Listener, heard), name="listener")
        system.add_peer(peer, "127.0.0.1", ports[peer])
        listener: Ref[Work] = system.at(Address(peer, "listener"))
        while True:
            listener.tell(Work(0))
            await asyncio.sleep(0.1)
