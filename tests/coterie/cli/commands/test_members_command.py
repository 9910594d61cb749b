"""`coterie members`: on live nodes, with and without a failure detector."""

from __future__ import annotations

import asyncio
import json
from argparse import Namespace
from types import SimpleNamespace
from typing import Any

import pytest

from coterie import Topology
from coterie.cli import main
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands import members_command
from coterie.protocols.detection.swim.swim import Swim


def monitored(*, detects: bool) -> Topology:
    topology = Topology("monitored", nodes=["n1", "n2", "n3"])
    if detects:
        topology.detector(Swim.lan())
    return topology


async def shown(nodes: Any, **options: Any) -> int:
    connection = ClusterConnection(tuple(node.address for node in nodes.values()))
    given = {"watch": None, "observer": None, "form": "table"} | options
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
    assert facts["members"]["n1"]["opinions"] == {"alive": 2}
    seen = [line.split()[:3] for line in view[1:]]
    assert seen == [["n1", "-", "alive"], ["n2", "yes", "unknown"], ["n3", "-", "alive"]]


async def test_a_cluster_without_a_detector_is_told_how_to_add_one(capsys: pytest.CaptureFixture[str]) -> None:
    async with monitored(detects=False).together() as nodes:
        code = await shown(nodes)

    assert code == 1
    assert "topology.detector(Swim.local())" in capsys.readouterr().out


async def test_the_view_of_a_node_that_is_not_linked_is_an_error_that_names_the_others() -> None:
    async with monitored(detects=True).together() as nodes:
        with pytest.raises(ValueError, match="--from 'n9': there is no link to it, only to n1, n2, n3"):
            await shown(nodes, observer="n9")


def test_an_interval_out_of_range_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["members", "--connect", "127.0.0.1:1", "--watch", "0"]) == 1
    assert "--watch 0: it must be 0.1" in capsys.readouterr().err


async def test_a_watch_repeats_the_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Enough(Exception):
        pass

    rounds: list[float] = []

    async def sleep(seconds: float) -> None:
        rounds.append(seconds)
        if len(rounds) == 3:
            raise Enough

    monkeypatch.setattr(members_command, "asyncio", SimpleNamespace(gather=asyncio.gather, sleep=sleep))
    async with monitored(detects=True).together() as nodes:
        with pytest.raises(Enough):
            await shown(nodes, watch=0.5)

    assert rounds == [0.5] * 3
    assert capsys.readouterr().out.count("member ") == 3
