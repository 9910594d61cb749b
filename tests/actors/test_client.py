"""A client program outside the cluster: it is linked, or its error says why not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Client
from coterie.errors import NodeUnreachable
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost

pytestmark = pytest.mark.virtual


async def test_a_client_needs_an_address() -> None:
    with pytest.raises(ValueError, match="at least one node"):
        Client([], host=VirtualHost())
    with pytest.raises(ValueError, match="is no address"):
        Client(["nowhere"], host=VirtualHost())


async def test_where_nobody_answers_a_client_says_so_in_time_and_leaves_nothing() -> None:
    begun = asyncio.get_running_loop().time()

    with pytest.raises(NodeUnreachable, match=r"127\.0\.0\.1:9.*no node answers"):
        async with Client(["127.0.0.1:9"], connect_timeout_s=2.0, host=VirtualHost()):
            pytest.fail("it linked")

    assert asyncio.get_running_loop().time() - begun < 4.0
    await asyncio.sleep(1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_client_of_another_cluster_is_told_so(cluster: Any) -> None:
    host = VirtualHost("stranger", network=cluster.network, seed=5)

    with pytest.raises(NodeUnreachable, match="cluster"):
        async with Client([cluster.addresses["n1"]], cluster="another", host=host):
            pytest.fail("it linked")


async def test_one_living_node_among_the_addresses_is_enough(cluster: Any) -> None:
    host = VirtualHost("stranger", network=cluster.network, seed=6)

    async with Client(["127.0.0.1:9", *cluster.addresses.values()], host=host) as client:
        await client.key_value("store").put(b"k", b"v")
        assert await client.key_value("store").get(b"k") == b"v"
