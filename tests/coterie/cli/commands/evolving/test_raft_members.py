"""`coterie raft members|add|promote|remove|replace` and `coterie drain`: what they print, and their exit codes."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from coterie import KeyValue, Topology
from coterie.cli import main, make_parser
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.command_loop import NameNotFound
from coterie.cli.commands.evolving import drain_command, raft_members
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import CommandRefused
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

Raft = Callable[..., Awaitable[str]]


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    topology = Topology("three", nodes=["n1", "n2", "n3", "n4"])
    topology.raft("store", machine=KeyValue, nodes=["n1", "n2", "n3"])
    async with Cluster(topology, joining=["n4"]) as made:
        client = await made.client()
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))
        await client.key_value("store").put(b"k", b"v")
        yield made


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
    assert "n4" not in await raft("remove", "store", "n4")


async def test_progress_is_printed_and_goes_to_stderr_as_json(
    cluster: Cluster, raft: Raft, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def replaced(*_: Any, on_progress: Callable[[str], None], **__: Any) -> tuple[()]:
        on_progress("12 entries left")
        return ()

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
