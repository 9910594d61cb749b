"""Cluster: a topology whose nodes are killed and come back."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from coterie import KeyValue, Topology
from coterie.actors.groups.key_value import Put
from coterie.errors import CommandTimeout, StorageFailed
from coterie.testing import Cluster, advance, no_leaks

pytestmark = pytest.mark.virtual


def topology() -> Topology:
    made = Topology("kept", nodes=["n1", "n2", "n3"])
    made.raft("store", machine=KeyValue)
    return made


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with no_leaks(), Cluster(topology()) as cluster:
        yield cluster


async def test_data_survives_the_death_of_every_node(cluster: Cluster) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")

    for name in list(cluster):
        await cluster.kill(name)
    await cluster.start()

    assert await store.get(b"k") == b"v"


async def test_the_leader_is_a_living_node_that_leads(cluster: Cluster) -> None:
    first = await cluster.leader_of("store")
    await cluster.kill(first)

    second = await cluster.leader_of("store")

    assert second in cluster
    assert second != first


async def test_a_leader_that_was_parted_from_the_others_is_not_taken_for_the_leader(cluster: Cluster) -> None:
    first = await cluster.leader_of("store")
    cluster.isolate(first)
    await advance(30.0)

    assert await cluster.leader_of("store") != first


async def test_a_majority_that_is_parted_from_itself_commits_nothing_until_it_is_healed(cluster: Cluster) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    cluster.partition(["n1"], ["n2"], ["n3"])

    with pytest.raises(CommandTimeout):
        await store.group.execute(Put(b"k", b"w"), timeout_s=5.0)
    cluster.heal()

    assert await store.get(b"k") in (b"v", b"w")  # what timed out may have happened


async def test_a_wiped_node_begins_with_an_empty_disk(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match="the node is running; kill it first"):
        cluster.wipe("n1")
    await cluster.kill("n1")
    before = cluster.disks["n1"]

    cluster.wipe("n1")
    await cluster.start("n1")

    assert before.names("data")
    assert cluster.disks["n1"] is not before
    assert cluster.disks["n1"].names("data")


async def test_a_disk_that_fails_ends_its_node(cluster: Cluster) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    victim = await cluster.leader_of("store")
    cluster.disks[victim].fail_next_sync()

    await store.put(b"k", b"w")

    with pytest.raises(StorageFailed):
        await cluster.ended(victim)


async def test_nodes_without_data_directories_keep_everything_in_memory() -> None:
    async with Cluster(topology(), durable=False) as cluster:
        await (await cluster.client()).key_value("store").put(b"k", b"v")

        assert not cluster.disks["n1"].exists("data")
