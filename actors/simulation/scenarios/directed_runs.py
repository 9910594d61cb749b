"""Directed runs: simulates fixed situations that random fault plans rarely reach; a failed run raises `Violation`.

They show what no plan within the fault budget does (a node with another key, a second process under a node's name), or
what only a mailbox with many waiting messages shows.
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
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["crowded_mailbox", "second_process", "strangers_key"]

WITHIN_S: Final = 30.0
SETTLE_S: Final = 10.0


# Control messages precede the messages that wait in a mailbox.


@message(name="simulation.Work", speaker=Speaker.NODE)
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


# A second process under a node's name is not heard, and does not push the right one out.

RIGHT, WRONG = WorkItem(1), WorkItem(2)
AT_THE_END: Final = 10  # messages of the last second


def second_process(seed: int) -> None:
    """Start a process with another store under the name of a linked node: it must change nothing.

    Raises:
        Violation: `runtime.second_process_heard`, `runtime.right_process_unheard`.
    """
    world, received = SimulatedWorld(seed), list[WorkItem]()
    world.run(partial(_run_two_processes, world, received))
    violation = ViolationContext()
    if WRONG in received:
        detail = "it has handled messages of another process under the name of a node that is linked"
        violation.fail("runtime.second_process_heard", NodeId("n2"), detail)
    if RIGHT not in received:
        violation.fail("runtime.right_process_unheard", NodeId("n2"), "another process has pushed out the right one")


async def _run_two_processes(world: SimulatedWorld, received: list[WorkItem]) -> None:
    acceptor = world.begin("n2")
    acceptor.create_task(_listen_as_n2(acceptor, received))
    for machine, store, work in (("n1", "a", RIGHT), ("elsewhere", "b", WRONG)):
        life = world.begin(machine)
        life.create_task(_tell_as_n1(life, 32 * store, work))
        received.clear()
        await asyncio.sleep(SETTLE_S)
    del received[:-AT_THE_END]


async def _listen_as_n2(life: Life, received: list[WorkItem]) -> None:
    async with System("n2", cluster="c", host=life.host) as system:
        await system.listen("127.0.0.1", 7402)
        system.spawn(partial(WorkListener, received), name="listener")
        await asyncio.Event().wait()


async def _tell_as_n1(life: Life, store: str, work: WorkItem) -> None:
    async with System("n1", cluster="c", host=life.host) as system:
        system.remoting.identify_store(store)
        system.add_peer("n2", "127.0.0.1", 7402)
        listener: Ref[WorkItem] = system.at(Address("n2", "listener"))
        while True:
            listener.tell(work)
            await asyncio.sleep(0.1)
