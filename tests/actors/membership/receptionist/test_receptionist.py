"""Services in clusters of real actors, in virtual time: registered, found, followed; gone with actors and nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from coterie import (
    Actor,
    AskTimeout,
    KeepMajority,
    MemberId,
    Members,
    MembershipConfig,
    ServiceInstance,
    ServiceRefused,
    ServiceUpdate,
    Supervision,
    Topology,
    View,
)
from coterie.actors.membership.receptionist.service_messages import RECEPTIONIST_PATH
from coterie.actors.membership.view_machine import Register, Unregister, ViewMachine
from coterie.actors.node import Node
from coterie.protocols.membership.view_decisions import Refused
from coterie.testing import Cluster
from tests.actors.membership.receptionist.service_clusters import (
    Fail,
    Where,
    Worker,
    all_find,
    found,
    joined,
    topology_of,
    until,
    up,
    worker,
)

pytestmark = pytest.mark.virtual


class Listener(Actor[ServiceUpdate]):
    def __init__(self, seen: list[ServiceUpdate]) -> None:
        self._seen = seen

    def receive(self, msg: ServiceUpdate, /) -> None:
        self._seen.append(msg)


# --- registering and finding


async def test_an_actor_is_found_by_every_node_and_answers(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())

    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"]))
    assert found(cluster["n2"]) == ["worker@n2"]
    await cluster["n3"].receptionist.register("cart", worker(cluster["n3"]).path)

    await until(all_find(cluster, "worker@n2", "worker@n3"))
    assert [await ref.ask(Where()) for ref in cluster["n1"].receptionist.find("cart")] == ["n2", "n3"]
    assert cluster["n1"].receptionist.find("mail") == []


async def test_one_actor_may_provide_several_services_and_a_service_several_actors_of_a_node(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    one, other = worker(cluster["n1"], "a"), worker(cluster["n1"], "b")
    desk = cluster["n1"].receptionist

    await asyncio.gather(
        desk.register("cart", one), desk.register("cart", other), desk.register("mail", one), desk.register("mail", one)
    )

    assert (found(cluster["n1"]), found(cluster["n1"], "mail")) == (["a@n1", "b@n1"], ["a@n1"])


async def test_what_is_registered_before_the_node_is_up_is_registered_when_it_is(make_cluster: Any) -> None:
    cluster = make_cluster(topology_of())
    await cluster.start()

    await cluster["n1"].receptionist.register("cart", worker(cluster["n1"]))

    membership = cluster["n1"].membership
    assert [entry.path for entry in membership.registry.services] == ["worker"]
    await until(all_find(cluster, "worker@n1"))


async def test_a_part_of_a_topology_is_registered_on_the_nodes_that_run_it(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of(has_part=True))

    async with joined(cluster, "n4", "worker"), joined(cluster, "n5"):
        await until(all_find(cluster, "thumbs@n4", service="thumbnails"))


async def test_only_a_living_actor_of_the_node_is_registered(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    ref = worker(cluster["n1"])

    with pytest.raises(ValueError, match="is an actor of 'n1': each node registers its own, this is 'n2'"):
        cluster["n2"].receptionist.register("cart", ref)
    with pytest.raises(ValueError, match="no actor 'nobody' lives on 'n1'"):
        cluster["n1"].receptionist.register("cart", "nobody")
    await cluster["n1"].system.stop(ref)
    worker(cluster["n1"])
    with pytest.raises(ValueError, match="no actor 'worker' lives on 'n1'"):
        cluster["n1"].receptionist.register("cart", ref)  # another actor has its path


async def test_a_name_that_is_none_is_refused(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())

    with pytest.raises(ServiceRefused, match="the name of a service has 1 to 128 characters"):
        await cluster["n1"].receptionist.register("", worker(cluster["n1"]))


# --- duplicates


async def test_a_unique_service_refuses_a_second_provider_and_names_the_first(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    await cluster["n1"].receptionist.register("cart", worker(cluster["n1"]), unique=True)

    for unique in (False, True):
        with pytest.raises(ServiceRefused, match=r"'worker' of 'n1' \(incarnation \d{1,8}…?\)"):
            await cluster["n2"].receptionist.register("cart", worker(cluster["n2"], f"w{unique}"), unique=unique)

    await cluster["n1"].receptionist.unregister("cart", "worker")
    await asyncio.sleep(10)
    assert all_find(cluster)()  # what was refused is not registered later
    await cluster["n2"].receptionist.register("cart", "wTrue", unique=True)


async def test_a_refused_change_to_unique_leaves_the_registration_as_it_was(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    for name in ("n1", "n2"):
        await cluster[name].receptionist.register("cart", worker(cluster[name]))

    with pytest.raises(ServiceRefused):
        await cluster["n1"].receptionist.register("cart", "worker", unique=True)

    await asyncio.sleep(10)
    assert all_find(cluster, "worker@n1", "worker@n2")()
    await cluster["n2"].receptionist.unregister("cart", "worker")
    await cluster["n1"].receptionist.register("cart", "worker", unique=True)


# --- ends


async def test_an_actor_that_stops_is_taken_out_and_one_that_restarts_is_not(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    ref = worker(cluster["n1"], supervision=Supervision(backoff_min_s=0.0))
    await cluster["n1"].receptionist.register("cart", ref)

    ref.tell(Fail())
    await asyncio.sleep(10)
    assert all_find(cluster, "worker@n1")()

    cluster["n1"].system.stop(ref)
    await until(all_find(cluster))


async def test_another_actor_at_the_same_path_is_registered_for_itself(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    first = worker(cluster["n1"])
    await cluster["n1"].receptionist.register("cart", first)
    await cluster["n1"].system.stop(first)
    second = worker(cluster["n1"])

    await cluster["n1"].receptionist.register("cart", second)
    await asyncio.sleep(10)

    assert all_find(cluster, "worker@n1")()


async def test_an_actor_that_stops_before_it_is_registered_never_is(make_cluster: Any) -> None:
    cluster: Cluster = make_cluster(topology_of())
    await cluster.start("n1")
    ref = worker(cluster["n1"])
    asked = cluster["n1"].receptionist.register("cart", ref)
    await asyncio.sleep(1)
    cluster["n1"].system.stop(ref)

    with pytest.raises(ServiceRefused, match="its actor 'worker' has stopped"):
        await asked
    await cluster.start("n2", "n3")
    await asyncio.sleep(30)
    assert all_find(cluster)()


async def test_a_registration_that_was_not_in_time_comes_when_it_can(make_cluster: Any) -> None:
    cluster: Cluster = make_cluster(topology_of())
    await cluster.start("n1")

    with pytest.raises(AskTimeout):
        await cluster["n1"].receptionist.register("cart", worker(cluster["n1"]), timeout_s=5)

    await cluster.start("n2", "n3")
    await until(all_find(cluster, "worker@n1"))


async def test_what_the_registry_loses_is_registered_again(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    await cluster["n1"].receptionist.register("cart", worker(cluster["n1"]))
    membership: Any = cluster["n1"].membership
    group = cluster["n2"].group("membership", ViewMachine)
    revision = membership.registry.revision

    assert await group.execute(Unregister("cart", membership.me.identity, "worker"))

    await until(lambda: membership.registry.revision >= revision + 2)
    await until(all_find(cluster, "worker@n1"))


async def test_what_nobody_wants_is_taken_out(make_cluster: Any) -> None:
    """As after a registration whose outcome was unknown, and that was taken back."""
    cluster = await up(make_cluster, topology_of())
    membership: Any = cluster["n1"].membership
    answer = (
        await cluster["n2"].group("membership", ViewMachine).execute(Register("cart", membership.me.identity, "worker"))
    )
    assert not isinstance(answer, Refused)

    await until(lambda: membership.registry.services)
    await until(lambda: not membership.registry.services)


async def restarted(node: Node) -> None:
    """Let the receptionist of a node fail, so that it is restarted."""
    cell: Any = node.system.registry.cell_at(RECEPTIONIST_PATH)

    def broken(_: object) -> None:
        raise RuntimeError("on purpose")

    before = cell.actor
    before.context.become(broken)
    with pytest.raises(Exception, match="RuntimeError"):
        await node.receptionist.unregister("nothing", "nobody")
    await until(lambda: cell.actor is not before)


async def test_a_receptionist_that_restarts_while_a_command_is_under_way_sends_it_again(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    leader = await cluster.leader_of("membership")
    lost = [leader, next(name for name in cluster if name != leader)]
    for name in lost:
        await cluster.kill(name)
    (rest,) = cluster
    cluster[rest].receptionist.register("cart", worker(cluster[rest]))  # there is nobody who could take the command
    await asyncio.sleep(0.5)

    await restarted(cluster[rest])
    await cluster.start(*lost)

    await until(all_find(cluster, f"worker@{rest}"))


async def test_a_receptionist_that_restarts_goes_on_with_what_was_wanted(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    ref = worker(cluster["n1"])
    await cluster["n1"].receptionist.register("cart", ref)
    await restarted(cluster["n1"])
    assert await cluster["n1"].receptionist.unregister("mail", "worker") is False
    membership: Any = cluster["n1"].membership
    await cluster["n2"].group("membership", ViewMachine).execute(Unregister("cart", membership.me.identity, "worker"))
    await until(lambda: not membership.registry.services)
    await until(all_find(cluster, "worker@n1"))

    cluster["n1"].system.stop(ref)
    await until(all_find(cluster))


async def test_services_of_a_node_that_leaves_crashes_or_drains_are_found_no_more(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    async with joined(cluster, "n4") as node:
        await node.receptionist.register("cart", worker(node))
        await until(all_find(cluster, "worker@n4"))
        assert node.membership is not None
        await node.membership.leave()
        await until(all_find(cluster))

    await cluster["n3"].receptionist.register("cart", worker(cluster["n3"]))
    await until(all_find(cluster, "worker@n3"))
    await cluster["n3"].drain()
    await asyncio.sleep(2)
    assert all_find(cluster)()

    await cluster["n3"].receptionist.register("cart", "worker")
    await until(all_find(cluster, "worker@n3"))
    await cluster.kill("n3")
    await until(all_find(cluster))


async def test_a_node_that_starts_again_registers_anew_and_its_former_life_is_forgotten(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    seen: list[ServiceUpdate] = []
    cluster["n1"].receptionist.subscribe("cart", seen.append)
    await cluster["n3"].receptionist.register("cart", worker(cluster["n3"]))
    await until(all_find(cluster, "worker@n3"))
    (former,) = cluster["n1"].receptionist.instances("cart")

    await cluster.kill("n3")
    await cluster.start("n3")
    await cluster["n3"].receptionist.register("cart", worker(cluster["n3"]))
    await until(all_find(cluster, "worker@n3"))

    (latter,) = cluster["n1"].receptionist.instances("cart")
    assert (former.address, former.member.name) == (latter.address, latter.member.name)
    assert former.member != latter.member
    assert [each.removed for each in seen if each.removed] == [(former,)]


# --- following


async def test_a_subscriber_gets_a_snapshot_and_then_each_change_in_order(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"]))
    await until(all_find(cluster, "worker@n2"))
    seen: list[ServiceUpdate] = []

    stop = cluster["n1"].receptionist.subscribe("cart", seen.append)
    assert [(str(one.instances[0]), one.added, one.removed) for one in seen] == [("worker@n2", seen[0].instances, ())]
    await cluster["n3"].receptionist.register("cart", worker(cluster["n3"]))
    await cluster["n3"].receptionist.register("mail", "worker")
    await until(all_find(cluster, "worker@n2", "worker@n3"))
    await cluster["n2"].receptionist.unregister("cart", "worker")
    await until(all_find(cluster, "worker@n3"))
    stop()
    await cluster["n3"].receptionist.unregister("cart", "worker")
    await until(all_find(cluster))

    assert [list(map(str, one.instances)) for one in seen] == [["worker@n2"], ["worker@n2", "worker@n3"], ["worker@n3"]]
    assert folded(seen) == set(seen[-1].instances)
    assert [len(one.added) + len(one.removed) for one in seen] == [1, 1, 1]


async def test_an_actor_may_subscribe_and_a_listener_that_fails_disturbs_nobody(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    seen: list[ServiceUpdate] = []
    told: list[int] = []
    listener: Any = cluster["n1"].system.spawn(lambda: Listener(seen))

    def fails(update: ServiceUpdate) -> None:
        told.append(len(update.instances))
        raise RuntimeError("on purpose")

    cluster["n1"].receptionist.subscribe("cart", fails)
    cluster["n1"].receptionist.subscribe("cart", listener)
    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"]))
    await until(lambda: len(seen) == 2)

    assert told == [0, 1]
    assert [one.service for one in seen] == ["cart", "cart"]


@pytest.mark.parametrize("seed", range(3))
async def test_subscribers_see_every_run_end_as_the_registry_does(make_cluster: Any, seed: int) -> None:
    """Four nodes register and take back at random while leaders are killed; then all know the same."""
    cluster = await up(make_cluster, topology_of())
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(joined(cluster, name)) for name in ("n4", "n5")]
        rng = nodes[0].system.host.random
        rng.seed(seed)
        seen: dict[str, list[ServiceUpdate]] = {node.name: [] for node in nodes}
        for node in nodes:
            node.receptionist.subscribe("cart", seen[node.name].append)
        wanted: set[str] = set()
        actors = {(node.name, path): worker(node, path) for node in nodes for path in "ab"}
        for step in range(24):
            node, path = rng.choice(nodes), rng.choice("ab")
            if rng.random() < 0.6:
                node.receptionist.register("cart", actors[node.name, path])
                wanted.add(f"{path}@{node.name}")
            else:
                node.receptionist.unregister("cart", path)
                wanted.discard(f"{path}@{node.name}")
            await asyncio.sleep(rng.random())
            if step in (8, 16):
                victim = await cluster.leader_of("membership")
                await cluster.kill(victim)
                await asyncio.sleep(rng.random() * 3)
                await cluster.start(victim)

        await until(lambda: all(found(node) == sorted(wanted, key=lambda one: one[::-1]) for node in nodes))
        await until(lambda: all(list(map(str, told[-1].instances)) == found(nodes[0]) for told in seen.values()))
        for told in seen.values():
            assert folded(told) == set(told[-1].instances)


def folded(updates: list[ServiceUpdate]) -> set[ServiceInstance]:
    """Return what somebody knows who keeps what was added, and drops what was removed."""
    held: set[ServiceInstance] = set()
    for update in updates:
        assert not held & set(update.added)
        assert set(update.removed) <= held
        held = (held | set(update.added)) - set(update.removed)
        assert held == set(update.instances)
    return held


@dataclass(frozen=True)
class StopAtOnce(KeepMajority):
    """Stops every node that has no lease."""

    def keeps_serving(self, view: View, reachable: AbstractSet[MemberId]) -> bool:
        return False


async def test_parts_that_a_policy_stops_are_found_again_when_they_are_started_again(make_cluster: Any) -> None:
    config = MembershipConfig(stable_after_s=0.1, failed_min=10)  # it stops before anybody is accused
    founders = ["n1", "n2", "n3"]
    topology = Topology("shop", nodes=Members(founders=founders, policy=StopAtOnce(), config=config))
    topology.actor("thumbs", Worker, service="cart")
    cluster = await up(make_cluster, topology)
    everywhere = [f"thumbs@{name}" for name in founders]
    await until(all_find(cluster, *everywhere))

    def part(name: str) -> Any:
        return cluster[name].system.registry.cell_at("thumbs")

    former = {name: part(name) for name in founders}
    cluster.partition(*([name] for name in founders))
    await until(lambda: all(part(name) is None for name in founders))
    cluster.heal()

    await until(lambda: all(part(name) is not None for name in founders))
    await asyncio.sleep(10)
    assert all_find(cluster, *everywhere)()
    assert all(part(name) is not former[name] for name in founders)
    assert [await ref.ask(Where()) for ref in cluster["n1"].receptionist.find("cart")] == founders
