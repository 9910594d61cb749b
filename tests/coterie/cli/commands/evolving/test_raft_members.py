"""`coterie raft members|add|promote|remove|replace` and `coterie drain`: what they print, and their exit codes."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from coterie.actors.groups.members.group_members import GroupMembers
from coterie.cli import main, make_parser
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.command_loop import NameNotFound
from coterie.cli.commands.evolving import drain_command, raft_command, raft_members
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import CommandRefused
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

Raft = Callable[..., Awaitable[str]]


@pytest.fixture
def raft(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> Raft:
    async def run(*words: str, form: str = "table") -> str:
        args: argparse.Namespace = make_parser().parse_args(["raft", *words, "--connect", "here:1"])
        out = CommandOutput(" ".join(["raft", words[0]]), form)
        assert await raft_members._carry_out(ClusterConnection(("here",)), args, out) == 0
        return capsys.readouterr().out

    return run


async def test_members_are_rows_with_role_store_and_address(cluster: Cluster, raft: Raft) -> None:
    shown = (await raft("members", "store")).splitlines()

    assert shown[0] == "group 'store': 3 members"
    assert [line.split()[:2] for line in shown[2:]] == [["n1", "voter"], ["n2", "voter"], ["n3", "voter"]]
    found = json.loads(await raft("members", "store", form="json"))["data"]
    assert found["members"][0].keys() == {"node", "store", "role", "address"}


async def test_a_node_is_added_as_a_learner_promoted_and_removed(cluster: Cluster, raft: Raft) -> None:
    assert "n4           learner" in await raft("add", "store", "n4", "--learner")
    assert "n4           voter" in await raft("promote", "store", "n4")
    assert "n4 " not in await raft("remove", "store", "n4")


async def test_a_repeated_command_ends_at_once_and_says_that_nothing_was_changed(cluster: Cluster, raft: Raft) -> None:
    async def twice(*words: str) -> None:
        assert "nothing was changed" not in await raft(*words)
        assert "group 'store': nothing was changed: it is so already\n" in await raft(*words)
        assert json.loads(await raft(*words, form="json"))["data"]["changed"] is False

    await twice("add", "store", "n4", "--learner")
    await twice("promote", "store", "n4")
    await twice("remove", "store", "n4")
    assert json.loads(await raft("add", "store", "n4", form="json"))["data"]["changed"] is True


async def test_a_transfer_to_the_leader_says_that_nothing_was_changed(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    async def transfer(to: str) -> Any:
        args = (ClusterConnection(("here",)), "store", to, CommandOutput("raft transfer", "json"))
        assert await raft_command._transfer(*args) == 0
        return json.loads(capsys.readouterr().out)["data"]

    leader = await cluster.leader_of("store")
    other = next(name for name in ("n1", "n2", "n3") if name != leader)

    assert await transfer(leader) == {"group": "store", "leader": leader, "changed": False}
    assert await transfer(other) == {"group": "store", "leader": other, "changed": True}


async def test_members_without_a_leader_are_shown_as_a_replica_knows_them(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    leader = await cluster.leader_of("store")
    left = next(name for name in ("n1", "n2", "n3") if name != leader)
    for name in ("n1", "n2", "n3"):
        if name != left:
            await cluster.kill(name)
    clock = asyncio.get_running_loop()

    async def members(form: str) -> str:
        args = make_parser().parse_args(["raft", "members", "store", "--connect", "here:1"])
        before_s, out = clock.time(), CommandOutput("raft members", form)
        assert await raft_members._carry_out(ClusterConnection(("here",)), args, out) == 1
        assert clock.time() - before_s < 2.5
        return capsys.readouterr().out

    await asyncio.sleep(5)
    lines = (await members("table")).splitlines()
    assert lines[0].startswith(f"group 'store' has no leader: these are its members as {left} knows them at index ")
    assert [line.split()[:2] for line in lines[3:]] == [["n1", "voter"], ["n2", "voter"], ["n3", "voter"]]
    found = json.loads(await members("json"))
    assert (found["verdict"], found["errors"][0]["code"]) == ("unavailable", "unavailable")
    assert (found["data"]["leader"], found["data"]["node"]) == (None, left)


async def test_an_interrupted_change_says_what_goes_on_and_how_to_take_it_back(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    await cluster.kill("n4")
    args = make_parser().parse_args(["raft", "add", "store", "n4", "--connect", "here:1"])
    connection, out = ClusterConnection(("here",)), CommandOutput("raft add")
    running = asyncio.ensure_future(raft_members._carry_out(connection, args, out))
    await asyncio.sleep(3)

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    told = raft_members._interrupted(args)
    assert told.startswith("interrupted: the group goes on with it (waiting for n4, which is to join: ")
    assert told.endswith("look with `coterie raft members store`, or take it back with `coterie raft remove store n4`")


def test_ctrl_c_is_one_line_and_exit_code_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(coroutine: Any) -> int:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(raft_members, "run_async", interrupted)

    assert main(["raft", "remove", "store", "n4", "--connect", "127.0.0.1:1"]) == 130
    assert capsys.readouterr().err == "coterie: interrupted before the group was asked: nothing was changed\n"


async def test_progress_is_printed_and_goes_to_stderr_as_json(
    cluster: Cluster, raft: Raft, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def replaced(*_: Any, on_progress: Callable[[str], None], **__: Any) -> GroupMembers:
        on_progress("12 entries left")
        return GroupMembers()

    monkeypatch.setattr("coterie.actors.groups.group_client.GroupClient.replace", replaced)
    assert (await raft("replace", "store", "n3", "--store", "ab")).startswith("  12 entries left\n")
    assert json.loads(await raft("replace", "store", "n3", "--store", "ab", form="json"))["data"]["members"] == []


async def test_what_is_refused_is_an_error(cluster: Cluster, raft: Raft) -> None:
    with pytest.raises(CommandRefused, match="n9 is no member of the group: its members are n1, n2, n3"):
        await raft("remove", "store", "n9")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("add", "store", "n4", "--address", "nowhere"), "--address: 'nowhere' is no address"),
        (("replace", "store", "n3"), "--store"),
        (("add", "store", "n4", "--wait", "-1"), "is no time"),
    ],
)
def test_wrong_usage_is_exit_code_2(words: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with contextlib.suppress(SystemExit):
        assert main(["raft", *words, "--connect", "127.0.0.1:1"]) == 2
    assert text in capsys.readouterr().err


async def test_a_drained_node_leads_nothing(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    leader = await cluster.leader_of("store")

    assert await drain_command._drain(ClusterConnection(("here",)), leader, CommandOutput("drain")) == 0

    assert await cluster.leader_of("store") != leader
    assert "leads" in capsys.readouterr().out
    assert await drain_command._drain(ClusterConnection(("here",)), leader, CommandOutput("drain")) == 0
    with pytest.raises(NameNotFound, match="there is no node 'n9'"):
        await drain_command._drain(ClusterConnection(("here",)), "n9", CommandOutput("drain"))


async def test_a_node_that_cannot_hand_over_is_exit_code_1(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    leader = await cluster.leader_of("store")
    for node in ("n1", "n2", "n3"):
        if node != leader:
            cluster.network.partition(node, leader)

    assert await drain_command._drain(ClusterConnection(("here",)), leader, CommandOutput("drain")) == 1
    assert "leads on" in capsys.readouterr().out
