"""Replicas that answer differently are found, told, and kept from answering."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from coterie import Ask, Client, Query, StateMachine, Topology, message
from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupStatus
from coterie.protocols.checkpoints.checkpoint_rounds import INTERVAL_S
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

NODES = ("n1", "n2", "n3")


@message(name="test_digest_exchange.Add")
class Add(Ask[int]):
    amount: int


@message(name="test_digest_exchange.Read")
class Read(Query[int]):
    pass


class Totals(StateMachine[Add | Read]):
    """Adds; but to an amount of 13 it adds `error`, which differs where a test says so."""

    def __init__(self, error: int) -> None:
        self.total = 0
        self.error = error

    def apply(self, command: Add | Read, /) -> int:
        if isinstance(command, Add):
            self.total += command.amount + (self.error if command.amount == 13 else 0)
        return self.total


class Errors:
    """The error of each node's machine: `starting` is the node that starts now."""

    def __init__(self) -> None:
        self.by_node: dict[str, int] = {}
        self.starting = ""

    def machine(self) -> Totals:
        return Totals(self.by_node.get(self.starting, 0))

    def topology(self) -> Topology:
        topology = Topology("test", nodes=NODES)
        topology.raft("totals", machine=self.machine)
        return topology

    async def start(self, cluster: Cluster, *names: str) -> None:
        for name in names:
            self.starting = name
            await cluster.start(name)


MakeCluster = Callable[[Topology], Cluster]


async def group_of(cluster: Cluster) -> GroupClient[Any]:
    client: Client = await cluster.client()
    return client.group("totals")


async def roles(group: GroupClient[Any]) -> dict[str, str]:
    answers = (await group.status()).items()
    return {node: answer.role if isinstance(answer, GroupStatus) else str(answer) for node, answer in answers}


async def status_of(group: GroupClient[Any], node: str) -> GroupStatus:
    status = (await group.status())[node]
    assert isinstance(status, GroupStatus)
    return status


async def pass_an_interval() -> None:
    await asyncio.sleep(INTERVAL_S + 1.0)


async def test_a_follower_that_answered_otherwise_is_quarantined_and_the_group_goes_on(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    errors = Errors()
    cluster = make_cluster(errors.topology())
    await errors.start(cluster, *NODES)
    group = await group_of(cluster)
    await group.execute(Add(1))
    leader = await cluster.leader_of("totals")
    apart = next(name for name in NODES if name != leader)
    machine_of(cluster, apart).error = 1

    await group.execute(Add(13))
    await pass_an_interval()

    assert (await roles(group))[apart] == "quarantined"
    assert "answered otherwise than a quorum" in str((await status_of(group, apart)).quarantine)
    assert await group.execute(Add(1)) == 15
    assert (await status_of(group, apart)).applied_index < (await status_of(group, leader)).applied_index
    errors_told = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert any("raft.quarantine_entered" in text and f"node={apart}" in text for text in errors_told)
    assert any("group.replica_apart" in text and f"nodes={apart}" in text for text in errors_told)


async def test_a_leader_that_answered_otherwise_steps_down_and_another_one_says_the_truth(
    make_cluster: MakeCluster,
) -> None:
    errors = Errors()
    cluster = make_cluster(errors.topology())
    await errors.start(cluster, *NODES)
    group = await group_of(cluster)
    await group.execute(Add(1))
    wrong = await cluster.leader_of("totals")
    machine_of(cluster, wrong).error = 1

    assert await group.execute(Add(13)) == 15, "nothing has shown yet that the leader is wrong"
    await pass_an_interval()

    assert await group.execute(Read()) == 14
    assert (await roles(group))[wrong] == "quarantined"
    assert await cluster.leader_of("totals") != wrong


async def test_a_state_that_differs_is_found_once_a_reply_shows_it_however_few_commands_there_are(
    make_cluster: MakeCluster,
) -> None:
    errors = Errors()
    cluster = make_cluster(errors.topology())
    await errors.start(cluster, *NODES)
    group = await group_of(cluster)
    await group.execute(Add(1))
    leader = await cluster.leader_of("totals")
    apart = next(name for name in NODES if name != leader)
    await asyncio.sleep(1.0)  # it applies, too
    machine_of(cluster, apart).total = 99
    await pass_an_interval()
    assert "quarantined" not in (await roles(group)).values()

    await group.execute(Read())
    await pass_an_interval()

    assert (await roles(group))[apart] == "quarantined"


async def test_without_a_quorum_that_agrees_no_replica_stops_and_it_is_told(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    errors = Errors()
    errors.by_node = {"n1": 1, "n2": 2, "n3": 3}
    cluster = make_cluster(errors.topology())
    await errors.start(cluster, *NODES)
    group = await group_of(cluster)

    await group.execute(Add(13))
    await pass_an_interval()

    assert "quarantined" not in (await roles(group)).values()
    assert any("group.digests_differ" in record.getMessage() for record in caplog.records)
    await group.execute(Add(1))


async def test_two_replicas_that_differ_are_told_although_the_third_is_down_which_could_say_who_is_right(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    errors = Errors()
    errors.by_node = {"n1": 1, "n2": 2, "n3": 2}
    cluster = make_cluster(errors.topology())
    await errors.start(cluster, *NODES)
    group = await group_of(cluster)
    await group.execute(Add(1))
    await cluster.kill("n3")
    await group.execute(Add(13), timeout_s=30.0)
    await pass_an_interval()
    await pass_an_interval()

    (told,) = [record for record in caplog.records if "group.digests_differ" in record.getMessage()]
    assert "start the others" in told.getMessage()
    troubles = [status.trouble for status in (await group.status()).values() if isinstance(status, GroupStatus)]
    assert any("n1 and n2 do not have the same state at entry" in str(trouble) for trouble in troubles)

    await errors.start(cluster, "n3")
    await asyncio.sleep(3)
    await group.execute(Add(1), timeout_s=30.0)
    await pass_an_interval()
    await pass_an_interval()
    assert (await roles(group))["n1"] == "quarantined"


async def test_a_replica_compares_itself_while_it_replays_its_log(make_cluster: MakeCluster) -> None:
    errors = Errors()
    cluster = make_cluster(errors.topology())
    await errors.start(cluster, *NODES)
    group = await group_of(cluster)
    await group.execute(Add(13))
    await pass_an_interval()
    for name in NODES:
        await cluster.kill(name)

    errors.by_node = {"n2": 5}
    await errors.start(cluster, *NODES)
    await asyncio.sleep(2.0)  # less than an interval: the checkpoint is in the log

    assert (await roles(group))["n2"] == "quarantined"
    assert await group.execute(Read()) == 13
    await cluster.kill("n2")
    errors.by_node = {}
    await errors.start(cluster, "n2")
    await asyncio.sleep(2.0)
    assert (await roles(group))["n2"] == "follower"


async def test_an_idle_group_writes_one_checkpoint_and_then_nothing(make_cluster: MakeCluster) -> None:
    errors = Errors()
    cluster = make_cluster(errors.topology())
    await errors.start(cluster, *NODES)
    group = await group_of(cluster)
    await group.execute(Add(1))
    before = (await status_of(group, "n1")).last_index

    await pass_an_interval()
    after = (await status_of(group, "n1")).last_index
    for _ in range(3):
        await pass_an_interval()

    assert after == before + 1
    assert (await status_of(group, "n1")).last_index == after


def machine_of(cluster: Cluster, node: str) -> Totals:
    cell: Any = cluster[node].system.registry.cell_at("totals")
    machine = cell.actor._machine.machine
    assert isinstance(machine, Totals)
    return machine
