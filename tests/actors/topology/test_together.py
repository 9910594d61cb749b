"""All nodes in one process: the same cluster, the same data."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from coterie import Actor, Ask, KeyValue, Node, Topology, message
from coterie.errors import NotFormatted


@message(name="test.together.Where")
class Where(Ask[str]):
    pass


class Front(Actor[Where]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Where, /) -> str:
        return self._node.name


def make() -> Topology:
    topology = Topology("together", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    topology.actor("front", Front, nodes=["n1", "n3"])
    return topology


async def test_all_nodes_run_in_one_process_and_leave_no_task() -> None:
    before = asyncio.all_tasks()

    async with make().together() as nodes:
        await nodes["n2"].key_value("store").put(b"k", b"v")
        values = [await node.key_value("store").get(b"k") for node in nodes.values()]
        where = [await nodes["n2"].actor("front", node=name).ask(Where()) for name in ("n1", "n3")]

    assert values == [b"v"] * 3
    assert where == ["n1", "n3"]
    assert asyncio.all_tasks() == before


async def test_data_is_there_again_the_next_time(tmp_path: Path) -> None:
    data = str(tmp_path)
    async with make().together(data=data, bootstrap="new") as nodes:
        await nodes["n1"].key_value("store").put(b"k", b"v")

    async with make().together(data=data) as nodes:
        assert await nodes["n3"].key_value("store").get(b"k") == b"v"


async def test_a_start_that_fails_in_the_middle_stops_what_had_started(tmp_path: Path) -> None:
    before: set[asyncio.Task[Any]] = asyncio.all_tasks()
    async with make().together(data=str(tmp_path), bootstrap="new"):
        pass
    (tmp_path / "n2").rename(tmp_path / "gone")

    with pytest.raises(NotFormatted):
        async with make().together(data=str(tmp_path)):
            raise AssertionError("it must not start")

    assert asyncio.all_tasks() == before
