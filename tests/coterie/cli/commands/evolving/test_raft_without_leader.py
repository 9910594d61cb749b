"""`coterie raft` where no node leads, or another one than was asked for: what is changed, and who leads, is told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from coterie import KeyValue, Topology
from coterie.actors.groups.group_messages import GroupStatus, HandOverAnswer
from coterie.actors.groups.members.group_members import GroupHasNoLeader, Transferred
from coterie.actors.groups.members.operator_requests import OperatorRequests
from coterie.cli import make_parser
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands.evolving import raft_command, raft_members
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.unavailable_group import GroupUnavailable
from coterie.errors import CommandRefused, Outcome
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

NODES = ("n1", "n2", "n3")


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    topology = Topology("three", nodes=[*NODES, "n4"])
    topology.raft("store", machine=KeyValue, nodes=NODES)
    async with Cluster(topology, joining=["n4"]) as made:
        client = await made.client()
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))
        await client.key_value("store").put(b"k", b"v")
        yield made


async def raft(*words: str, out: CommandOutput | None = None) -> int:
    """Carry out a command, but for its connection."""
    args = make_parser().parse_args(["raft", *words, "--connect", "here:1"])
    connection, out = ClusterConnection(("here",)), out or CommandOutput("raft")
    if words[0] == "transfer":
        return await raft_command._transfer(connection, args.group, args.to, out, args.wait)
    return await raft_members._carry_out(connection, args, out)


async def left_alone(cluster: Cluster) -> str:
    """Kill two nodes of three; return the name of the one that is left, once it knows no leader."""
    leader = await cluster.leader_of("store")
    left = next(name for name in NODES if name != leader)
    for name in NODES:
        if name != left:
            await cluster.kill(name)
    await asyncio.sleep(5)
    return left


@pytest.mark.parametrize(
    "words",
    [
        ["add", "store", "n4"],
        ["remove", "store", "n2"],
        ["promote", "store", "n2"],
        ["replace", "store", "n2", "--store", "ab"],
        ["transfer", "store"],
        ["transfer", "store", "--to", "n2"],
    ],
)
async def test_without_a_leader_nothing_is_changed_which_is_said_in_time(
    cluster: Cluster, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    left, clock = await left_alone(cluster), asyncio.get_running_loop()
    told = (
        rf"it has no leader: 1 of its 3 nodes answer \({left}\), and a leader needs a quorum; nothing was changed: see"
    )
    before_s = clock.time()

    with pytest.raises(GroupUnavailable, match=told) as caught:
        await raft(*words, "--wait", "7")

    assert clock.time() - before_s <= 7.5
    assert isinstance(caught.value.__cause__, GroupHasNoLeader)
    assert caught.value.__cause__.outcome is Outcome.DEFINITE
    is_waiting = "  it has no leader: 1 of its 3 nodes answer" in capsys.readouterr().out
    assert is_waiting is (words[0] != "transfer")


async def test_a_transfer_waits_ten_seconds_unless_told_otherwise(cluster: Cluster) -> None:
    args = make_parser().parse_args(["raft", "transfer", "store", "--connect", "here:1"])
    assert args.wait == 10.0
    await left_alone(cluster)
    clock = asyncio.get_running_loop()
    before_s = clock.time()

    with pytest.raises(GroupHasNoLeader):
        await (await cluster.client()).group("store").transfer()

    assert clock.time() - before_s <= 10.1


async def test_a_change_that_a_leader_took_may_go_on_although_no_other_leads_then(cluster: Cluster) -> None:
    group, leader = (await cluster.client()).group("store"), await cluster.leader_of("store")
    for name in NODES:
        if name != leader:
            cluster.network.partition(leader, name)
    adding = asyncio.ensure_future(group.add("n4", timeout_s=20))
    await asyncio.sleep(0.1)
    for name in NODES:
        await cluster.kill(name)

    with pytest.raises(GroupHasNoLeader, match="it may go on: look at the members, and repeat it") as caught:
        await adding

    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("form", ["table", "json"])
async def test_a_transfer_after_which_another_node_leads_is_exit_code_1(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    async def another(*_: Any, **__: Any) -> Transferred:
        return Transferred("n3", has_changed=True)

    monkeypatch.setattr("coterie.actors.groups.group_client.GroupClient.transfer", another)
    text = "group 'store': n3 leads, not n2, which was not elected: repeat the command"

    assert await raft("transfer", "store", "--to", "n2", out=CommandOutput("raft transfer", form)) == 1
    shown = capsys.readouterr().out
    if form == "table":
        assert shown == f"{text}\n"
    else:
        found = json.loads(shown)
        assert (found["verdict"], found["errors"][0]["message"]) == ("failed", text)
        assert found["data"] == {"group": "store", "leader": "n3", "changed": True}
    assert await raft("transfer", "store", "--to", "n3") == 0
    assert await raft("transfer", "store") == 0


async def test_a_leader_that_hands_over_and_is_elected_again_is_named(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, leader = (await cluster.client()).group("store"), await cluster.leader_of("store")
    monkeypatch.setattr(
        OperatorRequests, "_hand_over", lambda _, __, later, **___: later.reply(HandOverAnswer(True, "", None))
    )
    with pytest.raises(GroupHasNoLeader, match="has handed over") as caught:
        await group.transfer(timeout_s=3)  # no later term begins
    assert caught.value.outcome is Outcome.HAPPENED

    told = group._operations._status
    terms = iter(range(1, 1000))

    async def later(*, timeout_s: float) -> Any:
        answers, more = await told(timeout_s=timeout_s), next(terms)
        return {
            node: replace(each, term=each.term + more) if isinstance(each, GroupStatus) else each
            for node, each in answers.items()
        }

    monkeypatch.setattr(group._operations, "_status", later)
    with pytest.raises(CommandRefused, match=f"'{leader}' leads again: no other node was elected"):
        await group.transfer(timeout_s=3)
