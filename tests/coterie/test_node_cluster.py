from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coterie.actors.client import Client
from coterie.demo.topology import STORE, demo_cluster
from coterie.node_cluster import NodeEnded


async def test_node_that_ends_by_itself_is_named_with_its_last_words(tmp_path: Path) -> None:
    async with demo_cluster(3, str(tmp_path)) as first:
        async with Client(first.addresses, connect_timeout_s=60) as client:
            await client.key_value(STORE).put(b"k", b"v")
        async with demo_cluster(3, str(tmp_path)) as second:  # on the same data directories
            with pytest.raises(NodeEnded, match=r"node 'n\d' ended with code 1: coterie: data directory .* is in use"):
                await second.guard(asyncio.Event().wait())


async def test_killed_node_comes_back_on_its_old_port_and_is_not_taken_for_ended(tmp_path: Path) -> None:
    async with demo_cluster(3, str(tmp_path)) as cluster, Client(cluster.addresses, connect_timeout_s=60) as client:

        async def kill_and_restart() -> bytes | None:
            store = client.key_value(STORE)
            await store.put(b"k", b"v")
            for node in cluster.nodes:
                await cluster.kill(node)
            for node in cluster.nodes:
                await cluster.start(node)
            return await store.get(b"k")

        assert await cluster.guard(kill_and_restart()) == b"v"
