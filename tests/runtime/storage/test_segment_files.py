"""Segments that are extended by zeros, so that a batch changes neither the size nor the blocks of the file."""

from __future__ import annotations

import random

import pytest

from coterie.errors import StorageFailed
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segment_files import segment_path
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

pytestmark = pytest.mark.virtual

FIRST, SECOND = segment_path("/data", 1), segment_path("/data", 2)
EXTENDED = StorageConfig(segment_bytes=16_384, batch_bytes=1024, extend_bytes=8192, mark_after_s=3600)


async def opened(disk: VirtualDisk, config: StorageConfig = EXTENDED) -> SegmentedLog:
    host = VirtualHost("n1", disk=disk)
    if not disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n1")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n1", config=config)


async def put(log: SegmentedLog, position: int, body: bytes = b"x" * 100) -> None:
    log.write(Write("g", first=position, records=[Record(1, body)]), lambda: None)
    await log.state("g")


async def found(disk: VirtualDisk) -> list[bytes]:
    log = await opened(disk)
    state = await log.state("g")
    records = await log.read("g", state.first, state.last, 1 << 30)
    assert (log.cut_bytes, log.lost_promises) == (0, None)
    await log.close()
    return [record.body for record in records]


async def test_most_small_batches_do_not_change_the_size_of_the_file() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    sizes = []
    for position in range(1, 25):
        await put(log, position)
        sizes.append(len(disk.contents(FIRST)))
    assert len(set(sizes)) == 1
    await log.close()


async def test_nothing_is_extended_if_it_is_turned_off() -> None:
    disk = VirtualDisk()
    log = await opened(disk, StorageConfig(extend_bytes=0))
    await put(log, 1)
    assert not disk.contents(FIRST).endswith(bytes(100))
    await log.close()


async def test_a_batch_that_is_large_beside_the_zeros_is_followed_by_none() -> None:
    disk = VirtualDisk()
    log = await opened(disk, StorageConfig(extend_bytes=8192))
    await put(log, 1, b"x" * 9000)
    assert disk.contents(FIRST).endswith(b"x" * 9000)
    await log.close()


async def test_a_disk_that_is_nearly_full_is_not_filled_with_zeros() -> None:
    disk = VirtualDisk()
    disk.capacity_bytes = 400_000
    log = await opened(disk, StorageConfig())
    await put(log, 1)
    assert not disk.contents(FIRST).endswith(bytes(100))
    await log.close()


async def test_a_crash_leaves_zeros_and_they_are_cut_without_a_word() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    for position in range(1, 4):
        await put(log, position, b"%d" % position)
    disk.crash()
    assert disk.contents(FIRST).endswith(bytes(1000))
    assert await found(disk) == [b"1", b"2", b"3"]


async def test_a_closed_log_has_no_zeros() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    await put(log, 1)
    await log.close()
    assert not disk.contents(FIRST).endswith(bytes(100))


async def test_only_the_last_segment_has_zeros() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    for position in range(1, 120):
        await put(log, position, b"%d" % position * 100)
    assert disk.exists(SECOND)
    assert not disk.contents(FIRST).endswith(bytes(100))
    disk.crash()
    assert await found(disk) == [b"%d" % position * 100 for position in range(1, 120)]


async def test_whatever_a_crash_keeps_of_the_zeros_no_acknowledged_record_is_lost() -> None:
    for seed in range(150):
        rng, disk = random.Random(seed), VirtualDisk()
        log = await opened(disk)
        acknowledged = 0
        disk.cut_power_after(rng.randrange(1, 200))
        for position in range(1, 101):
            body = b"%d" % position * rng.randrange(1, 200)
            try:
                await put(log, position, body)
            except StorageFailed:  # the power was cut
                break
            acknowledged = position
        disk.crash(rng)
        again = await opened(disk)
        state = await again.state("g")
        assert again.lost_promises is None, seed
        assert state.last >= acknowledged, seed
        bodies = await again.read("g", state.first, state.last, 1 << 30) if state.last else []
        assert all(record.body.startswith(b"%d" % at) for at, record in enumerate(bodies, 1)), seed
        await again.close()
