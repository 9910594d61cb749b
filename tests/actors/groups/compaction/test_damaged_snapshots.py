"""Snapshots whose files are damaged, on disks that lose power or are full: nothing acknowledged is lost or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

from coterie import CommandError, SnapshotPolicy
from coterie.actors.groups.compaction import group_snapshots
from coterie.actors.groups.compaction.snapshot_taking import DISK_RETRY_S
from coterie.errors import CommandRefused, StorageDamaged
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.testing import Cluster
from tests.actors.groups.compaction.kept_totals import (
    Add,
    Total,
    add,
    machine_of,
    started,
    status_of,
    topology_of,
    until,
    until_compacted,
    until_one_snapshot,
    until_same_state,
)

pytestmark = pytest.mark.virtual

EVERY_FIVE = SnapshotPolicy(after_entries=5, share=0.0, trailing_entries=0)

EVERY_THIRTY = SnapshotPolicy(after_entries=30, share=0.0, trailing_entries=0)

Damage = Callable[[VirtualDisk, str], None]


def flip_first(disk: VirtualDisk, path: str) -> None:
    disk.flip(path, 0)


def flip_in_the_middle(disk: VirtualDisk, path: str) -> None:
    disk.flip(path, len(disk.contents(path)) // 2)


def flip_last(disk: VirtualDisk, path: str) -> None:
    disk.flip(path, len(disk.contents(path)) - 1)


def cut_in_half(disk: VirtualDisk, path: str) -> None:
    disk.replace(path, disk.contents(path)[: len(disk.contents(path)) // 2])


def empty(disk: VirtualDisk, path: str) -> None:
    disk.replace(path, b"")


def remove(disk: VirtualDisk, path: str) -> None:
    disk.remove(path)
    disk.sync_directory("data")


DAMAGES: tuple[Damage, ...] = (flip_first, flip_in_the_middle, flip_last, cut_in_half, empty, remove)


def snapshot_paths(disk: VirtualDisk) -> list[str]:
    return [f"data/{name}" for name in disk.names("data") if name.endswith(".snapshot")]


# --- found at the start


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_node_whose_snapshot_is_damaged_stops_at_the_start_and_names_the_file(
    make_cluster: Any, damage: Damage
) -> None:
    cluster = await started(make_cluster, topology_of(nodes=1))
    await add(cluster, 30)
    await until_compacted(cluster)
    await until_one_snapshot(cluster, "n1")
    await cluster.kill("n1")
    (path,) = snapshot_paths(cluster.disks["n1"])
    damage(cluster.disks["n1"], path)

    with pytest.raises(StorageDamaged, match=rf"{path}' is damaged at byte .*snapshot at entry .*keep the files"):
        await start_and_end(cluster, "n1")


async def start_and_end(cluster: Cluster, name: str) -> None:
    """Start a node that ends by itself; raise its error."""
    await cluster.start(name)
    await asyncio.sleep(10)
    await cluster.stop(name)


async def test_a_file_with_the_content_of_another_snapshot_is_found_too(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(nodes=1))
    disk = cluster.disks["n1"]
    await add(cluster, 15)
    await until_compacted(cluster)
    await until_one_snapshot(cluster, "n1")
    (earlier,) = snapshot_paths(disk)
    content = disk.contents(earlier)
    before = (await status_of(cluster, "n1")).base_index
    await add(cluster, 20)
    await until_compacted(cluster, above=before)
    await until_one_snapshot(cluster, "n1")
    await cluster.kill("n1")
    (path,) = snapshot_paths(disk)
    assert path != earlier
    disk.replace(path, content)

    with pytest.raises(StorageDamaged, match=path):
        await start_and_end(cluster, "n1")


# --- found when it is sent


async def with_one_behind(make_cluster: Any) -> tuple[Cluster, str, str]:
    """Return a cluster whose logs are compacted, its leader, and a node that is down and needs a snapshot."""
    cluster = await started(make_cluster, topology_of())
    await add(cluster, 3)
    leader = await cluster.leader_of("totals")
    behind = next(name for name in cluster if name != leader)
    await cluster.kill(behind)
    await add(cluster, 40)
    others = [name for name in cluster if name != behind]
    await until_compacted(cluster, *others, above=20)
    for name in others:
        await until_one_snapshot(cluster, name)
    return cluster, leader, behind


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_leader_whose_snapshot_is_damaged_takes_another_one_for_the_follower(
    make_cluster: Any, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is written meanwhile, so the new one is of the same entry."""
    cluster, leader, behind = await with_one_behind(make_cluster)
    (path,) = snapshot_paths(cluster.disks[leader])
    damage(cluster.disks[leader], path)

    await cluster.start(behind)
    await until_same_state(cluster, 43)

    lines = [record.getMessage() for record in caplog.records if "group.snapshot_unreadable" in record.getMessage()]
    assert len(lines) == 1
    assert f"node={leader}" in lines[0]
    assert await cluster.leader_of("totals") == leader
    await cluster.kill(leader)
    await cluster.start(leader)  # from the new one
    await until_same_state(cluster, 43)


async def test_a_damaged_snapshot_of_many_chunks_is_replaced(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(group_snapshots, "CHUNK_BYTES", 100)
    cluster, leader, behind = await with_one_behind(make_cluster)
    (path,) = snapshot_paths(cluster.disks[leader])
    cluster.disks[leader].flip(path, 750)

    await cluster.start(behind)
    await add(cluster, 1)

    await until_same_state(cluster, 44)
    assert caplog.text.count("group.snapshot_unreadable") == 1
    assert "raft.snapshot_damaged" in caplog.text


# --- power cuts


@pytest.mark.parametrize("first", range(0, 60, 15))
async def test_after_a_power_cut_at_any_step_of_a_snapshot_everything_acknowledged_is_there(
    make_cluster: Any, first: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each step of the disk: of the file, its syncs, its name, the register, and the log that goes."""
    caplog.set_level(logging.CRITICAL)
    for steps in range(first, first + 15):
        cluster = await started(make_cluster, topology_of(nodes=1, snapshots=EVERY_FIVE))
        await add(cluster, 3)
        cluster.disks["n1"].cut_power_after(steps)
        acknowledged = 3 + await added_until_it_fails(cluster)
        await cluster.kill("n1")

        await cluster.start("n1")
        group = (await cluster.client()).group("totals")
        total = await group.execute(Total(), timeout_s=60)
        assert acknowledged <= total <= acknowledged + 1, f"power cut after {steps} steps"
        base_index = (await status_of(cluster, "n1")).base_index
        await add(cluster, 20)
        await until_compacted(cluster, above=base_index)
        assert machine_of(cluster, "n1").history == list(range(1, total + 21))
        await cluster.kill("n1")


async def added_until_it_fails(cluster: Cluster) -> int:
    group = (await cluster.client()).group("totals")
    for count in range(30):
        try:
            await group.execute(Add(1), timeout_s=1)
        except CommandError:
            return count
    return 30


# --- a full disk


async def test_while_the_disk_is_full_no_snapshot_is_taken_and_afterwards_they_go_on(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await started(make_cluster, topology_of(nodes=1, snapshots=EVERY_THIRTY))
    disk = cluster.disks["n1"]
    await add(cluster, 35)
    await until_compacted(cluster)
    cell: Any = cluster["n1"].system.registry.cell_at("totals")
    while cell.actor._snapshots._taking._entries < EVERY_THIRTY.after_entries - 2:
        await add(cluster, 1)
    written = machine_of(cluster, "n1").total
    before = (await status_of(cluster, "n1")).base_index
    disk.capacity_bytes = 20_000_000
    disk.make_directories("other")
    disk.replace("other/file", bytes(20_000_000 - disk.used_bytes - 100_000))  # half a per cent

    total, is_refused = written, False
    while not is_refused:
        try:
            total = await (await cluster.client()).group("totals").execute(Add(1), timeout_s=5)
        except CommandRefused:
            is_refused = True
        await asyncio.sleep(0.1)
    await asyncio.sleep(3 * DISK_RETRY_S)
    assert total > written, "writes went on until the refusal"
    assert (await status_of(cluster, "n1")).base_index == before
    assert caplog.text.count("group.snapshot_has_no_room") == 1, "told once, not with each attempt"

    disk.remove("other/file")
    await until(lambda: is_answered(cluster))
    await until_compacted(cluster, above=before)  # nothing more needs to be written
    assert machine_of(cluster, "n1").history == list(range(1, machine_of(cluster, "n1").total + 1))


async def is_answered(cluster: Cluster) -> bool:
    with contextlib.suppress(CommandError):
        await (await cluster.client()).group("totals").execute(Add(1), timeout_s=5)
        return True
    return False
