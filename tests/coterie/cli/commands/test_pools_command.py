"""`coterie pools`: on live nodes, and as a pure table."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from coterie import Address, BalancerActor, KeyValue, Node, Prequal, RoundRobin, Topology
from coterie.actors.pools.pool_reports import CallerReport, PoolsReport, TargetLine
from coterie.cli import main
from coterie.cli.caller_rows import pool_lines
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands import pools_command
from coterie.cli.output.command_output import CommandOutput
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
    out = CommandOutput("pools", options.pop("form", "table"))
    given = {"watch": None, "pattern": "", "limit": 50, "out": out} | options
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
        facts = json.loads(capsys.readouterr().out)["data"]["nodes"]

    assert codes == [0, 0]
    assert "balancer front, as n1 sees it: Prequal()\n" in table
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


async def test_a_node_that_does_not_answer_is_named_and_exit_code_5(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def query(*_: object) -> object:
        return {"n1": PoolsReport("n1", 0, ()), "n2": NodeUnreachable("n2", "gone")}

    monkeypatch.setattr(pools_command, "query_nodes", query)
    async with cluster().together() as nodes:
        codes = [await shown(nodes), await shown(nodes, form="json")]

    nothing, table, envelope = capsys.readouterr().out.splitlines()
    assert codes == [5, 5]
    assert nothing == pools_command.NOTHING
    assert table.startswith("node n2: node 'n2' is unreachable (gone)")
    assert json.loads(envelope)["errors"][0]["code"] == "degraded"


async def test_a_pattern_that_is_a_group_is_said_to_be_one() -> None:
    topology = cluster()
    topology.raft("store", machine=KeyValue)
    async with topology.together() as nodes:
        with pytest.raises(ValueError, match="'store' is a group, and no pool or balancer has 'store' in its name"):
            await shown(nodes, pattern="store")


async def test_a_balancer_that_was_not_used_yet_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    async with cluster().together() as nodes:
        assert await shown(nodes) == 0

    first, second = capsys.readouterr().out.splitlines()
    assert first == "balancer front, as n1 sees it: Prequal()"
    assert second == "  not used yet: it looks for its targets at the first request"


@pytest.mark.parametrize("form", ["table", "json"])
async def test_a_pattern_without_a_match_is_an_error_that_names_what_there_is(form: str) -> None:
    async with cluster().together() as nodes:
        with pytest.raises(ValueError, match="no pool or balancer has 'wrokers' in its name: there are front, workers"):
            await shown(nodes, pattern="wrokers", form=form)


async def test_a_pattern_that_matches_an_unused_pool_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    async with cluster().together() as nodes:
        assert await shown(nodes, pattern="work") == 0

    assert capsys.readouterr().out == "not used yet by these nodes: workers\n"


async def test_a_balancer_that_a_program_has_spawned_itself_is_found_by_its_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with cluster().together() as nodes:
        system = nodes["n2"].system
        system.spawn(partial(BalancerActor, RoundRobin(), [system.at(Address("n2", "workers/1"))]), name="own")
        assert await shown(nodes, pattern="own") == 0

    assert "balancer own, as n2 sees it: RoundRobin()" in capsys.readouterr().out


async def test_tables_that_are_watched_into_a_pipe_are_each_under_the_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Enough(Exception):
        """Ends the watch."""

    left = [0.0, 0.0]

    async def sleep(_seconds: float) -> None:
        if not left:
            raise Enough
        left.pop()

    monkeypatch.setattr(pools_command, "asyncio", SimpleNamespace(sleep=sleep, gather=asyncio.gather))
    async with cluster().together() as nodes:
        with pytest.raises(Enough):
            await shown(nodes, watch=0.5, pattern="front")

    times = [line for line in capsys.readouterr().out.splitlines() if line[:2] == "20"]
    assert [datetime.strptime(time, "%Y-%m-%d %H:%M:%S").astimezone().year >= 2024 for time in times] == [True] * 3


def test_an_interval_out_of_range_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pools", "--connect", "127.0.0.1:1", "--watch", "0"]) == 2
    assert "--watch 0: it must be 0.1 … 3600 s" in capsys.readouterr().err


def test_one_retry_is_not_a_plural() -> None:
    caller = CallerReport("w", "pool", "RoundRobin()", "it was its turn", 1, 2, 1, 0, ())

    assert next(pool_lines({"n1": PoolsReport("n1", 1, (caller,))})) == (
        "pool w, as n1 sees it: RoundRobin(), 1 retry, 2 retries refused by the budget, 1 hedged request"
    )


def test_the_table_has_a_line_for_each_target_and_says_what_is_cut() -> None:
    serving = TargetLine("n1/w/1", "n1", "serving", 1.0, 2, 30, 0, 0.5, 0.75, 0.0021)
    ejected = TargetLine("n2/w/1", "n2", "ejected for 12.0 s", 1.0, 0, 10, 5, None, 0.25, None)
    caller = CallerReport("w", "pool", "RoundRobin()", "it was its turn", 3, 1, 2, 7, (serving, ejected))

    lines = list(pool_lines({"n1": PoolsReport("n1", 9, (caller,)), "n2": NodeUnreachable("n2", "gone")}))

    assert lines[0] == (
        "pool w, as n1 sees it: RoundRobin(), 3 retries, 1 retry refused by the budget, 2 hedged requests"
    )
    assert lines[2].split() == ["n1/w/1", "serving", "50.0%", "75.0%", "30", "2", "0", "2.10", "ms"]
    assert lines[3].split() == ["n2/w/1", "ejected", "for", "12.0", "s", "-", "25.0%", "10", "0", "5", "-"]
    assert lines[4:6] == ["  … 2 of 7 targets", "  last pick: it was its turn"]
    assert lines[6] == "node n1: 1 of 9 callers"
    assert "node 'n2' is unreachable (gone)" in lines[7]
