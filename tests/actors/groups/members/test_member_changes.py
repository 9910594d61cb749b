"""Members of a running group change: nodes join, are promoted, removed, and get another store for a lost one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from coterie import (
    Ask,
    CommandRefused,
    CommandTimeout,
    GroupMember,
    Query,
    SnapshotPolicy,
    StateMachine,
    Topology,
    message,
)
from coterie.actors.client import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.members.joining import NOWHERE
from coterie.errors import CoterieError, NotFormatted
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

NODES = ("n1", "n2", "n3", "n4", "n5")
SMALL = SnapshotPolicy(after_entries=20, share=0.0, trailing_entries=3)


@message(name="grown.Add")
class Add(Ask[int]):
    amount: int


@message(name="grown.Total")
class Total(Query[int]):
    pass


class Totals(StateMachine[Add | Total]):
    def __init__(self) -> None:
        self.total = 0

    def apply(self, command: Add | Total, /) -> int:
        if isinstance(command, Add):
            self.total += command.amount
        return self.total

    def read(self, query: Total, /) -> int:
        return self.total


def topology_of(**options: Any) -> Topology:
    topology = Topology("grown", nodes=NODES)
    topology.raft("totals", machine=Totals, nodes=NODES[:3], **options)
    return topology


@pytest.fixture
async def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    made = make_cluster(topology_of(), joining=NODES[3:])
    await made.start()
    return made


async def group_of(cluster: Cluster) -> Any:
    return (await cluster.client()).group("totals", Totals)


def roles(members: tuple[GroupMember, ...]) -> dict[str, str]:
    return {member.node: member.role for member in members}


def store_of(members: tuple[GroupMember, ...], node: str) -> str:
    (store,) = [member.store for member in members if member.node == node]
    assert store is not None
    return store


async def add(group: Any, count: int) -> None:
    for _ in range(count):
        await group.execute(Add(1), timeout_s=60)


def total_on(cluster: Cluster, name: str) -> int:
    cell: Any = cluster[name].system.registry.cell_at("totals")
    total = cell.actor._machine.machine.total
    assert isinstance(total, int)
    return total


async def until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it did not come true within a minute")


async def test_a_group_grows_from_three_nodes_to_five_while_it_serves(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 5)
    said: list[str] = []

    load = asyncio.ensure_future(add(group, 100))
    await group.add("n4", on_progress=said.append)
    members = await group.add("n5")
    await load

    assert roles(members) == dict.fromkeys(NODES, "voter")
    assert {member.node: member.address for member in members}["n4"] == cluster.addresses["n4"]
    await until(lambda: total_on(cluster, "n5") == 105)
    await cluster.kill("n1")
    await cluster.kill("n2")
    await add(group, 1)
    assert await group.read(Total()) == 106


async def test_a_learner_gets_everything_and_does_not_vote_until_it_is_promoted(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)

    assert roles(await group.add("n4", learner=True))["n4"] == "learner"
    await until(lambda: total_on(cluster, "n4") == 3)

    assert roles(await group.promote("n4"))["n4"] == "voter"


async def test_a_lost_disk_is_replaced_and_the_node_serves_again(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 5)
    lost = store_of(await group.members(), "n3")
    await cluster.kill("n3")
    cluster.wipe("n3", join=True)
    await add(group, 5)
    await cluster.start("n3")
    with pytest.raises(CommandRefused, match=f"the store of n3 that is replaced is {lost}, not x"):
        await group.replace("n3", store="x")

    members = await group.replace("n3", store=lost[:4])

    assert roles(members) == dict.fromkeys(NODES[:3], "voter")
    assert store_of(members, "n3") != lost
    await until(lambda: total_on(cluster, "n3") == 10)
    assert await group.replace("n3", store=lost[:4]) == members  # once more changes nothing
    await cluster.kill("n1")
    await add(group, 1)


async def test_members_are_removed_and_also_the_leader(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 5)
    await group.add("n4")
    leader = await cluster.leader_of("totals")

    members = await group.remove(leader)

    assert leader not in roles(members)
    assert await cluster.leader_of("totals") != leader
    await add(group, 5)
    assert await group.remove(leader) == await group.members()


async def test_a_member_that_joined_and_what_it_stores_outlive_a_restart_of_all(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 5)
    await group.add("n4")
    for name in NODES:
        await cluster.kill(name)
    await cluster.start()

    group = await group_of(cluster)
    await add(group, 1)

    assert roles(await group.members()) == dict.fromkeys(NODES[:4], "voter")
    await until(lambda: total_on(cluster, "n4") == 6)


async def test_a_node_that_joins_gets_the_snapshot_of_a_compacted_log(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(topology_of(snapshots=SMALL), joining=NODES[3:])
    await cluster.start()
    group = await group_of(cluster)
    await add(group, 100)

    await group.add("n4")

    await until(lambda: total_on(cluster, "n4") == 100)


async def test_what_cannot_be_changed_is_refused_with_what_is_so(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 1)
    before = await group.members()
    leader = await cluster.leader_of("totals")
    follower = next(node for node in NODES[:3] if node != leader)

    async def refused(changing: Any) -> str:
        with pytest.raises(CommandRefused) as caught:
            await changing
        return str(caught.value)

    assert "no address of n9 is known" in await refused(group.add("n9"))
    assert "n9 is no member of the group: its members are n1, n2, n3" in await refused(group.remove("n9"))
    assert "n9 is no member" in await refused(group.replace("n9", store="0"))
    assert "n9 is no member" in await refused(group.promote("n9"))
    present = store_of(before, follower)
    told = await refused(group.replace(follower, store=present[:5]))
    assert f"{follower} runs with the store {present}: it is not lost" in told
    told = await refused(group.replace(follower, store="ffff"))
    assert f"{follower} runs with its present store {present}, and no store ffff of it is known" in told
    known = cluster[leader].system.remoting.network().member_addresses
    await refused(group.add(follower, cluster.addresses["n4"]))
    assert cluster[leader].system.remoting.network().member_addresses == known
    assert "cannot be reached (connection refused at 127.0.0.1:9)" in await refused(group.add("n9", "127.0.0.1:9"))
    assert await group.members() == before
    assert "n9" not in cluster[leader].system.remoting.network().member_addresses


async def test_a_change_that_would_lose_the_quorum_is_refused(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 1)
    leader = await cluster.leader_of("totals")
    dead, alive = [node for node in NODES[:3] if node != leader]
    await cluster.kill(dead)
    await asyncio.sleep(5)

    with pytest.raises(CommandRefused, match=f"{dead} did not answer lately"):
        await group.remove(alive)
    assert dead not in roles(await group.remove(dead))


async def test_a_node_that_founded_its_own_group_cannot_join_another(cluster: Cluster) -> None:
    """A wiped founder that was started with `bootstrap="new"` has nothing of the group, and must not count for it."""
    group = await group_of(cluster)
    await add(group, 1)
    lost = store_of(await group.members(), "n3")
    await cluster.kill("n3")
    cluster.wipe("n3")
    await cluster.start("n3")

    with pytest.raises(CommandRefused, match="it was started with --bootstrap new"):
        await group.replace("n3", store=lost[:6])


async def test_a_removed_node_says_that_it_is_no_member_and_disturbs_nobody(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 1)
    removed = next(node for node in NODES[:3] if node != group.leader)
    await group.remove(removed)
    await asyncio.sleep(1)
    (term,) = {status.term for node, status in (await group.status()).items() if node in NODES[:3]}

    await asyncio.sleep(60)
    statuses = await group.status()

    assert statuses[removed].role == "not_a_member"
    assert {status.term for node, status in statuses.items() if node in NODES[:3]} == {term}


class Machines:
    """Machines on one network, each with its own disk, on which nodes run with what they know, and their code."""

    def __init__(self) -> None:
        self.seed = 0
        self.network = VirtualNetwork()
        self.disks = {name: VirtualDisk() for name in NODES}
        self.places = {name: f"{name}:7400" for name in NODES}

    def started(
        self,
        name: str,
        bootstrap: Any,
        *,
        knows: tuple[str, ...],
        machine: type[StateMachine[Any]] = Totals,
        peers: tuple[str, ...] | None = None,
    ) -> Any:
        topology = Topology("grown", nodes=knows)
        topology.raft("totals", machine=machine, nodes=NODES[:3])
        return topology.start(
            node=name,
            listen=self.places[name],
            peers={peer: self.places[peer] for peer in peers or knows if peer != name},
            data="data",
            bootstrap=bootstrap,
            insecure=True,
            host=VirtualHost(name, network=self.network, disk=self.disks[name], seed=self.seed),
        )

    def client(self) -> Client:
        return Client([self.places["n1"]], cluster="grown", host=VirtualHost("client", network=self.network))


async def test_addresses_travel_with_the_membership() -> None:
    """The three founders do not know the fourth node: the leader is told where it is, the others and clients learn it.

    After a restart with the old addresses they find it again.
    """
    machines = Machines()
    started = machines.started
    async with contextlib.AsyncExitStack() as running:
        for name in NODES[:3]:
            await running.enter_async_context(started(name, "new", knows=NODES[:3]))
        await running.enter_async_context(started("n4", "join", knows=NODES[:4]))
        async with machines.client() as client:
            group = client.group("totals", Totals)
            await add(group, 3)
            await group.add("n4", machines.places["n4"])
            for _ in range(200):
                if "n4" in client.system.remoting.linked_names:
                    break
                await asyncio.sleep(0.1)
            status = (await group.status())["n4"]
            assert isinstance(status, GroupStatus)
            assert status.role == "follower"

    async with contextlib.AsyncExitStack() as running:
        for name in NODES[:3]:
            await running.enter_async_context(started(name, None, knows=NODES[:3]))
        n4 = await running.enter_async_context(started("n4", None, knows=NODES[:4]))
        await until(lambda: n4.system.remoting.linked_names == set(NODES[:3]))


class NewerTotals(Totals):
    version = 2


async def test_a_learner_that_cannot_follow_the_active_schema_is_not_promoted_until_it_can() -> None:
    machines = Machines()
    said: list[str] = []
    async with contextlib.AsyncExitStack() as running:
        for name in NODES[:3]:
            node = machines.started(name, "new", knows=NODES[:4], machine=NewerTotals)
            await running.enter_async_context(node)
        async with machines.client() as client:
            group = client.group("totals")
            await add(group, 3)
            async with machines.started("n4", "join", knows=NODES[:4]):
                with pytest.raises(CommandTimeout, match="held: n4 is in quarantine"):
                    await group.add("n4", timeout_s=20, on_progress=said.append)
            assert roles(await group.members())["n4"] == "learner"
            with pytest.raises(CommandRefused, match="another change is under way: add the voter n4"):
                await group.remove("n3")

            async with machines.started("n4", None, knows=NODES[:4], machine=NewerTotals):
                for _ in range(100):
                    if roles(await group.members())["n4"] == "voter":
                        break
                    await asyncio.sleep(0.1)
                assert roles(await group.add("n4")) == dict.fromkeys(NODES[:4], "voter")
    assert any("held: n4 is in quarantine" in text for text in said)


async def test_a_change_goes_on_when_the_leader_dies_in_the_middle_of_it(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    leader = await cluster.leader_of("totals")
    changing = asyncio.ensure_future(group.add("n4"))
    await asyncio.sleep(0.3)

    await cluster.kill(leader)

    assert roles(await changing)["n4"] == "voter"
    await cluster.start(leader)
    await until(lambda: total_on(cluster, leader) == 3)


async def test_a_crash_at_any_step_of_the_first_start_makes_no_founder_of_a_node_that_joins() -> None:
    """However far its first start came, the second one, which formats only if nothing is formatted, waits as well."""
    steps = 0
    for steps in range(1, 100):
        machines = Machines()
        disk = machines.disks["n3"]
        disk.cut_power_after(steps)
        with contextlib.suppress(CoterieError, OSError):
            async with machines.started("n3", "join", knows=NODES[:3]):
                break
        disk.crash()
        disk.release()
        with contextlib.suppress(NotFormatted):
            async with machines.started("n3", None, knows=NODES[:3]) as node:
                cell: Any = node.system.registry.cell_at("totals")
                await asyncio.sleep(0.1)
                assert cell.actor._raft.facts.incarnation == NOWHERE, steps
    assert steps > 5


async def test_a_learner_whose_change_does_not_end_can_be_removed() -> None:
    machines = Machines()
    async with contextlib.AsyncExitStack() as running:
        for name in NODES[:3]:
            node = machines.started(name, "new", knows=NODES[:4], machine=NewerTotals)
            await running.enter_async_context(node)
        async with machines.client() as client, machines.started("n4", "join", knows=NODES[:4]):
            group = client.group("totals")
            await add(group, 3)
            adding = asyncio.ensure_future(group.add("n4", timeout_s=60))
            await asyncio.sleep(20)

            assert "n4" not in roles(await group.remove("n4"))
            with pytest.raises(CommandRefused, match="another command gave it up"):
                await adding


async def test_an_old_disk_of_a_group_that_was_founded_once_more_does_not_join_the_new_one() -> None:
    machines = Machines()
    async with contextlib.AsyncExitStack() as running:
        for name in NODES[:3]:
            await running.enter_async_context(machines.started(name, "new", knows=NODES[:4]))
        async with machines.client() as client, machines.started("n4", "join", knows=NODES[:4]):
            group = client.group("totals", Totals)
            await add(group, 3)
            await group.add("n4")
    machines.seed = 1
    for name in NODES[:3]:
        machines.disks[name] = VirtualDisk()
    async with contextlib.AsyncExitStack() as running:
        for name in NODES[:3]:
            await running.enter_async_context(machines.started(name, "new", knows=NODES[:4]))
        async with machines.client() as client, machines.started("n4", None, knows=NODES[:4]):
            group = client.group("totals", Totals)
            await add(group, 3)
            with pytest.raises(CommandRefused, match="another group of this name, with other stores as members"):
                await group.add("n4")


async def test_a_node_that_only_one_end_knows_is_linked_with_all_members() -> None:
    """`n0` has the smallest name, so it would dial; it knows one address alone, and the others dial it."""
    machines = Machines()
    machines.disks["n0"], machines.places["n0"] = VirtualDisk(), "n0:7400"
    async with contextlib.AsyncExitStack() as running:
        for name in NODES[:3]:
            await running.enter_async_context(machines.started(name, "new", knows=NODES[:3]))
        n0 = await running.enter_async_context(
            machines.started("n0", "join", knows=("n0", "n1", *NODES[1:3]), peers=("n1",))
        )
        async with machines.client() as client:
            group = client.group("totals", Totals)
            await add(group, 3)
            await group.add("n0", "n0:7400")
            await until(lambda: {*NODES[:3]} <= n0.system.remoting.linked_names)


async def test_finished_changes_can_be_repeated_also_once_the_node_leads(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    await group.add("n4")
    await group.transfer("n4")

    assert roles(await group.add("n4"))["n4"] == "voter"


async def test_a_node_that_leaves_one_group_keeps_the_links_of_another(make_cluster: Callable[..., Cluster]) -> None:
    topology = topology_of()
    topology.raft("others", machine=Totals, nodes=NODES[:3])
    cluster = make_cluster(topology, joining=NODES[3:])
    await cluster.start()
    client = await cluster.client()
    for name in NODES[:3]:  # as if they had never been told where it is
        cluster[name].system.remoting.network().remove_peer("n5")
    for name in ("totals", "others"):
        await client.group(name).add("n5", cluster.addresses["n5"])
    await client.group("totals").remove("n5")
    await asyncio.sleep(1)

    def knowing() -> list[str]:
        nodes = NODES[:3]
        return [name for name in nodes if "n5" in cluster[name].system.remoting.network().member_addresses]

    assert knowing() == list(NODES[:3])
    await client.group("others").remove("n5")
    await until(lambda: knowing() == [])
