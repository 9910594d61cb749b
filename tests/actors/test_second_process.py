"""A second process under a node's name, with a data directory of its own, changes nothing for the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from coterie import KeyValue, Node, Topology
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost

pytestmark = pytest.mark.virtual


@asynccontextmanager
async def second_process(
    cluster: Any, name: str, *, disk: VirtualDisk | None = None, **arguments: Any
) -> AsyncIterator[Node]:
    """Run another process that calls itself `name`, on a machine of its own, with this disk (default: an empty one)."""
    host = VirtualHost("elsewhere", network=cluster.network, seed=99, disk=disk)
    peers = {peer: address for peer, address in cluster.addresses.items() if peer != name}
    running = cluster.topology.start(
        node=name, listen="elsewhere:7999", insecure=True, peers=peers, host=host, **arguments
    )
    async with running as node:
        yield node


@pytest.mark.parametrize("name", ["n1", "n2", "n3"])
@pytest.mark.parametrize("arguments", [{"data": "data", "bootstrap": "new"}, {}], ids=["new store", "in memory"])
async def test_a_second_process_is_refused_and_the_right_one_stays_linked_and_votes(
    cluster: Any, name: str, arguments: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"before")
    right = cluster[name]

    async with second_process(cluster, name, **arguments) as wrong:
        await asyncio.sleep(20.0)
        assert not [peer for peer in wrong.system.links if peer.node in cluster]
        assert {peer.node for peer in right.system.links} >= set(cluster) - {name}
        others = [other for other in cluster if other != name]
        await cluster.kill(others[0])  # now the right one is needed for a quorum
        await store.put(b"k", b"during")

    await cluster.start(others[0])
    await asyncio.sleep(10.0)
    assert await store.get(b"k") == b"during"
    assert {peer.node for peer in right.system.links} >= set(others)
    if name != "n3":  # n3 dials no node: nothing of it is ever refused
        assert f"two processes call themselves '{name}'" in caplog.text


@pytest.mark.parametrize("name", ["n1", "n2", "n3"])
async def test_a_copy_of_a_running_node_is_refused_and_no_write_is_lost(
    cluster: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"0")
    await asyncio.sleep(3.0)
    copied = cluster.disks[name].copy()
    await store.put(b"k", b"1")  # what the copy lacks

    async with second_process(cluster, name, disk=copied, data="data") as copy:
        for number in range(2, 40):
            await store.put(b"k", b"%d" % number)
            await asyncio.sleep(0.5)
        assert not [peer for peer in copy.system.links if peer.node in cluster]

    assert await store.get(b"k") == b"39"
    absences = [record.getMessage() for record in caplog.records if "group.no_leader" in record.getMessage()]
    assert all(f"node={name} " in absence for absence in absences)  # only the copy misses a leader
    if name != "n3":  # n3 dials no node
        assert f"two processes call themselves '{name}' and have store" in caplog.text


def with_a_group(topology: Topology) -> None:
    topology.raft("store", machine=KeyValue)


def with_a_synod(topology: Topology) -> None:
    topology.synod("config")


@pytest.mark.parametrize("declare", [with_a_group, with_a_synod])
async def test_the_right_process_is_linked_by_a_restarted_node_although_the_wrong_one_was_there_first(
    make_cluster: Any, declare: Callable[[Topology], None]
) -> None:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    declare(topology)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(5.0)  # every node has recorded the stores of the others
    cluster.network.partition("n1", "n2")
    async with second_process(cluster, "n1", data="data", bootstrap="new"):
        await cluster.kill("n2")
        await cluster.start("n2")
        await asyncio.sleep(5.0)  # n2 has forgotten its links, and the wrong n1 dials it
        assert [peer.node for peer in cluster["n2"].system.links if peer.node == "n1"]

        cluster.network.heal()
        await asyncio.sleep(5.0)
        right = cluster["n1"].system.incarnation
        assert [peer.incarnation for peer in cluster["n2"].system.links if peer.node == "n1"] == [right]
