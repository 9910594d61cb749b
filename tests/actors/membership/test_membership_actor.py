"""Nodes that join, leave, crash and are cut off, in whole simulated clusters with a view."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.cluster_nodes import Members, Role
from coterie.actors.membership.membership_records import ViewUpdate
from coterie.actors.node import Node
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import NotInView
from coterie.protocols.membership.member_events import MemberDown, MemberJoined, MemberRemoved, MemberUp
from coterie.protocols.membership.members import MembershipState
from coterie.protocols.membership.node.membership_config import MembershipConfig
from coterie.protocols.membership.partition_policy import KeepMajority, PartitionPolicy, Stand
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message

FOUNDERS = ["n1", "n2", "n3"]
CONFIG = MembershipConfig()


@message(name="test.WhereAreYou")
class WhereAreYou(Ask[str]):
    """Ask a worker for its node."""


class Worker(Actor[WhereAreYou]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: WhereAreYou, /) -> str:
        return self._node.name


def shop(**options: object) -> Topology:
    topology = Topology("shop", nodes=Members(founders=FOUNDERS, **options))  # type: ignore[arg-type]
    topology.pool("workers", Worker, nodes=Role("worker"))
    topology.actor("front", Worker)
    return topology


def simulated(
    program: Callable[[Simulation], Awaitable[None]],
    *,
    guests: tuple[str, ...] = ("n4",),
    policy: PartitionPolicy | None = None,
) -> None:
    sim = Simulation(7)

    async def run() -> None:
        sim.deploy(shop() if policy is None else shop(policy=policy), guests=guests)
        await up(sim, *FOUNDERS, *guests)
        await program(sim)

    sim.run(run)


def membership(sim: Simulation, node: str) -> ClusterMembership:
    found = sim.node(node).node.membership
    assert found is not None
    return found


async def up(sim: Simulation, *nodes: str) -> None:
    def are_up() -> bool:
        return all(sim.node(node).is_up and is_up(membership(sim, node)) for node in nodes)

    await sim.until(are_up, within_s=30)


def is_up(known: ClusterMembership) -> bool:
    return known.own is not None and known.own.is_up


def states(sim: Simulation, at: str) -> dict[str, str]:
    return {member.name: member.state.value for member in membership(sim, at).view}


def test_a_node_that_the_topology_does_not_name_joins_by_a_seed_and_is_known_to_all() -> None:
    async def program(sim: Simulation) -> None:
        await sim.until(lambda: all("n4" in states(sim, node) for node in FOUNDERS), within_s=5)
        assert states(sim, "n1") == dict.fromkeys([*FOUNDERS, "n4"], "up")
        assert sim.node("n1").node.nodes == [*FOUNDERS, "n4"]

    simulated(program)


def test_a_node_that_crashes_is_down_and_then_removed_and_its_next_life_joins() -> None:
    async def program(sim: Simulation) -> None:
        updates: list[ViewUpdate] = []
        membership(sim, "n1").subscribe(updates.append)
        first = membership(sim, "n4").me.identity
        sim.node("n4").crash()
        await sim.until(lambda: "n4" not in states(sim, "n1"), within_s=15)
        sim.node("n4").start()
        await up(sim, "n4")
        await sim.until(lambda: states(sim, "n1").get("n4") == "up", within_s=5)
        kinds = [(type(event), event.member.incarnation) for update in updates for event in update.events]
        second = membership(sim, "n4").me.identity
        assert kinds == [
            (MemberDown, first.incarnation),
            (MemberRemoved, first.incarnation),
            (MemberJoined, second.incarnation),
            (MemberUp, second.incarnation),
        ]

    simulated(program)


def test_a_node_that_is_started_again_at_once_takes_its_own_place() -> None:
    async def program(sim: Simulation) -> None:
        sim.node("n4").restart()
        await sim.until(lambda: sim.node("n4").is_up, within_s=5)
        await up(sim, "n4")
        assert "down" not in states(sim, "n1").values()

    simulated(program)


def test_a_member_is_removed_only_after_its_lease_has_ended_by_its_own_clock() -> None:
    async def program(sim: Simulation) -> None:
        sim.partition(["n4"], FOUNDERS)
        cut_off = membership(sim, "n4")
        await sim.until(lambda: states(sim, "n1").get("n4") == "down", within_s=15)
        await sim.until(lambda: "n4" not in states(sim, "n1"), within_s=15)
        assert not cut_off.may_act
        assert sim.node("n4").system.host.clock.monotonic() > cut_off.lease_ends_at

    simulated(program)


def test_a_node_without_the_quorum_of_the_founders_acts_no_more_within_its_lease() -> None:
    async def program(sim: Simulation) -> None:
        known = membership(sim, "n4")
        stands = [known.stand]
        known.on_change(lambda: stands.append(known.stand))
        sim.partition(["n4"], FOUNDERS)
        await asyncio.sleep(CONFIG.lease_s)
        assert not known.may_act
        await sim.until(lambda: stands[-1] is Stand.STOP, within_s=20)
        assert list(dict.fromkeys(stands)) == [Stand.ACT, Stand.SERVE, Stand.STOP]

    simulated(program, policy=KeepMajority())


def test_a_node_whose_policy_stops_it_runs_no_actors_until_it_is_part_of_a_serving_side_again() -> None:
    async def program(sim: Simulation) -> None:
        def runs_front() -> bool:
            return sim.node("n3").system.registry.cell_at("front") is not None

        sim.partition(["n3"], ["n1", "n2", "n4"])
        sim.node("n3").pause(after_s=0.5, duration_s=0.1)
        await sim.until(lambda: membership(sim, "n3").stand is Stand.STOP, within_s=20)
        await asyncio.sleep(0.1)
        assert not runs_front()
        assert sim.node("n3").system.registry.cell_at("membership") is not None
        sim.heal()
        await sim.until(lambda: sim.node("n3").is_up and runs_front(), within_s=30)

    simulated(program, policy=KeepMajority())


def test_by_default_a_node_that_is_cut_off_goes_on_serving() -> None:
    async def program(sim: Simulation) -> None:
        sim.partition(["n4"], FOUNDERS)
        await asyncio.sleep(15)
        assert membership(sim, "n4").stand is Stand.SERVE
        assert sim.node("n4").system.registry.cell_at("front") is not None

    simulated(program)


def test_a_life_that_was_removed_ends_its_system_and_its_next_life_joins() -> None:
    async def program(sim: Simulation) -> None:
        first = membership(sim, "n4").me.identity
        sim.node("n4").pause(duration_s=12.0)
        await sim.until(lambda: "n4" not in states(sim, "n1"), within_s=11)
        await sim.until(lambda: sim.node("n4").is_up and membership(sim, "n4").me.identity != first, within_s=20)
        await up(sim, "n4")

    simulated(program)


def test_a_node_that_leaves_hands_over_first_and_is_removed_without_being_down() -> None:
    async def program(sim: Simulation) -> None:
        order: list[str] = []
        leaving = membership(sim, "n4")

        async def give_up() -> None:
            await asyncio.sleep(0.5)
            order.append(f"given up, {states(sim, 'n1')['n4']}")

        leaving.at_handover(give_up)
        membership(sim, "n1").subscribe(
            lambda update: order.extend(f"{type(event).__name__}" for event in update.events)
        )
        with sim.node("n4").life:
            leave = asyncio.ensure_future(leaving.leave())
        await leave
        await sim.until(lambda: "n4" not in states(sim, "n1"), within_s=5)
        assert order == ["MemberLeaving", "given up, leaving", "MemberRemoved"]

    simulated(program)


def test_all_nodes_that_are_started_again_at_their_addresses_are_one_cluster_again() -> None:
    async def program(sim: Simulation) -> None:
        before = membership(sim, "n1").view
        for node in sim.nodes:
            node.crash()
        await asyncio.sleep(3)
        for node in sim.nodes:
            node.start()
        await up(sim, *FOUNDERS, "n4")
        after = membership(sim, "n1").view
        await sim.until(lambda: states(sim, "n1") == dict.fromkeys([*FOUNDERS, "n4"], "up"), within_s=10)
        assert after.number > before.number
        assert all(after.find(member.identity) is None for member in before)

    simulated(program)


def test_a_quorum_of_founders_that_is_lost_removes_nobody() -> None:
    async def program(sim: Simulation) -> None:
        number = membership(sim, "n3").view.number
        sim.node("n1").crash()
        sim.node("n2").crash()
        await asyncio.sleep(30)
        assert membership(sim, "n3").view.number == number
        assert not membership(sim, "n3").may_act
        assert not membership(sim, "n4").may_act

    simulated(program)


def test_a_leader_of_the_view_that_dies_with_a_guest_leaves_one_view_without_both() -> None:
    async def program(sim: Simulation) -> None:
        leader = sim.leader_of("membership")
        assert leader is not None
        sim.node(leader).crash()
        sim.node("n5").crash()
        rest = [node for node in [*FOUNDERS, "n4"] if node != leader]
        await sim.until(lambda: states(sim, rest[0]) == dict.fromkeys(rest, "up"), within_s=30)

    simulated(program, guests=("n4", "n5"))


def test_a_founder_may_not_leave_if_the_rest_is_no_quorum() -> None:
    async def program(sim: Simulation) -> None:
        sim.node("n2").crash()
        await sim.until(lambda: "n2" not in states(sim, "n1"), within_s=20)
        with sim.node("n3").life:
            leave = asyncio.ensure_future(membership(sim, "n3").leave())
        with pytest.raises(NotInView, match="would have no quorum"):
            await leave
        assert states(sim, "n1")["n3"] == MembershipState.UP.value

    simulated(program)


def test_a_policy_that_ends_nodes_ends_those_of_the_smaller_side() -> None:
    sim = Simulation(3)

    async def run() -> None:
        sim.deploy(shop(policy=KeepMajority(otherwise=Stand.END)), guests=("n4",))
        await up(sim, *FOUNDERS, "n4")
        first = membership(sim, "n4").me.identity
        sim.partition(["n4"], FOUNDERS)
        await sim.until(lambda: sim.node("n4").is_down, within_s=20)
        sim.heal()
        await up(sim, "n4")
        assert membership(sim, "n4").me.identity != first

    sim.run(run)


def test_parts_run_where_their_role_is() -> None:
    async def program() -> None:
        topology = shop(roles={"n2": ["worker"]})
        async with topology.together() as nodes:
            assert nodes["n1"].membership is not None
            await nodes["n1"].membership.up()
            assert nodes["n2"].system.registry.cell_at("workers") is not None
            assert nodes["n1"].system.registry.cell_at("workers") is None
            assert nodes["n1"].system.registry.cell_at("front") is not None
            assert await nodes["n1"].pool("workers").ask(WhereAreYou()) == "n2"

    asyncio.run(program())


def test_a_small_side_with_the_quorum_removes_the_many_that_it_does_not_reach() -> None:
    guests = tuple(f"n{number}" for number in range(4, 12))

    async def program(sim: Simulation) -> None:
        sim.partition(["n1", "n2"], ["n3", *guests])
        await sim.until(lambda: set(states(sim, "n1")) == {"n1", "n2"}, within_s=60)
        sim.heal()
        await up(sim, *FOUNDERS, *guests)

    simulated(program, guests=guests)


def test_a_guest_that_is_stopped_in_order_leaves_the_view_and_a_founder_stays_in_it() -> None:
    async def program(sim: Simulation) -> None:
        kinds: list[str] = []
        membership(sim, "n1").subscribe(lambda update: kinds.extend(type(event).__name__ for event in update.events))
        for name in ("n4", "n3"):
            with sim.node(name).life:
                drain = asyncio.ensure_future(sim.node(name).node.drain())
            await drain
        await sim.until(lambda: "n4" not in states(sim, "n1"), within_s=3)
        assert kinds == ["MemberLeaving", "MemberRemoved"]
        assert states(sim, "n1")["n3"] == "up"

    simulated(program)


def moved(sim: Simulation, node: str, port: int) -> None:
    """Let the next process of a node listen elsewhere."""
    sim.deployment.addresses[node] = f"127.0.0.1:{port}"


def test_a_founder_that_is_started_again_at_another_address_with_its_store_takes_its_place() -> None:
    async def program(sim: Simulation) -> None:
        first = membership(sim, "n3").me.identity
        sim.node("n3").crash()
        moved(sim, "n3", 7600)
        sim.node("n3").start()
        await sim.until(lambda: sim.node("n3").is_up and membership(sim, "n3").me.identity != first, within_s=5)
        await up(sim, "n3")
        assert states(sim, "n1")["n3"] == "up"

    simulated(program)


def test_all_founders_that_move_at_once_are_one_cluster_again() -> None:
    async def program(sim: Simulation) -> None:
        for node in sim.nodes:
            node.crash()
        for at, node in enumerate(sim.nodes):
            moved(sim, node.name, 7700 + at)
        for node in sim.nodes:
            node.start()
        await sim.until(lambda: all(node.is_up for node in sim.nodes), within_s=30)
        await up(sim, *FOUNDERS, "n4")
        assert membership(sim, "n4").may_act

    simulated(program)
