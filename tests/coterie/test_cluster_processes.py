from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.key_value import Get, Put
from coterie.cluster_processes import NodeEnded
from coterie.demo.demo_topology import STORE, demo_cluster

ON_UVLOOP = pytest.mark.asyncio(loop_factories=["uvloop"])
"""Runs once, as the command line does: these tests are about the nodes' processes, not about this one's loop."""


async def put(client: Client) -> None:
    """Put a value; the nodes may be starting."""
    await client.group(STORE).execute(Put(b"k", b"v"), timeout_s=60)


async def get(client: Client) -> bytes | None:
    """Get the value; the nodes may be starting."""
    return await client.group(STORE).execute(Get(b"k"), timeout_s=60)


@pytest.mark.slow
@ON_UVLOOP
async def test_node_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    async with demo_cluster(3, str(tmp_path)) as first:
        async with Client(first.addresses, connect_timeout_s=60) as client:
            await put(client)
        async with demo_cluster(3, str(tmp_path)) as second:  # on the same data directories
            with pytest.raises(NodeEnded, match=r"node 'n\d' ended with code 1: coterie: data directory .* is in use"):
                await second.guard(asyncio.Event().wait())


@pytest.mark.slow
async def test_killed_node_comes_back_on_its_old_port_and_is_not_taken_for_ended(tmp_path: Path) -> None:
    async with demo_cluster(3, str(tmp_path)) as cluster, Client(cluster.addresses, connect_timeout_s=60) as client:

        async def kill_and_restart() -> bytes | None:
            await put(client)
            for node in cluster.nodes:
                await cluster.kill(node)
            for node in cluster.nodes:
                await cluster.start(node)
            return await get(client)

        assert await cluster.guard(kill_and_restart()) == b"v"


@pytest.mark.slow
@ON_UVLOOP
async def test_wiped_node_refuses_to_start_and_the_others_go_on(tmp_path: Path) -> None:
    async with demo_cluster(3, str(tmp_path)) as cluster, Client(cluster.addresses, connect_timeout_s=60) as client:

        async def wipe() -> bytes | None:
            await put(client)
            await cluster.kill("n1")
            assert await cluster.start_wiped("n1") == 1
            return await get(client)

        assert await cluster.guard(wipe()) == b"v"

    assert "is not formatted" in (tmp_path / "n1.log").read_text()


@pytest.mark.slow
@ON_UVLOOP
async def test_paused_node_stands_still_until_it_is_resumed_and_is_ended_like_any_other(tmp_path: Path) -> None:
    async with demo_cluster(3, str(tmp_path)) as cluster, Client(cluster.addresses, connect_timeout_s=60) as client:

        async def pause() -> tuple[object, object]:
            group = client.group(STORE)
            await put(client)
            while len(client.nodes) < 3:  # noqa: ASYNC110 (links come from other processes)
                await asyncio.sleep(0.02)
            cluster.pause("n2")
            still = (await group.status(timeout_s=0.2)).get("n2")
            cluster.resume("n2")
            again = (await group.status(timeout_s=30)).get("n2")
            cluster.pause("n3")  # for the end
            return still, again

        still, again = await cluster.guard(pause())

    assert not isinstance(still, GroupStatus)
    assert isinstance(again, GroupStatus)
