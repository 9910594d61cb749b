"""Hostile clients reach nodes; a node in which an actor fails, or that keeps what they sent, is found."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from coterie import Actor, KeyValue, Node, Topology, message
from coterie.actors.simulation.simulation import Simulation
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Attack, Crash, HostileClient, kind
from coterie.runtime.observing.dead_letters import DeadLetter, Reason

NODES = ("n1", "n2", "n3")


@message(name="test_hostile.Ping")
class Ping:
    pass


class Failing(Actor[Ping]):
    """Fails on its first message."""

    def __init__(self, _node: Node) -> None:
        pass

    def receive(self, _msg: Ping) -> None:
        raise LookupError("as a mutant would")


def attacked(*attacks: Attack, then: Callable[[Simulation], object] = lambda sim: None, seed: int = 1) -> Simulation:
    """Attack each node of a store in each of these ways; call `then` in the middle of it."""
    faults = [
        HostileClient(0.5 + at * 0.1, node, 1.0, attack, at) for node in NODES for at, attack in enumerate(attacks)
    ]
    sim = Simulation(seed, plan=FaultPlan(NODES, tuple(faults), 4.0))

    async def main() -> None:
        topology = Topology("kv", nodes=NODES)
        topology.raft("store", machine=KeyValue)
        topology.actor("failing", Failing)
        sim.deploy(topology)
        await sim.ready()
        await asyncio.sleep(1.0)
        then(sim)
        await sim.until(lambda: sim.injector.is_over, within_s=20)

    sim.run(main)
    return sim


@pytest.mark.parametrize("attack", Attack)
def test_every_attack_takes_effect_and_harms_no_actor(attack: Attack) -> None:
    sim = attacked(attack)

    assert sim.fault_counts.count(f"hostile_client.{attack.value}") == len(NODES)
    assert not [line for line in sim.trace if line.what == "simulation.failed"]


def test_the_same_seed_attacks_in_the_same_way() -> None:
    first, again = (
        Simulation(3, plan=FaultPlan(NODES, (HostileClient(0.2, "n1", 0.5, Attack.ROWS, 9),), 1.0), is_hashed=True)
        for _ in range(2)
    )
    for sim in (first, again):

        async def main(sim: Simulation = sim) -> None:
            sim.deploy(Topology("void", nodes=NODES), durable=False)
            await sim.until(lambda: sim.injector.is_over, within_s=20)

        sim.run(main)
    assert first.digest == again.digest


def test_an_actor_that_fails_during_an_attack_is_reported() -> None:
    def fail(sim: Simulation) -> None:
        node = sim.node("n2")
        with node.life:
            node.system.registry.cell_at("failing").tell(Ping())  # type: ignore[union-attr]

    with pytest.raises(Violation, match=r"runtime\.actor_failed_under_attack broken at n2, .* actor\.failed: failing"):
        attacked(Attack.ROWS, then=fail)


def test_a_dead_letter_that_keeps_what_was_sent_is_reported() -> None:
    def keep(sim: Simulation) -> None:
        sim.node("n2").system.dead_letters.latest.append(DeadLetter(Reason.NOT_FOUND, "x" * 5000, "m"))

    with pytest.raises(Violation, match=r"runtime\.dead_letter_kept broken at n2"):
        attacked(Attack.LETTERS, then=keep)


def test_an_attack_on_a_node_that_crashes_goes_on_when_it_is_back() -> None:
    faults = (Crash(0.1, "n1", down_s=1.0), HostileClient(0.3, "n1", 0.2, Attack.ROWS, 1))
    sim = Simulation(1, plan=FaultPlan(NODES, faults, 8.0))

    async def main() -> None:
        sim.deploy(Topology("void", nodes=NODES), durable=False)
        await sim.until(lambda: sim.injector.is_over, within_s=20)

    sim.run(main)
    assert sim.fault_counts.count(kind(faults[1])) == 1
