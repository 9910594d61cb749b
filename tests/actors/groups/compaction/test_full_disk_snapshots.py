"""Disks that fill up while snapshots are due: no node is caught by its own log."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import SnapshotPolicy, Topology
from coterie.actors.groups.key_value import KeyValue, Put
from coterie.errors import CoterieError
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.storage.snapshots.snapshot_store import NoRoomForSnapshot

pytestmark = pytest.mark.virtual

CAPACITY = 8_000_000
KEYS = 80
POLICY = SnapshotPolicy(after_bytes=500_000, trailing_bytes=100_000)


def leave(disk: VirtualDisk, free_bytes: int) -> None:
    """Let another program take everything but `free_bytes` of the disk."""
    disk.replace("other/file", b"")
    disk.replace("other/file", bytes(max(0, CAPACITY - disk.used_bytes - free_bytes)))


async def put(group: Any, count: int) -> None:
    """Write, without a look at the outcomes: four at a time, 2 kB each."""

    async def one(number: int) -> None:
        try:
            await group.execute(Put(b"%d" % (number % KEYS), bytes(2000)), timeout_s=5.0)
        except CoterieError:
            await asyncio.sleep(0.5)

    for first in range(0, count, 4):
        await asyncio.gather(*(one(each) for each in range(first, first + 4)))
        await asyncio.sleep(0.01)


async def with_small_disks(make_cluster: Any) -> tuple[Any, Any, str]:
    """Return three nodes, a client of their group, and a follower."""
    topology = Topology("kept", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue, snapshots=POLICY)
    cluster = make_cluster(topology)
    await cluster.start()
    for name in cluster:
        disk = cluster.disks[name]
        disk.make_directories("other")
        disk.replace("other/file", b"")
        disk.capacity_bytes = CAPACITY
    leader = await cluster.leader_of("store")
    group = (await cluster.client()).group("store")
    await put(group, 800)
    return cluster, group, next(name for name in cluster if name != leader)


async def is_level(group: Any, node: str) -> bool:
    status = await group.status()
    return bool(status[node].applied_index == max(each.applied_index for each in status.values()))


def log_bytes(disk: VirtualDisk) -> int:
    names = [name for name in disk.names("data") if name.startswith("segment-")]
    return sum(len(disk.contents(f"data/{name}")) for name in names)


async def refuse(effect: object) -> None:
    """Instead of storing a part of the leader's snapshot."""
    raise NoRoomForSnapshot("data", "planned")


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_follower_whose_disk_was_full_goes_on_once_another_program_frees_it(
    restarts: bool, make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster, group, full = await with_small_disks(make_cluster)
    disk = cluster.disks[full]
    leave(disk, 60_000)
    for _ in range(40):  # never enough for a snapshot at once, but all of it for the log
        await put(group, 80)
        leave(disk, disk.free_bytes("data") + 180_000)
    if restarts:
        await cluster.kill(full)
        await cluster.start(full)
    disk.replace("other/file", b"")
    await put(group, 1200)
    await asyncio.sleep(30.0)

    assert await is_level(group, full)
    assert log_bytes(disk) < 3_500_000, "it was let go of"
    assert "raft.snapshot_damaged" not in caplog.text
    assert caplog.text.count("group.snapshot_has_no_room") < 10, "it is not told each second"
    assert (await group.status())[full].trouble is None


async def test_a_log_leaves_room_for_the_next_snapshot_however_much_is_sent(make_cluster: Any) -> None:
    cluster, group, full = await with_small_disks(make_cluster)
    disk = cluster.disks[full]
    leave(disk, 600_000)
    cell: Any = cluster[full].system.registry.cell_at("store")
    cell.actor._snapshots._taking._is_due = lambda: False  # and none comes from the leader, either
    cell.actor._snapshots._files._append = refuse
    await put(group, 1200)

    status = (await group.status())[full]
    assert status.disk == "full"
    assert status.full_for_s > 1.0
    assert disk.free_bytes("data") > 100_000 + KEYS * 2000

    del cell.actor._snapshots._taking._is_due, cell.actor._snapshots._files._append
    await put(group, 1200)
    await asyncio.sleep(30.0)
    assert await is_level(group, full)
