"""Scenario `membership`: three nodes found a cluster and others join, leave and come back, while nodes crash.

`ViewChecker` checks that all nodes see one sequence of views, and that a singleton, which is asked all the time, never
acts in an epoch after it has acted in a later one. When the faults have ended, all nodes that run must come to know one
view, in which they are all up, and the singleton must answer.
"""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Final

from coterie.actors.membership.cluster_nodes import Members
from coterie.actors.membership.membership_records import ViewUpdate
from coterie.actors.node import Node
from coterie.actors.simulation.checkers.view_checker import ViewChecker
from coterie.actors.simulation.scenarios.system_scenario import SystemScenario
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CoterieError
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message

__all__ = ["MEMBERSHIP"]

FOUNDERS: Final = 3
FINISH_S: Final = 90.0
LEAVE_EVERY_S: Final = 6.0
ASK_EVERY_S: Final = 0.05
ASK_S: Final = 2.0

EXCLUDED_KINDS: Final = ("stale_disk", "wiped_disk", "bit_rot")
"""Faults by which founders are lost: a minority of all nodes may be a majority of them."""


@message(name="simulation.Nothing")
class Nothing:
    """Is never sent: the observer handles no messages."""


class Observer(Actor[Nothing]):
    """Tells the checker of each view that its node learns."""

    def __init__(self, sim: Simulation, checker: ViewChecker, node: Node) -> None:
        self._sim = sim
        self._checker = checker
        self._node = node

    def on_start(self) -> None:
        """Follow the view."""
        if self._node.membership is not None:
            self._node.membership.subscribe(self._update)

    def receive(self, msg: Nothing, /) -> None:
        """Handle nothing."""

    def _update(self, update: ViewUpdate) -> None:
        if self._node.membership is not None and update.view.number > 0:
            self._sim.check(self._checker.seen, self._node.membership.me.identity, update.view)


@message(name="simulation.Act")
class Act(Ask[int]):
    """Ask the singleton to act; it answers its epoch."""


class Holder(Actor[Act]):
    """The singleton: tells the checker in which epoch it acts."""

    def __init__(self, sim: Simulation, checker: ViewChecker, node: Node, epoch: int) -> None:
        self._sim = sim
        self._checker = checker
        self._node = node
        self._epoch = epoch

    def receive(self, msg: Act, /) -> int:
        """Act."""
        self._sim.check(self._checker.acted, "holder", self._node.name, self._epoch)
        return self._epoch


async def run(sim: Simulation) -> None:
    """Run the scenario in `sim`, which must have a plan."""
    if sim.plan is None:
        raise ValueError("the scenario takes its nodes from the plan: pass one to Simulation(plan=…)")
    founders, guests = sim.plan.nodes[:FOUNDERS], sim.plan.nodes[FOUNDERS:]
    checker = ViewChecker(sim.violation_context)
    topology = Topology("members", nodes=Members(founders=founders))
    topology.actor("observer", partial(Observer, sim, checker))
    topology.singleton("holder", partial(Holder, sim, checker))
    sim.deploy(topology, guests=guests)
    asked = _Asked()
    leaving = [asyncio.ensure_future(_come_and_go(sim, sim.node(guest))) for guest in guests]
    asking = [asyncio.ensure_future(_ask(node, asked)) for node in sim.nodes]
    await sim.until(lambda: sim.injector.is_over, within_s=sim.plan.ends_at_s + FINISH_S)
    for task in leaving:
        task.cancel()
    sim.heal()
    await sim.until(partial(_is_settled, sim, checker), within_s=FINISH_S)
    answered = asked.answered
    await sim.until(lambda: asked.answered > answered + len(sim.nodes), within_s=FINISH_S)
    for task in asking:
        task.cancel()


class _Asked:
    """How many asks the singleton has answered."""

    answered = 0


async def _ask(node: SimulatedNode, asked: _Asked) -> None:
    """Ask the singleton from one node, all the time."""
    while True:
        await asyncio.sleep(ASK_EVERY_S)
        if not node.is_up or node.is_paused:
            continue
        try:
            with node.life:
                ask = node.node.singleton("holder").ask(Act(), timeout_s=ASK_S)
            await asyncio.wait_for(ask, 2 * ASK_S)  # that of a process that has ended is never answered
        except TimeoutError:
            continue
        except (CoterieError, asyncio.CancelledError):
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
        else:
            asked.answered += 1


async def _come_and_go(sim: Simulation, guest: SimulatedNode) -> None:
    """Let a node leave from time to time; what runs it starts it again."""
    rng = random.Random(f"{sim.seed}/{guest.name}")
    while True:
        await asyncio.sleep(rng.uniform(0.0, 2 * LEAVE_EVERY_S))
        if guest.is_up and not guest.is_paused and guest.node.membership is not None:
            membership = guest.node.membership
            try:
                with guest.life:
                    leave = asyncio.ensure_future(membership.leave())
                await leave
            except CoterieError:
                continue
            await asyncio.sleep(rng.uniform(0.0, 2.0))
            guest.start()


def _is_settled(sim: Simulation, checker: ViewChecker) -> bool:
    """Start the nodes that are down; return whether all run, and know one view in which all of them are up."""
    nodes = [node for node in sim.nodes if not node.is_gone]
    for node in nodes:
        node.start()
    known = [node.node.membership for node in nodes if node.is_up]
    if len(known) < len(nodes):
        return False
    own = [membership.own for membership in known if membership is not None]
    numbers = {membership.view.number for membership in known if membership is not None}
    return all(member is not None and member.is_up for member in own) and numbers == {checker.newest.number}


MEMBERSHIP = SystemScenario("membership", run, nodes=5, min_operations=0, excluded_kinds=EXCLUDED_KINDS)
"""`coterie sim membership`."""
