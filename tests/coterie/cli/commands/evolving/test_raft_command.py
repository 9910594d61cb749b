"""`coterie raft`: what is active, what the nodes run, and the activation."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coterie import KeyValue, Query, StateMachine, Topology, message
from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.group_messages import CodeReport, GroupStatus
from coterie.cli import cluster_connection, main
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands.evolving import raft_command
from coterie.cli.node_queries import code_schemas
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import CommandRefused, NodeUnreachable
from coterie.protocols.evolution.revisions import Revision
from coterie.testing import Cluster

LEADER = GroupStatus("totals", "n1", "leader", 3, "n1", 9, 9, 9, "s1", 1, (), None, 1, 1, 2, "00000002" + "ab" * 12)
OTHER = replace(LEADER, node="n2", role="follower", code_version=1, code_schema="00000001" + "cd" * 12)


def lines(*statuses: GroupStatus, schemas: Any = None, **errors: NodeUnreachable) -> list[str]:
    found: Any = {status.node: status for status in statuses}
    return list(raft_command._lines("totals", {**found, **errors}, schemas or {}))


def test_every_node_is_a_row_with_what_it_runs() -> None:
    assert lines(LEADER, OTHER, n3=NodeUnreachable("n3", "gone")) == [
        "group 'totals': version 1 is active (revision 1)",
        "  node         role           runs schema     active",
        "  n1           leader            2 abababab        1",
        "  n2           follower          1 cdcdcdcd        1",
        "  n3           node 'n3' is unreachable (gone): nothing was sent; send again once its link is up",
        "  n2 runs older code than the leader n1: restart n2 on the leader's code, to activate that",
    ]


def test_a_node_in_quarantine_says_why() -> None:
    shown = lines(LEADER, replace(OTHER, role="quarantined", quarantine="revision 2 is newer", version=0))
    assert shown[-1] == (
        "  n2 is in quarantine (until it is restarted on code that can follow the group, it stores and votes, and "
        "applies nothing): revision 2 is newer"
    )


def test_a_node_that_lost_what_it_promised_is_not_said_to_vote() -> None:
    (shown,) = lines(LEADER, replace(OTHER, role="lost_promises", quarantine="2 segments are missing"))[4:]
    assert shown.startswith("  n2 takes no part: its store s1 lost what it had promised: 2 segments are missing; put")
    assert "votes" not in shown


def test_a_node_that_takes_no_part_and_could_not_apply_says_both() -> None:
    shown = lines(LEADER, replace(OTHER, role="refused", quarantine="revision 2 is newer"))[4:]
    assert [text.partition(" (")[0].partition(":")[0] for text in shown] == [
        "  n2 takes no part",
        "  n2 is in quarantine",
    ]


def test_a_group_without_a_leader_or_without_a_schema_is_told() -> None:
    assert lines(OTHER)[0] == "group 'totals': no node that answers leads it"
    assert lines(replace(LEADER, revision=0))[0] == "group 'totals': its machine has no schema"


@message(name="raft_cli.Get")
class Get(Query[int]):
    pass


@message(name="raft_cli.Put")
class Put(Query[int]):
    pass


@message(name="raft_cli.Take")
class Take(Query[int]):
    pass


class First(StateMachine[Get]):
    total = 0

    def apply(self, command: object, /) -> int:
        return self.total


class Putting(First, StateMachine[Get | Put]):  # pyright: ignore[reportGeneralTypeIssues]
    version = 2


class Taking(First, StateMachine[Get | Take]):  # pyright: ignore[reportGeneralTypeIssues]
    version = 2


class PuttingUnraised(First, StateMachine[Get | Put]):  # pyright: ignore[reportGeneralTypeIssues]
    pass


@pytest.mark.parametrize(
    ("leader", "other", "text"),
    [
        (First, Putting, "n2 runs newer code than the leader n1: restart n1 on it; until then it cannot be activated"),
        (
            First,
            PuttingUnraised,
            "n2 runs newer code than the leader n1: restart n1 on it; until then it cannot be activated",
        ),
        (
            PuttingUnraised,
            First,
            "n2 runs older code than the leader n1: restart n2 on the leader's code, to activate that",
        ),
        (
            Putting,
            Taking,
            "n2 runs other code than the leader n1: all voters must run the same before it can be activated",
        ),
    ],
)
def test_the_node_that_is_to_be_restarted_is_the_one_with_the_older_code(
    leader: type[StateMachine[Any]], other: type[StateMachine[Any]], text: str
) -> None:
    schemas = {"n1": machine_schema(leader), "n2": machine_schema(other)}
    same_number = replace(OTHER, code_version=LEADER.code_version)
    assert lines(LEADER, same_number, schemas=schemas)[-1] == f"  {text}"


def conflicts(machines: Sequence[type[StateMachine[Any]]]) -> list[str]:
    reports: Any = {
        f"n{number}": CodeReport(f"n{number}", Revision(1, machine_schema(machine)).encode())
        for number, machine in enumerate(machines, 1)
    }
    unreadable = {"n8": CodeReport("n8", b"of a later release"), "n9": CodeReport("n9", b"")}
    return list(raft_command._conflicts(code_schemas({**reports, **unreadable})))


def test_code_that_adds_in_two_ways_is_told() -> None:
    assert conflicts([First, Putting]) == []
    (text,) = conflicts([First, Putting, Taking])
    assert text == (
        "n2 and n3: both call themselves version 2, and contradict each other: command 'raft_cli.Put': the code does "
        "not have it; keep the command and its name; `apply` may refuse it"
    )


@pytest.fixture
def data(tmp_path: Path) -> str:
    return str(tmp_path / "n1")


def topology_of(machine: type[StateMachine[Any]]) -> Topology:
    topology = Topology("raft-cli", nodes=["n1"])
    topology.raft("totals", machine=machine)
    return topology


async def test_a_newer_version_is_shown_and_activated(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with topology_of(First).start(node="n1", data=data, bootstrap="new") as node:
        assert await node.group("totals").execute(Get()) == 0

    async with topology_of(Putting).start(node="n1", data=data) as node:
        connection = ClusterConnection((node.address,))
        await node.group("totals").execute(Get())
        assert await raft_command._versions(connection, "totals", CommandOutput("raft versions")) == 0
        shown = capsys.readouterr().out.splitlines()
        assert shown[0] == "group 'totals': version 1 is active (revision 1)"
        assert shown[2].split()[:3] == ["n1", "leader", "2"]

        assert await raft_command._activate(connection, "totals", CommandOutput("raft activate")) == 0
        assert capsys.readouterr().out == "group 'totals': version 2 is active (revision 2)\n"
        assert await raft_command._activate(connection, "totals", CommandOutput("raft activate")) == 0, (
            "repeated: the same answer"
        )
        assert capsys.readouterr().out == "group 'totals': version 2 is active (revision 2)\n"


async def test_code_in_quarantine_is_exit_code_1(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with topology_of(Putting).start(node="n1", data=data, bootstrap="new") as node:
        await node.group("totals").execute(Get())
        await asyncio.sleep(0)

    async with topology_of(First).start(node="n1", data=data) as node:
        assert (
            await raft_command._versions(ClusterConnection((node.address,)), "totals", CommandOutput("raft versions"))
            == 1
        )
    assert "n1 is in quarantine" in capsys.readouterr().out


def test_a_cluster_that_is_not_reached_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_connection, "CONNECT_TIMEOUT_S", 0.1)
    assert main(["raft", "activate", "totals", "--connect", "127.0.0.1:1"]) == 4
    assert capsys.readouterr().err.startswith("coterie: ")


def test_a_built_in_machine_has_a_version() -> None:
    assert machine_schema(KeyValue).version == 1


@pytest.mark.virtual
async def test_a_member_that_is_down_is_a_row_and_exit_code_5(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    topology = Topology("three", nodes=["n1", "n2", "n3"])
    topology.raft("totals", machine=First)
    async with Cluster(topology) as cluster:
        leader = await cluster.leader_of("totals")
        victim = "n1" if leader != "n1" else "n2"
        await cluster.kill(victim)
        client = await cluster.client()
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))

        assert await raft_command._versions(ClusterConnection(("here",)), "totals", CommandOutput("raft")) == 5
        (row,) = [line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == [victim]]
        assert await raft_command._versions(ClusterConnection(("here",)), "totals", CommandOutput("raft", "json")) == 5
    found = json.loads(capsys.readouterr().out)
    assert "no answer" in row
    assert found["verdict"] == "degraded"
    assert [error["code"] for error in found["errors"]] == ["degraded"]
    assert found["data"]["nodes"][leader]["active_version"] == 1
    assert "no answer" in found["data"]["nodes"][victim]["error"]


@pytest.mark.virtual
async def test_the_leader_hands_over(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    topology = Topology("three", nodes=["n1", "n2", "n3"])
    topology.raft("totals", machine=First)
    async with Cluster(topology) as cluster:
        old = await cluster.leader_of("totals")
        to = next(name for name in cluster if name != old)
        client = await cluster.client()
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))
        connection, out = ClusterConnection(("here",)), CommandOutput("raft transfer")

        assert await raft_command._transfer(connection, "totals", to, out) == 0
        assert capsys.readouterr().out == f"group 'totals': {to} leads\n"
        assert await cluster.leader_of("totals") == to
        with pytest.raises(CommandRefused, match="'n9' cannot lead next"):
            await raft_command._transfer(connection, "totals", "n9", out)
