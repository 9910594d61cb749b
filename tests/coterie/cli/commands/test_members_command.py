"""`coterie members`: on live nodes, with and without a failure detector."""

from __future__ import annotations

import contextlib
import json
from argparse import Namespace
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from coterie import Topology
from coterie.actors.node_report import NodeReport
from coterie.cli import main, member_reports
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands import members_command
from coterie.cli.member_rows import MemberRow
from coterie.cli.node_queries import query_node
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import NodeUnreachable
from coterie.protocols.detection.swim.swim import Swim
from coterie.runtime.transport.handshake.shared_key import SharedKey


def monitored(*, detects: bool) -> Topology:
    topology = Topology("monitored", nodes=["n1", "n2", "n3"])
    if detects:
        topology.detector(Swim.lan())
    return topology


async def shown(nodes: Any, **options: Any) -> int:
    connection = ClusterConnection(tuple(node.address for node in nodes.values()))
    out = CommandOutput("members", options.pop("form", "table"))
    given = {"watch": None, "observer": None, "out": out} | options
    return await members_command._show(connection, Namespace(**given))


async def test_the_members_of_a_live_cluster_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    async with monitored(detects=True).together() as nodes:
        codes = [await shown(nodes)]
        table = capsys.readouterr().out.splitlines()
        codes.append(await shown(nodes, form="json"))
        facts = json.loads(capsys.readouterr().out)
        codes.append(await shown(nodes, observer="n2"))
        view = capsys.readouterr().out.splitlines()

    assert codes == [0, 0, 0]
    assert [line.split()[:3] for line in table[1:]] == [[node, "yes", "alive"] for node in ("n1", "n2", "n3")]
    assert (facts["verdict"], facts["errors"]) == ("healthy", [])
    assert facts["data"]["members"]["n1"]["opinions"] == {"alive": 2}
    seen = [line.split()[:3] for line in view[1:]]
    assert seen == [["n1", "-", "alive"], ["n2", "yes", "alive"], ["n3", "-", "alive"]]


async def test_a_cluster_without_a_detector_is_told_how_to_add_one(capsys: pytest.CaptureFixture[str]) -> None:
    async with monitored(detects=False).together() as nodes:
        code = await shown(nodes)

    assert code == 1
    assert "topology.detector(Swim.local())" in capsys.readouterr().out


async def test_a_watch_ends_with_the_advice_if_there_is_no_detector(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after(1, monkeypatch)
    async with monitored(detects=False).together() as nodes:
        assert await shown(nodes, watch=0.5) == 1

    assert "topology.detector(Swim.local())" in capsys.readouterr().out


async def test_the_view_of_a_node_that_does_not_exist_is_an_error_that_names_the_others() -> None:
    async with monitored(detects=True).together() as nodes:
        with pytest.raises(ValueError, match="there is no node 'n9'; the nodes are n1, n2, n3"):
            await shown(nodes, observer="n9")


async def test_the_view_of_a_silent_node_says_that_it_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    peers = {"n2": "127.0.0.1:1", "n3": "127.0.0.1:2"}
    async with monitored(detects=True).start(node="n1", listen="127.0.0.1:0", peers=peers) as node:
        code = await shown({"n1": node}, observer="n2")

    assert code == 4
    assert capsys.readouterr().out == "node 'n2' does not answer\n"


async def test_one_address_is_enough_to_see_all_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    async with monitored(detects=True).together() as nodes:
        codes = [await shown({"n1": nodes["n1"]}), await shown({"n1": nodes["n1"]}, observer="n2")]

    lines = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert codes == [0, 0]
    assert lines[1:4] == [["n1", "yes"], ["n2", "yes"], ["n3", "yes"]]


async def test_a_learned_node_that_is_down_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    """It was dialled, at the address that n1 has for it."""
    peers = {"n2": "127.0.0.1:1", "n3": "127.0.0.1:2"}
    async with monitored(detects=True).start(node="n1", listen="127.0.0.1:0", peers=peers) as node:
        await shown({"n1": node})

    lines = [line.split()[:2] for line in capsys.readouterr().out.splitlines()]
    assert lines[1:4] == [["n1", "yes"], ["n2", "no"], ["n3", "no"]]


async def test_a_node_that_answers_and_is_locked_out_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a wrong key it answers clients, and has no link with the other nodes."""

    async def query(client: Any, node: str, request: Any, timeout_s: float) -> Any:
        report = await query_node(client, node, request, timeout_s)
        return replace(report, links=()) if node == "n3" and isinstance(report, NodeReport) else report

    monkeypatch.setattr(member_reports, "query_node", query)
    async with monitored(detects=True).together() as nodes:
        codes = [await shown(nodes)]
        lines = capsys.readouterr().out.splitlines()
        codes.append(await shown(nodes, form="json"))
        facts = json.loads(capsys.readouterr().out)
        codes.append(await shown(nodes, observer="n1"))
        view = capsys.readouterr().out.splitlines()

    told = [f"nodes {one} and n3 are not linked with each other: their logs say why" for one in ("n1", "n2")]
    assert codes == [5, 5, 5]
    assert lines[4:] == ["", *told]
    assert facts["data"]["troubles"] == told
    assert (facts["verdict"], facts["errors"]) == ("degraded", [{"code": "degraded", "message": text} for text in told])
    assert view[4:] == ["", told[0]]


async def test_a_node_that_refuses_this_client_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    topology = Topology("monitored", nodes=["n1"])
    topology.detector(Swim.lan())
    async with (
        topology.start(node="n1") as node,
        Topology("monitored", nodes=["n2"]).start(node="n2", auth=SharedKey(b"0123456789abcdef")) as locked,
    ):
        assert await shown({"n1": node, "n2": locked}) == 5

    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"this client is refused at {locked.address}: key_required: ")


class Enough(Exception):
    """Ends a watch."""


def end_after(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [None] * rounds

    async def sleep(seconds: float) -> None:
        left.pop()
        if not left:
            raise Enough

    monkeypatch.setattr(members_command, "asyncio", SimpleNamespace(sleep=sleep))


def silence(monkeypatch: pytest.MonkeyPatch, *silent: str) -> list[float]:
    """Let these nodes not answer; return the list of the time limits with which nodes are asked."""
    limits_s: list[float] = []

    async def query(client: Any, node: str, request: Any, timeout_s: float) -> Any:
        limits_s.append(timeout_s)
        return NodeUnreachable(node, "a test") if node in silent else await query_node(client, node, request, timeout_s)

    monkeypatch.setattr(member_reports, "query_node", query)
    return limits_s


@pytest.mark.parametrize(("watch_s", "limit_s"), [(None, 1.0), (0.1, 0.5), (0.7, 0.7), (60.0, 1.0)])
async def test_a_silent_node_is_marked_and_waited_for_no_longer_than_the_interval(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, watch_s: float | None, limit_s: float
) -> None:
    limits_s = silence(monkeypatch, "n3")
    end_after(1, monkeypatch)
    async with monitored(detects=True).together() as nodes:
        with contextlib.suppress(Enough):
            await shown(nodes, watch=watch_s)

    assert set(limits_s) == {limit_s}
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()[-3:]] == ["yes", "yes", "no"]


async def test_a_watch_says_once_that_no_node_answers_and_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    silence(monkeypatch, "n1", "n2", "n3")
    end_after(3, monkeypatch)
    async with monitored(detects=True).together() as nodes:
        with pytest.raises(Enough):
            await shown(nodes, watch=0.5)

    assert capsys.readouterr().out.splitlines()[1:] == ["no node answers"]  # the first line is the time


def test_an_interval_out_of_range_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["members", "--connect", "127.0.0.1:1", "--watch", "0"]) == 2
    assert "--watch 0: it must be 0.1" in capsys.readouterr().err


async def test_a_watch_repeats_the_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    end_after(3, monkeypatch)
    async with monitored(detects=True).together() as nodes:
        with pytest.raises(Enough):
            await shown(nodes, watch=0.5)

    assert capsys.readouterr().out.count("member ") == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"state": "left"}, None),
        ({"answers": None}, None),
        ({"state": "suspected", "reason": "silent"}, "member n1 is suspected: silent"),
        ({"state": "failed"}, "member n1 is failed"),
        ({"suspected_by": ("n2", "n3")}, "member n1 is suspected by n2, n3"),
        ({"answers": False, "error": "gone"}, "member n1 does not answer: gone"),
        ({"answers": False, "state": "unknown"}, "member n1 does not answer"),
    ],
)
def test_a_member_that_is_not_well_makes_the_cluster_degraded(
    changes: dict[str, Any], reason: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    row = replace(MemberRow("n1", "alive", {"alive": 2}, 0.0, 1, None, (), "", True, None), **changes)

    code = members_command._exit_code_of("", [row], [])
    members_command._print(CommandOutput("members", "json"), [row], "", [], is_live=False)

    found = json.loads(capsys.readouterr().out)
    assert (code, found["verdict"]) == ((0, "healthy") if reason is None else (5, "degraded"))
    assert [error["message"] for error in found["errors"]] == ([] if reason is None else [reason])


async def test_a_silent_node_is_exit_code_5(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    silence(monkeypatch, "n3")
    async with monitored(detects=True).together() as nodes:
        assert await shown(nodes) == 5


async def test_a_watch_prints_one_envelope_on_each_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    end_after(3, monkeypatch)
    async with monitored(detects=True).together() as nodes:
        with pytest.raises(Enough):
            await shown(nodes, watch=0.5, form="json")

    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["command"], one["verdict"]) for one in found] == [("members", "healthy")] * 3
