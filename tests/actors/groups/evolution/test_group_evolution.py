"""Groups whose code changes: rolling upgrades and rollbacks, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coterie import Ask, CommandRefused, Query, StateMachine, Topology, message
from coterie.actors.groups.group_messages import ActivateSchema, GroupStatus, NotActivated, SchemaActivated
from coterie.errors import TopologyError
from coterie.runtime.refs import Address
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual


@message(name="up.Add")
class Add(Ask[int]):
    amount: int


@message(name="up.Add")
class AddTimes(Ask[int]):
    amount: int
    times: int = 1


@message(name="up.Add")
class AddText(Ask[int]):
    amount: str


@message(name="up.Get")
class Get(Query[int]):
    pass


@message(name="up.Bonus")
class Bonus(Ask[int]):
    amount: int


@message(name="up.Grant")
class Grant(Ask[int]):
    amount: int


class Adding:
    """What all releases have in common."""

    total = 0

    def apply(self, command: Any, /) -> int:
        if not isinstance(command, Get):
            self.total += command.amount * getattr(command, "times", 1)
        return self.total


class First(Adding, StateMachine[Add | Get]):
    pass


class Second(Adding, StateMachine[AddTimes | Get | Bonus]):
    version = 2

    def migrate(self, old: int, new: int) -> None:
        self.total += 1000 * new


class OtherSecond(Adding, StateMachine[Add | Get | Grant]):
    version = 2


class Wrong(Adding, StateMachine[AddText | Get]):
    pass


def topology_of(machine: Callable[[], StateMachine[Any]], activate_after_s: float | None = None) -> Topology:
    topology = Topology("up", nodes=["n1", "n2", "n3"])
    topology.raft("totals", machine=machine, activate_after_s=activate_after_s)
    return topology


V1, V2, OTHER_V2, WRONG = topology_of(First), topology_of(Second), topology_of(OtherSecond), topology_of(Wrong)


class Upgrades:
    """A cluster, and what a test does to it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.topology_by_node = dict.fromkeys(cluster.topology.nodes, cluster.topology)

    async def upgrade(self, node: str, topology: Topology) -> None:
        """Restart a node on other code."""
        if node in self.cluster:
            await self.cluster.kill(node)
        await self.start(node, topology)
        self.topology_by_node[node] = topology

    async def start(self, node: str, topology: Topology | None = None) -> None:
        self.cluster.topology = topology or self.topology_by_node[node]
        await self.cluster.start(node)

    async def execute(self, command: Ask[Any]) -> Any:
        client = await self.cluster.client()
        return await client.group("totals").execute(command)

    async def leader(self) -> str:
        return await self.cluster.leader_of("totals")

    async def lead(self, node: str) -> None:
        """Make `node` the leader."""
        while (leader := await self.leader()) != node:
            await self.cluster.kill(leader)
            await asyncio.sleep(2)
            await self.start(leader)

    async def activate(self) -> SchemaActivated | NotActivated:
        leader = await self.leader()
        ref: Any = self.cluster[leader].system.at(Address(leader, "totals"))
        answer: SchemaActivated | NotActivated = await ref.ask(ActivateSchema())
        return answer

    async def statuses(self) -> dict[str, GroupStatus]:
        client = await self.cluster.client()
        found = await client.group("totals").status()
        return {node: status for node, status in found.items() if isinstance(status, GroupStatus)}

    def machine(self, node: str) -> Any:
        cell: Any = self.cluster[node].system.registry.cell_at("totals")
        return cell.actor._machine.machine

    async def settle(self) -> dict[str, int]:
        """Wait until all replicas that run have applied the same, and return their totals."""
        await asyncio.sleep(2)
        assert len({status.applied_index for status in (await self.statuses()).values()}) == 1
        return {node: self.machine(node).total for node in self.cluster}


@pytest.fixture
async def upgrades(make_cluster: Any) -> Upgrades:
    cluster = make_cluster(V1)
    await cluster.start()
    made = Upgrades(cluster)
    assert await made.execute(Add(100)) == 100
    return made


async def test_the_first_leader_records_the_schema(upgrades: Upgrades) -> None:
    await upgrades.settle()
    statuses = await upgrades.statuses()
    assert {(status.revision, status.version, status.code_version) for status in statuses.values()} == {(1, 1, 1)}
    assert len({status.code_schema for status in statuses.values()}) == 1


async def test_a_command_that_is_not_active_is_refused_before_it_is_in_the_log(upgrades: Upgrades) -> None:
    await upgrades.upgrade("n1", V2)
    await upgrades.lead("n1")
    await asyncio.sleep(1)
    before = (await upgrades.statuses())["n1"].last_index

    with pytest.raises(CommandRefused, match=r"'up\.Bonus' is not active yet: n2 runs version 1, n3 runs version 1"):
        await upgrades.execute(Bonus(5))
    with pytest.raises(CommandRefused, match=r"message 'up\.Add' with 2 fields is not active yet: n2 runs"):
        await upgrades.execute(AddTimes(5, 3))

    assert (await upgrades.statuses())["n1"].last_index <= before + 2  # the sessions of the clients
    assert await upgrades.execute(AddTimes(5)) == 105


async def test_an_older_leader_refuses_it_too_and_no_replica_applies_it_later(upgrades: Upgrades) -> None:
    await upgrades.upgrade("n1", V2)
    await upgrades.lead("n2")
    with pytest.raises(CommandRefused, match=r"'up\.Bonus' is not active: .*n1 runs version 2: restart n2"):
        await upgrades.execute(Bonus(5))
    behind = await upgrades.activate()
    assert behind == NotActivated(
        "the leader n2 runs version 1, which is active already, but n1 runs version 2: "
        "restart n2 on the newer code, then activate it",
        "n2",
    )
    await upgrades.lead("n1")
    assert await upgrades.execute(Get()) == 100


async def test_commands_of_one_batch_are_refused_each_for_itself(upgrades: Upgrades) -> None:
    for node in ("n1", "n2"):
        await upgrades.upgrade(node, V2)
    client = await upgrades.cluster.client()
    group = client.group("totals")
    await group.execute(Get())

    answers = await asyncio.gather(
        *(group.execute(command) for command in (Bonus(1), Add(1), Bonus(2), Add(2), AddTimes(3, 2))),
        return_exceptions=True,
    )

    assert [answer if isinstance(answer, int) else type(answer) for answer in answers] == [
        CommandRefused,
        101,
        CommandRefused,
        103,
        CommandRefused,
    ]


async def test_newer_code_runs_in_the_active_version_until_it_is_activated(upgrades: Upgrades) -> None:
    for node in ("n1", "n2", "n3"):
        await upgrades.upgrade(node, V2)
    await upgrades.execute(Add(1))
    await upgrades.settle()
    assert {upgrades.machine(node).version for node in upgrades.cluster} == {1}

    activated = await upgrades.activate()
    assert isinstance(activated, SchemaActivated)
    assert (activated.revision, activated.version) == (2, 2)
    assert await upgrades.execute(Bonus(5)) == 2106
    assert await upgrades.execute(AddTimes(5, 2)) == 2116
    assert await upgrades.settle() == dict.fromkeys(("n1", "n2", "n3"), 2116)
    assert {upgrades.machine(node).version for node in upgrades.cluster} == {2}


async def test_it_is_not_activated_before_all_voters_have_it(upgrades: Upgrades) -> None:
    for node in ("n1", "n2"):
        await upgrades.upgrade(node, V2)
    await upgrades.lead("n1")
    await asyncio.sleep(1)
    answer = await upgrades.activate()
    assert answer == NotActivated("n3 runs version 1", "n1")


async def test_what_is_active_already_is_told_again_and_recorded_once(upgrades: Upgrades) -> None:
    """An answer may be lost, and the command repeated."""
    answers = [await upgrades.activate() for _ in range(3)]

    assert all(isinstance(answer, SchemaActivated) for answer in answers)
    assert len(set(answers)) == 1
    assert {answer.revision for answer in answers if isinstance(answer, SchemaActivated)} == {1}


async def test_after_the_bake_time_it_is_activated_by_itself(upgrades: Upgrades) -> None:
    topology = topology_of(Second, activate_after_s=30)
    for node in ("n1", "n2", "n3"):
        await upgrades.upgrade(node, topology)
    await asyncio.sleep(25)
    assert {status.version for status in (await upgrades.statuses()).values()} == {1}
    await asyncio.sleep(15)
    assert {status.version for status in (await upgrades.statuses()).values()} == {2}


async def test_a_replay_goes_through_the_same_versions(upgrades: Upgrades) -> None:
    for node in ("n1", "n2", "n3"):
        await upgrades.upgrade(node, V2)
    await upgrades.activate()
    await upgrades.execute(Bonus(5))
    for node in ("n1", "n2", "n3"):
        await upgrades.cluster.kill(node)
    await upgrades.cluster.start()
    assert await upgrades.execute(Get()) == 2105
    assert await upgrades.settle() == dict.fromkeys(("n1", "n2", "n3"), 2105)


async def test_a_rolled_back_node_stores_and_votes_and_stops_no_log(upgrades: Upgrades) -> None:
    for node in ("n1", "n2", "n3"):
        await upgrades.upgrade(node, V2)
    await upgrades.activate()
    await upgrades.execute(Bonus(5))

    await upgrades.upgrade("n3", V1)
    await upgrades.cluster.kill(await upgrades.leader())  # n3 is needed for the quorum now
    assert await upgrades.leader() != "n3"
    assert await upgrades.execute(AddTimes(1, 2)) == 2107

    status = (await upgrades.statuses())["n3"]
    assert (status.role, status.version) == ("quarantined", 0)
    assert str(status.quarantine).startswith("revision 2 (version 2) at entry ")
    assert str(status.quarantine).endswith(
        " is newer than this code (version 1), which lacks command 'up.Bonus' and command 'up.Add', field 'times'; "
        "run the newer code"
    )


async def test_rolled_back_before_the_activation_nothing_happened(upgrades: Upgrades) -> None:
    for node in ("n1", "n2"):
        await upgrades.upgrade(node, V2)
        await upgrades.execute(AddTimes(1))
    for node in ("n1", "n2"):
        await upgrades.upgrade(node, V1)
    assert await upgrades.execute(Add(1)) == 103
    assert await upgrades.settle() == dict.fromkeys(("n1", "n2", "n3"), 103)


async def test_code_that_contradicts_the_log_does_not_start(upgrades: Upgrades) -> None:
    await upgrades.settle()
    with pytest.raises(TopologyError) as caught:
        await upgrades.upgrade("n1", WRONG)
    assert "group 'totals' in 'data': this code contradicts revision 1 of its schema (version 1), which entry" in str(
        caught.value
    )
    assert "command 'up.Add', field 'amount': int became str" in str(caught.value)
    await upgrades.upgrade("n1", V1)
    assert await upgrades.execute(Get()) == 100


async def test_two_codes_that_call_themselves_version_2_are_an_error(
    upgrades: Upgrades, caplog: pytest.LogCaptureFixture
) -> None:
    await upgrades.upgrade("n1", V2)
    await upgrades.upgrade("n2", OTHER_V2)
    await upgrades.upgrade("n3", V2)
    await upgrades.lead("n1")
    await asyncio.sleep(2)
    answer = await upgrades.activate()
    assert answer == NotActivated("n2 runs other code, which calls itself version 2, too", "n1")
    assert "group.schemas_differ" in caplog.text


async def test_a_failing_migration_is_a_quarantine(upgrades: Upgrades) -> None:
    class Failing(Adding, StateMachine[AddTimes | Get | Bonus]):
        version = 2

        def migrate(self, old: int, new: int) -> None:
            raise ValueError("no way")

    for node in ("n1", "n2", "n3"):
        await upgrades.upgrade(node, topology_of(Failing))
    await upgrades.activate()
    await asyncio.sleep(1)
    statuses = await upgrades.statuses()
    assert {status.role for status in statuses.values()} == {"quarantined"}
    assert "migrate to version 2 raised ValueError: no way" in {status.quarantine for status in statuses.values()}
