"""`coterie pools`: on live nodes, and as a pure table."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

import pytest

from coterie import Node, Prequal, Topology
from coterie.actors.pools.pool_reports import CallerReport, PoolsReport, TargetLine
from coterie.cli import main
from coterie.cli.caller_rows import pool_lines
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands import pools_command
from coterie.errors import NodeUnreachable
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message


@message(name="test.pools_command.Work")
class Work(Ask[str]):
    pass


class Worker(Actor[Work]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Work, /) -> str:
        return self._node.name


def cluster() -> Topology:
    topology = Topology("pools", nodes=["n1", "n2"])
    topology.pool("workers", Worker)
    topology.balancer("front", Prequal(), over="workers", nodes=["n1"])
    return topology


async def shown(nodes: Any, **options: Any) -> int:
    connection = ClusterConnection(tuple(node.address for node in nodes.values()))
    given = {"watch": None, "pattern": "", "limit": 50, "form": "table"} | options
    return await pools_command._show(connection, Namespace(**given))


async def test_pools_and_balancers_of_a_live_cluster_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    async with cluster().together() as nodes:
        for node in nodes.values():
            for other in nodes:
                if other != node.name:
                    await node.system.linked(other)
        for _ in range(4):
            await nodes["n2"].pool("workers").ask(Work())
            await nodes["n2"].actor("front", node="n1").ask(Work())
        codes = [await shown(nodes)]
        table = capsys.readouterr().out
        codes.append(await shown(nodes, form="json", pattern="work"))
        facts = json.loads(capsys.readouterr().out)

    assert codes == [0, 0]
    assert "balancer front, as n1 sees it: Prequal(" in table
    assert "pool workers, as n2 sees it: RoundRobin()" in table
    assert "last pick: " in table
    (caller,) = facts["n2"]["callers"]
    assert [line["picks"] for line in caller["targets"]] == [2, 2]
    assert facts["n1"]["callers"] == []


async def test_a_cluster_whose_pools_nobody_used_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    topology = Topology("unused", nodes=["n1"])
    topology.pool("workers", Worker)
    async with topology.together() as nodes:
        assert await shown(nodes) == 0

    assert capsys.readouterr().out == f"{pools_command.NOTHING}\n"


def test_an_interval_out_of_range_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pools", "--connect", "127.0.0.1:1", "--watch", "0"]) == 1
    assert "--watch 0: it must be 0.1 … 3600 s" in capsys.readouterr().err


def test_the_table_has_a_line_for_each_target_and_says_what_is_cut() -> None:
    serving = TargetLine("n1/w/1", "n1", "serving", 1.0, 2, 30, 0, 0.5, 0.75, 0.0021)
    ejected = TargetLine("n2/w/1", "n2", "ejected for 12.0 s", 1.0, 0, 10, 5, None, 0.25, None)
    caller = CallerReport("w", "pool", "RoundRobin()", "it was its turn", 3, 1, 2, 7, (serving, ejected))

    lines = list(pool_lines({"n1": PoolsReport("n1", 9, (caller,)), "n2": NodeUnreachable("n2", "gone")}))

    assert lines[0] == ("pool w, as n1 sees it: RoundRobin(), 3 retries, 1 retries refused by the budget, 2 hedged")
    assert lines[2].split() == ["n1/w/1", "serving", "50.0%", "75.0%", "30", "2", "0", "2.10", "ms"]
    assert lines[3].split() == ["n2/w/1", "ejected", "for", "12.0", "s", "-", "25.0%", "10", "0", "5", "-"]
    assert lines[4:6] == ["  … 2 of 7 targets", "  last pick: it was its turn"]
    assert lines[6] == "node n1: 1 of 9 callers"
    assert "node 'n2' is unreachable (gone)" in lines[7]
