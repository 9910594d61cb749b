"""A store that went back in time is found by its peers' memory, takes no part, and says so; the others go on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupStatus
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

MakeCluster = Callable[[], Cluster]


async def roles(group: GroupClient[Any]) -> dict[str, str]:
    answers = (await group.status()).items()
    return {node: answer.role if isinstance(answer, GroupStatus) else str(answer) for node, answer in answers}


async def restart_from(cluster: Cluster, name: str, disk: VirtualDisk) -> None:
    """Kill a node, and start it on a copy of an earlier disk."""
    await cluster.kill(name)
    cluster.disks[name] = disk.copy()
    await cluster.start(name)


async def restored_copy(cluster: Cluster, name: str) -> VirtualDisk:
    """Return a copy of the disk of a node that has been opened twice since."""
    old = cluster.disks[name].copy()
    for _ in range(2):
        await cluster.kill(name)
        await cluster.start(name)
        await asyncio.sleep(2.0)
    return old


async def test_a_restored_copy_takes_no_part_and_the_group_goes_on(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster()
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"1")
    old = await restored_copy(cluster, "n1")
    await store.put(b"k", b"2")

    await restart_from(cluster, "n1", old)
    await asyncio.sleep(3.0)

    assert (await roles(store.group))["n1"] == "lost_promises"
    assert sorted((await roles(store.group)).values()) == ["follower", "leader", "lost_promises"]
    await store.put(b"k", b"3")
    assert await store.get(b"k") == b"3"
    told = {record.getMessage().split()[0] for record in caplog.records if record.levelno == logging.ERROR}
    assert {"store.went_back", "group.takes_no_part"} <= told


async def test_it_still_takes_no_part_after_it_was_started_again(make_cluster: MakeCluster) -> None:
    cluster = make_cluster()
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"1")
    await restart_from(cluster, "n1", await restored_copy(cluster, "n1"))
    await asyncio.sleep(3.0)

    for _ in range(3):
        await cluster.kill("n1")
        await cluster.start("n1")
    await asyncio.sleep(3.0)

    assert (await roles(store.group))["n1"] == "lost_promises"


async def test_two_of_three_that_went_back_elect_no_leader(make_cluster: MakeCluster) -> None:
    """If two of three may have lost what was acknowledged, the third cannot go on alone: no node guesses."""
    cluster = make_cluster()
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"1")
    old = {name: await restored_copy(cluster, name) for name in ("n1", "n2")}
    await store.put(b"k", b"2")
    for name in old:
        await cluster.kill(name)
    for name, disk in old.items():
        cluster.disks[name] = disk
        await cluster.start(name)

    await asyncio.sleep(5.0)

    assert "leader" not in (await roles(store.group)).values()


async def test_a_node_that_only_restarts_is_accused_of_nothing(
    make_cluster: MakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster()
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    for number in range(12):
        name = f"n{number % 3 + 1}"
        await store.put(b"k", b"%d" % number)
        await cluster.kill(name)
        if number % 2:
            await cluster.start(name)  # a life that may be too short for its peers to hear of it
            await cluster.kill(name)
        await cluster.start(name)

    await asyncio.sleep(3.0)

    assert sorted((await roles(store.group)).values()) == ["follower", "follower", "leader"]
    assert not [record for record in caplog.records if "went_back" in record.getMessage()]
