"""The operator of simulated groups makes every kind of change, and keeps to the fault budget of the plan."""

from __future__ import annotations

import random
from functools import partial

import pytest

from coterie.actors.groups.key_value import KeyValue
from coterie.actors.simulation.scenarios.members.member_operator import MemberOperator, are_settled
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Fault, WipedDisk

NODES = ("n1", "n2", "n3")


def operated(seed: int, *faults: Fault, spares: tuple[str, ...] = (), ends_at_s: float = 40.0) -> MemberOperator:
    """Run an operator until its plan is over and everything is settled, and return it."""
    plan = FaultPlan(NODES, faults, ends_at_s, "everything")
    sim = Simulation(seed, plan=plan)
    topology = Topology("kv", nodes=[*NODES, *spares])
    topology.raft("store", machine=KeyValue, nodes=NODES)
    operator = MemberOperator(sim, plan, "store", random.Random(seed))

    async def body() -> None:
        sim.deploy(topology, joining=spares)
        await sim.ready()
        clients = sim.clients(1, operator.run)
        await sim.until(lambda: clients.is_done, within_s=ends_at_s + 60)
        await sim.until(partial(are_settled, sim, "store"), within_s=10)

    sim.run(body)
    return operator


def test_it_makes_changes_of_all_kinds() -> None:
    done: dict[str, int] = {}
    for seed in range(3):
        for kind, count in operated(seed, spares=("n4", "n5")).done.items():
            done[kind] = done.get(kind, 0) + count

    assert {"add", "add learner", "promote", "remove", "swap"} <= set(done)


@pytest.mark.parametrize("seed", range(3))
def test_it_takes_nothing_away_while_the_plan_may_cost_a_disk_of_three(seed: int) -> None:
    """One of three disks will be lost: two voters, or one more lost disk, could not bear that."""
    operator = operated(seed, WipedDisk(19.9, "n2", down_s=0.1), ends_at_s=20.0)

    assert set(operator.done) <= {"replace"}


def test_it_replaces_disks_that_the_plan_has_cost() -> None:
    fault = WipedDisk(2.0, "n2", down_s=0.1)

    done = [operated(seed, fault, ends_at_s=30.0).done for seed in range(3)]

    assert sum(kinds.get("replace", 0) for kinds in done) >= 2  # or the lost member was removed, and added again
