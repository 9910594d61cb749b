"""Nodes join, and lost disks are replaced, in simulations of users; the checkers follow the members."""

from __future__ import annotations

from typing import Any

import pytest

from coterie.actors.groups.group_messages import GroupMember
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import PlanError, TopologyError
from coterie.protocols.checking.violation import Violation
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.membership.reconfiguration import Reconfiguration

FOUNDERS = ("n1", "n2", "n3")
NODES = (*FOUNDERS, "n4")


def topology() -> Topology:
    made = Topology("kv", nodes=NODES)
    made.raft("store", machine=KeyValue, nodes=FOUNDERS)
    return made


async def puts(client: SimulatedClient) -> None:
    for at in client.rounds(10):
        await client.key_value("store").put(b"k%d" % at, b"%d" % client.number)


async def begin(sim: Simulation) -> Any:
    sim.deploy(topology(), joining=["n4"])
    await sim.ready()
    await sim.clients(1, puts)
    return (await sim.observer()).group("store")


def stores(members: tuple[GroupMember, ...]) -> dict[str, str | None]:
    return {member.node: member.store for member in members}


@pytest.mark.parametrize("seed", range(4))
def test_a_node_joins_and_counts_as_a_voter_from_then_on(seed: int) -> None:
    sim = Simulation(seed)

    async def body() -> None:
        group = await begin(sim)
        assert (await group.status())["n4"].role == "not_a_member"
        await group.add("n4")
        sim.node("n1").crash()
        sim.node("n4").restart()
        await sim.clients(2, puts)
        (checker,) = sim.deployment.raft_checkers
        await sim.until(lambda: all(checker.has_converged(name) for name in ("n2", "n3", "n4")), within_s=10)
        sim.assert_linearizable()

    sim.run(body)


@pytest.mark.parametrize("seed", range(4))
def test_a_lost_disk_is_replaced_and_its_store_is_another_replica(seed: int) -> None:
    sim = Simulation(seed)

    async def body() -> None:
        group = await begin(sim)
        lost = stores(await group.members())["n3"]
        sim.node("n3").wipe(join=True)
        sim.node("n3").start()
        await group.replace("n3", store=lost)
        await sim.clients(2, puts)
        (checker,) = sim.deployment.raft_checkers
        await sim.until(lambda: all(map(checker.has_converged, FOUNDERS)), within_s=10)
        assert checker.replicas.all_on("n3") == ("n3", "n3/2")
        assert checker.protocol_checker.disk(checker.replicas.latest("n3")).last_index > checker.base.index
        sim.assert_linearizable()

    sim.run(body)


def test_a_removed_member_counts_no_more_for_the_checker() -> None:
    """Two of the three that are left hold what is committed: of four, with the removed one, that were no majority."""
    sim = Simulation(1)

    async def body() -> None:
        group = await begin(sim)
        await group.add("n4")
        await group.transfer("n1")
        await group.remove("n2")
        sim.node("n2").crash()
        sim.node("n4").crash()
        await sim.clients(1, puts)

    sim.run(body)


def test_a_change_of_voters_that_is_not_joint_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The invariants of members (dissertation §4) are checked at the level of systems, too."""
    append = Reconfiguration._append

    def append_the_last(self: Reconfiguration, leadership: Leadership, membership: Membership) -> None:
        append(self, leadership, membership.after_joint())

    monkeypatch.setattr(Reconfiguration, "_append", append_the_last)
    sim = Simulation(2)

    async def body() -> None:
        group = await begin(sim)
        await group.remove("n2")

    with pytest.raises(Violation) as caught:
        sim.run(body)
    assert caught.value.invariant == "raft.membership_step"


@pytest.mark.parametrize("nodes", [NODES, FOUNDERS])
def test_a_plan_is_for_all_nodes_or_for_those_that_do_not_join(nodes: tuple[str, ...]) -> None:
    sim = Simulation(0, plan=FaultPlan(nodes, (), 1.0))

    sim.run(lambda: begin(sim))

    assert sim.injector.plan is not None


def test_a_plan_for_other_nodes_is_refused() -> None:
    sim = Simulation(0, plan=FaultPlan(("n1", "n2"), (), 1.0))

    with pytest.raises(PlanError, match="the plan is for nodes n1, n2,"):
        sim.run(lambda: begin(sim))


def test_an_unknown_node_cannot_join() -> None:
    sim = Simulation(0)

    async def body() -> None:
        sim.deploy(topology(), joining=["n9"])

    with pytest.raises(TopologyError, match="it has no nodes n9, which are to join"):
        sim.run(body)
