"""Whole topologies with data, on real loops and disks, inside a program: they leave nothing, and change nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coterie import Client, KeyValue, Node, Topology
from coterie.testing import no_leaks
from tests.embedding.actors import Add, Counter


def topology() -> Topology:
    made = Topology("embedded", nodes=["n1", "n2", "n3"])
    made.raft("store", machine=KeyValue)
    made.synod("config")
    made.pool("counters", lambda _: Counter(), per_node=2)
    return made


async def use(nodes: dict[str, Node]) -> None:
    """Let every part of the topology do something, from within and from outside."""
    async with Client([node.address for node in nodes.values()]) as client:
        await client.key_value("store").put(b"k", b"v")
        await client.synod("config").propose(b"chosen")
        totals = await asyncio.gather(*(client.pool("counters").ask(Add(1)) for _ in range(12)))
        assert sum(totals) >= 12
    assert await nodes["n3"].key_value("store").get(b"k") == b"v"


async def test_a_topology_with_data_runs_twice_and_leaves_nothing_each_time(tmp_path: Path) -> None:
    async with no_leaks(), topology().together(data=str(tmp_path), bootstrap="new") as nodes:
        await use(nodes)

    async with no_leaks(), topology().together(data=str(tmp_path)) as nodes:
        assert await nodes["n1"].key_value("store").get(b"k") == b"v"
        await use(nodes)


async def test_a_topology_in_memory_leaves_nothing() -> None:
    async with topology().together() as nodes:
        await use(nodes)


async def test_one_node_without_its_peers_leaves_nothing(tmp_path: Path) -> None:
    peers = {"n2": "127.0.0.1:1", "n3": "127.0.0.1:2"}
    async with topology().start(node="n1", peers=peers, data=str(tmp_path), bootstrap="new") as node:
        pending = asyncio.ensure_future(node.key_value("store").put(b"k", b"v"))
        await asyncio.sleep(0)
        pending.cancel()


async def test_a_program_that_raises_in_the_middle_of_its_work_leaves_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with topology().together(data=str(tmp_path), bootstrap="new") as nodes:
            store = nodes["n1"].key_value("store")
            async with asyncio.TaskGroup() as tasks:
                for number in range(20):
                    tasks.create_task(store.put(b"%d" % number, b"v"))
                tasks.create_task(fail(store.put(b"k", b"v")))

    async def fail(first: object) -> None:
        assert asyncio.iscoroutine(first)
        await first
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await main()

    assert caught.group_contains(ZeroDivisionError)
