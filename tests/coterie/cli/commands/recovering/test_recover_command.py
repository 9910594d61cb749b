"""`coterie raft recover`: it is told twice what may be lost, and then the group goes on."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from coterie import Topology
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.node import Node
from coterie.cli import main
from coterie.protocols.checkpoints import checkpoint_rounds
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.storage.segmented_log import SegmentedLog
from tests.coterie.cli.commands.recovering.test_backup_command import Add, Totals


def topology() -> Topology:
    made = Topology("backed", nodes=["n1", "n2", "n3"])
    made.raft("totals", machine=Totals)
    made.synod("config", nodes=["n1"])
    return made


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The directory of a node whose group has executed five commands, and has lost its two other nodes."""
    monkeypatch.setattr(checkpoint_rounds, "INTERVAL_S", 0.05)

    async def run() -> None:
        async with topology().together(data=str(tmp_path), bootstrap="new") as nodes:
            for _ in range(5):
                await nodes["n1"].group("totals").execute(Add(2))
            await nodes["n1"].synod("config").propose(b"chosen")
            await until_applied(nodes["n1"])

    asyncio.run(run())
    return str(tmp_path / "n1")


async def until_applied(node: Node) -> None:
    """Wait until the node has applied what was acknowledged."""
    group = node.group("totals")
    while True:
        statuses = [each for each in (await group.status()).values() if isinstance(each, GroupStatus)]
        own = next(each for each in statuses if each.node == node.name)
        if own.applied_index == max(each.last_index for each in statuses):
            return
        await asyncio.sleep(0.01)


def contents(data: str) -> dict[str, bytes]:
    return {name: Path(data, name).read_bytes() for name in sorted(os.listdir(data))}


def looked_at(data: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["raft", "recover", "totals", "--data", data, "-o", "json"]) == 5
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_first_call_says_what_may_be_lost_and_changes_nothing(
    data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(data)

    assert main(["raft", "recover", "totals", "--data", data]) == 5

    text = capsys.readouterr().out
    for part in (
        "node 'n1' of cluster 'backed'",
        "; the present term is ",
        "known to be committed: entries up to ",
        "members: n1 (voter, store ",
        "lost is what other stores acknowledged after entry ",
        "no other node may ever start again with what it holds of this group",
        "nothing was changed: to accept this loss, add --accept-loss ",
    ):
        assert part in text
    assert contents(data) == before
    found = looked_at(data, capsys)
    assert found["verdict"] == "degraded"
    assert found["data"]["is_voter"] is True
    assert 0 < found["data"]["committed_index"] <= found["data"]["last_index"]
    assert [member["node"] for member in found["data"]["members"]] == ["n1", "n2", "n3"]


def test_what_was_shown_is_accepted_and_the_group_goes_on(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    token = looked_at(data, capsys)["data"]["token"]

    assert main(["raft", "recover", "totals", "--data", data, "--accept-loss", token]) == 0

    said = capsys.readouterr().out
    assert "group 'totals' begins anew in" in said
    assert "its only member is node n1" in said
    assert "coterie raft add totals NODE" in said

    async def go_on() -> int:
        async with topology().start(node="n1", data=data) as node:
            return await node.group("totals").execute(Add(1))

    assert asyncio.run(go_on()) == 11


def test_another_token_or_a_second_use_is_refused(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    token = looked_at(data, capsys)["data"]["token"]
    assert main(["raft", "recover", "totals", "--data", data, "--accept-loss", "00000000"]) == 1
    assert "does not stand for what group 'totals'" in capsys.readouterr().err
    assert main(["raft", "recover", "totals", "--data", data, "--accept-loss", token]) == 0

    assert main(["raft", "recover", "totals", "--data", data, "--accept-loss", token]) == 1
    assert "look at it again" in capsys.readouterr().err


def test_a_group_that_there_is_not_or_that_is_none_is_told(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["raft", "recover", "total", "--data", data]) == 3
    assert "the groups are 'config', 'totals'" in capsys.readouterr().err
    assert main(["raft", "recover", "config", "--data", data]) == 1
    assert "'config' in " in capsys.readouterr().err


def test_a_store_that_went_back_is_told(data: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def mark() -> None:
        store = await SegmentedLog.open(RealHost(), data, cluster="backed", node="n1")
        await store.mark_lost("it was a copy")
        await store.close()

    asyncio.run(mark())

    assert looked_at(data, capsys)["data"]["lost"] == "it was a copy"
