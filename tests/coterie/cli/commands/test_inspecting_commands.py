"""`coterie top`, `actors` and `waits`: on a live node, and as pure tables."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from dataclasses import replace

import pytest

from coterie import KeyValue, Topology
from coterie.actors.inspection import ActorLine, ActorsReport, ReportActors, TypeLine, WaitLine
from coterie.cli import main
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands import actors_command, top_command, waits_command
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import NodeUnreachable


def report(**changes: object) -> ActorsReport:
    line = ActorLine("w/1", "Worker", "running", 3, 9, 100, 0.5, 2, "ValueError: no", "Work")
    total = TypeLine("Worker", 4, 3, 9, 100, 0.5, 2)
    plain = ActorsReport("n1", 10.0, 1.5, 100, 2, {"stopped": 7}, (total,), (line,), ())
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_rates_are_of_the_messages_handled_between_two_queries() -> None:
    busier = TypeLine("Worker", 4, 3, 9, 1100, 0.5, 2)

    lines = top_command.table({"n1": report()}, {"n1": report(at_s=12.0, handled=5100, types=(busier,))})

    assert lines[1].split() == ["n1", "4", "2,500", "3", "9", "2", "2", "7", "1.5"]
    assert lines[4].split() == ["Worker", "n1", "4", "500", "50%", "3", "9"]
    assert lines[7].split() == ["w/1@n1", "3", "9", "2", "Work;", "ValueError:", "no"]


def test_a_node_that_came_back_with_lower_counts_has_no_rate() -> None:
    lines = top_command.table({"n1": report()}, {"n1": report(at_s=12.0, handled=5)})

    assert lines[1].split()[2] == "-"


def test_a_node_that_does_not_answer_is_a_line_and_not_the_end() -> None:
    lines = top_command.table({}, {"n1": report(), "n2": NodeUnreachable("n2", "gone")})

    assert "node 'n2' is unreachable (gone)" in lines[2]
    assert lines[1].split()[2] == "-"


def test_waits_are_drawn_as_text_and_as_graphs() -> None:
    pending = [WaitLine("a@n1", "b@n2", "Get", 2.5), WaitLine("c@n1", "b@n2", "Put", 1.0)]

    assert waits_command.draw(pending, "text") == [
        "a@n1 waits for b@n2 (Get, 2.5 s left)",
        "c@n1 waits for b@n2 (Put, 1.0 s left)",
    ]
    assert waits_command.draw(pending, "mermaid")[-2:] == ["  a0 -->|Get| a1", "  a2 -->|Put| a1"]
    assert '  "a@n1" -> "b@n2" [label="Get"];' in waits_command.draw(pending, "dot")
    hostile = [WaitLine('x"]; evil["@n1', 'b"; evil -> x; "\\', "Get|\n", 1.0)]
    assert all('evil["' not in line for line in waits_command.draw(hostile, "mermaid"))
    edge = '  "x\\"]; evil[\\"@n1" -> "b\\"; evil -> x; \\"\\\\" [label="Get| "];'
    assert waits_command.draw(hostile, "dot")[1] == edge
    assert waits_command.draw([], "text") == ["no actor waits for a reply"]


@pytest.mark.parametrize(
    ("form", "shown"), [("text", "node n2: "), ("mermaid", "%% node n2: "), ("dot", "// node n2: ")]
)
def test_waits_names_the_nodes_that_do_not_answer(
    form: str, shown: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def query(_: object) -> object:
        return {"n1": report(), "n2": NodeUnreachable("n2", "gone")}

    monkeypatch.setattr(waits_command, "_query", query)

    assert main(["waits", "--connect", "127.0.0.1:1", "--as", form]) == 5
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{shown}node 'n2' is unreachable (gone)")


def test_an_interval_out_of_range_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top", "--connect", "127.0.0.1:1", "--interval", "0"]) == 2
    assert "--interval 0: it must be 0.1" in capsys.readouterr().err


async def test_a_live_node_is_shown(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_command, "FIRST_INTERVAL_S", 0.01)
    topology = Topology("shown", nodes=["n1"])
    topology.raft("store", machine=KeyValue)

    async with topology.start(node="n1") as node:
        await node.key_value("store").put(b"k", b"v")
        await asyncio.sleep(0)
        given = {"once": True, "interval": 1.0}
        connection = ClusterConnection((node.address,))
        await top_command._watch(connection, Namespace(out=CommandOutput("top"), **given))
        shown = capsys.readouterr().out
        await top_command._watch(connection, Namespace(out=CommandOutput("top", "json"), **given))
        facts = json.loads(capsys.readouterr().out)["data"]["nodes"]
        listed = actors_command._lines(
            await actors_command._query(ClusterConnection((node.address,)), ReportActors("Raft"))
        )
        drawn = list(waits_command._waits(await waits_command._query(ClusterConnection((node.address,)))))

    assert "RaftActor" in shown
    assert {line["type"] for line in facts["n1"]["types"]} >= {"RaftActor", "NodeReportActor"}
    assert [line.split()[0] for line in listed[1:2]] == ["store@n1"]
    assert drawn == []
