"""Directed runs: simulates fixed situations that random fault plans rarely reach; a failed run raises `Violation`.

They show what no plan within the fault budget does (a node with another key), or what only a mailbox with many waiting
messages shows.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from coterie.actors.node import Node
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.runtime_checker import CONTROL, RuntimeChecker
from coterie.protocols.checking.violation import ViolationContext
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["crowded_mailbox", "strangers_key"]

WITHIN_S: Final = 30.0
SETTLE_S: Final = 10.0


# Control messages precede the messages that wait in a mailbox.


@message(name="simulation.Work")
class WorkItem:
    """One of many messages."""

    number: int


class BusyActor(Actor[WorkItem | Terminated]):
    """Has many messages waiting, and gets a termination notice while it handles them."""

    WORK_ITEMS: Final = 1000

    def __init__(self, sim: Simulation, checker: RuntimeChecker, node: Node) -> None:
        self._sim = sim
        self._checker = checker

    def on_start(self) -> None:
        """Stop a child, and fill the mailbox with work."""
        self._stopped = self.context.spawn(Idle)
        self.context.stop(self._stopped)
        self._report(partial(self._checker.spawned, "crowded"))
        for number in range(self.WORK_ITEMS):
            self._report(partial(self._checker.sent, "itself", "crowded", Lane.BULK, number))
            self.context.self_ref.tell(WorkItem(number))

    def receive(self, msg: WorkItem | Terminated, /) -> None:
        """Handle an item; after a tenth of them watch the stopped child, so that a notice is sent at once."""
        if isinstance(msg, Terminated):
            self._report(partial(self._checker.sent, "the runtime", "crowded", CONTROL, 0))
            self._report(partial(self._checker.handling, "crowded", "the runtime", CONTROL, 0))
        else:
            self._report(partial(self._checker.handling, "crowded", "itself", Lane.BULK, msg.number))
            if msg.number == self.WORK_ITEMS // 10:
                self._report(partial(self._checker.enqueued, "crowded", CONTROL))
                self.context.watch(self._stopped)
        self._report(partial(self._checker.handled, "crowded"))

    def _report(self, fact: partial[None]) -> None:
        self._sim.check(fact)


class Idle(Actor[WorkItem]):
    """An actor that gets no messages."""

    def receive(self, msg: WorkItem, /) -> None:
        """Do nothing."""


def crowded_mailbox(seed: int) -> None:
    """Run an actor with a thousand waiting messages: a termination notice must precede the rest of them.

    Raises:
        Violation: `runtime.control_starved`.
    """
    sim = Simulation(seed)

    async def main() -> None:
        topology = Topology("mailbox", nodes=["n1"])
        topology.actor("crowded", partial(BusyActor, sim, RuntimeChecker(sim.violation_context)))
        sim.deploy(topology)
        await asyncio.sleep(SETTLE_S)

    sim.run(main)


# Messages of a node without the key are not received.


class WorkListener(Actor[WorkItem]):
    """Collects the messages that it receives."""

    def __init__(self, received: list[WorkItem]) -> None:
        self._received = received

    def receive(self, msg: WorkItem, /) -> None:
        """Store the message."""
        self._received.append(msg)


def strangers_key(seed: int) -> None:
    """Connect two nodes with different keys, in both directions: neither must receive a message of the other.

    Raises:
        Violation: `runtime.stranger_heard`.
    """
    for ours, theirs in (("n1", "n2"), ("n2", "n1")):
        world, received = SimulatedWorld(seed), list[WorkItem]()
        world.run(partial(_listen_and_call, world, ours, theirs, received))
        if received:
            detail = f"it has handled {len(received)} messages of a node that does not know its key"
            ViolationContext().fail("runtime.stranger_heard", NodeId(ours), detail)


async def _listen_and_call(world: SimulatedWorld, ours: str, theirs: str, received: list[WorkItem]) -> None:
    ports = {ours: 7401, theirs: 7402}
    one, other = world.begin(ours), world.begin(theirs)
    one.create_task(_run_life(one, ports, theirs, b"a key of ours alone", received))
    other.create_task(_run_life(other, ports, ours, b"another, of theirs", []))
    await asyncio.sleep(SETTLE_S)


async def _run_life(life: Life, ports: dict[str, int], peer: str, key: bytes, received: list[WorkItem]) -> None:
    async with System(life.name, cluster="c", host=life.host, auth=SharedKey(key)) as system:
        await system.listen("127.0.0.1", ports[life.name])
        system.spawn(partial(WorkListener, received), name="listener")
        system.add_peer(peer, "127.0.0.1", ports[peer])
        listener: Ref[WorkItem] = system.at(Address(peer, "listener"))
        while True:
            listener.tell(WorkItem(0))
            await asyncio.sleep(0.1)
