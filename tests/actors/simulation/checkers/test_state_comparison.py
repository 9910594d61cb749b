"""Whole states are compared in every simulation: a difference that no reply shows is found in the first seed."""

from __future__ import annotations

import random
import time

import pytest

from coterie import Ask, StateMachine, Topology, message
from coterie.actors.simulation.checkers.state_comparison import COMPARED_ENTRIES
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.protocols.checking.violation import Violation


@message(name="test_state_comparison.Add")
class Add(Ask[int]):
    amount: int


class Drawing(StateMachine[Add]):
    """Draws a random number that no reply ever shows."""

    def __init__(self) -> None:
        self.items: list[float] = []

    def apply(self, command: Add, /) -> int:
        self.items.append(random.random())
        return len(self.items)


class Clocked(StateMachine[Add]):
    def __init__(self) -> None:
        self.at_by_number: dict[int, float] = {}

    def apply(self, command: Add, /) -> int:
        self.at_by_number[len(self.at_by_number)] = time.monotonic()
        return 0


class Honest(StateMachine[Add]):
    def __init__(self) -> None:
        self.total = 0
        self.seen: set[int] = set()

    def apply(self, command: Add, /) -> int:
        self.total += command.amount
        self.seen.add(command.amount)
        return self.total


def simulate(machine: type[StateMachine[Add]], *, seed: int = 1, commands: int = 5) -> None:
    topology = Topology("compared", nodes=["n1", "n2", "n3"])
    topology.raft("group", machine=machine)
    sim = Simulation(seed)

    async def adds(client: SimulatedClient) -> None:
        for amount in range(commands):
            await client.access.group("group").execute(Add(amount))

    async def main() -> None:
        sim.deploy(topology)
        await sim.ready()
        clients = sim.clients(1, adds)
        await sim.until(lambda: clients.is_done, within_s=60.0)
        await sim.until(lambda: applied_everywhere(sim), within_s=10.0)

    sim.run(main)


def applied_everywhere(sim: Simulation) -> bool:
    checker = sim.deployment.raft_checkers[0]
    return all(checker.has_converged(node.name) for node in sim.nodes)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("machine", [Drawing, Clocked])
def test_a_state_that_differs_is_found_in_every_seed_although_all_replies_are_equal(
    machine: type[StateMachine[Add]], seed: int
) -> None:
    with pytest.raises(Violation, match=r"raft\.state_equal.*before entry \d+: state\.(items|at_by_number)\[0\] is"):
        simulate(machine, seed=seed)


def test_a_difference_is_found_while_the_run_goes_on() -> None:
    with pytest.raises(Violation, match=rf"before entry {COMPARED_ENTRIES}:"):
        simulate(Drawing, commands=3 * COMPARED_ENTRIES)


def test_replicas_of_a_deterministic_machine_are_equal() -> None:
    simulate(Honest, commands=2 * COMPARED_ENTRIES)
