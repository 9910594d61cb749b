"""A full disk: the store stops, in good order, and starts again where there is room."""

from __future__ import annotations

import errno
from functools import partial

import pytest

from coterie.errors import StorageDamaged, StorageFailed
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.space.disk_reserve import RESERVE_BYTES, ensure_reserve, is_disk_full, release_reserve
from coterie.runtime.storage.storage_config import StorageConfig

SEGMENT = "/data/segment-0000000001.log"


async def opened(host: VirtualHost, config: StorageConfig | None = None) -> SegmentedLog:
    if not host.disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n", config=config)


def one(position: int, body: bytes = b"x") -> Write:
    return Write("g", first=position, records=[Record(1, body)])


async def fill(log: SegmentedLog, disk: VirtualDisk, *, free_bytes: int, body: bytes = bytes(1000)) -> int:
    """Write until the disk, which takes `free_bytes` more, is full; return how many records were acknowledged."""
    disk.capacity_bytes = disk.used_bytes + free_bytes
    acknowledged: list[int] = []
    for position in range(1, 1000):
        log.write(one(position, body), partial(acknowledged.append, position))
        try:
            await log.state("g")
        except StorageFailed:
            return len(acknowledged)
    raise AssertionError("the disk was never full")


@pytest.mark.virtual
async def test_a_store_on_a_full_disk_stops_and_its_log_ends_well(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0))
    acknowledged = await fill(log, disk, free_bytes=10_500)
    assert 5 < acknowledged < 11
    assert isinstance(log.failure, StorageFailed)
    assert isinstance(log.failure.__cause__, OSError)
    assert log.failure.__cause__.errno == errno.ENOSPC
    await log.close()
    disk.crash()  # whatever was not synced is gone
    disk.capacity_bytes = None
    log = await opened(virtual_host)
    assert log.cut_bytes == 0, "nothing half written was left to cut"
    assert (await log.state("g")).last == acknowledged


@pytest.mark.virtual
async def test_rot_of_the_last_batch_before_a_disk_was_full_is_not_taken_for_a_torn_tail(
    virtual_host: VirtualHost,
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0))
    await fill(log, disk, free_bytes=10_500)
    await log.close()
    disk.crash()
    disk.capacity_bytes = None
    disk.flip(SEGMENT, len(disk.contents(SEGMENT)) - 500)  # in the last record, which was acknowledged
    with pytest.raises(StorageDamaged):
        await opened(virtual_host)


@pytest.mark.virtual
async def test_a_disk_that_is_full_at_a_new_segment_ends_the_old_one_well(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(segment_bytes=4096))
    log.write(one(1, bytes(5000)), lambda: None)
    await log.state("g")
    disk.capacity_bytes = disk.used_bytes
    log.write(one(2), partial(pytest.fail, "acknowledged"))
    with pytest.raises(StorageFailed):
        await log.state("g")
    await log.close()
    disk.crash()
    disk.capacity_bytes = None
    log = await opened(virtual_host)
    assert (log.cut_bytes, (await log.state("g")).last) == (0, 1)


@pytest.mark.virtual
async def test_a_store_does_not_open_while_there_is_no_room_for_its_reserve(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0))
    acknowledged = await fill(log, disk, free_bytes=10_500)
    await log.close()
    disk.capacity_bytes = disk.used_bytes + RESERVE_BYTES // 2
    for _ in range(2):
        with pytest.raises(StorageFailed, match="the disk is full: no space for the reserve"):
            await opened(virtual_host)
    disk.capacity_bytes = None
    assert (await (await opened(virtual_host)).state("g")).last == acknowledged


def test_the_reserve_is_kept_once_spent_and_kept_again() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    for _ in range(2):
        ensure_reserve(disk, "d")
        disk.crash()
        assert len(disk.contents("d/reserve")) == RESERVE_BYTES
    release_reserve(disk, "d")
    release_reserve(disk, "d")
    assert not disk.exists("d/reserve")
    disk.replace("d/reserve", b"half of it: a crash came between")
    ensure_reserve(disk, "d")
    assert disk.contents("d/reserve") == bytes(RESERVE_BYTES)


def test_another_fault_than_a_full_disk_is_none() -> None:
    assert is_disk_full(OSError(errno.ENOSPC, "x"))
    assert is_disk_full(OSError(errno.EDQUOT, "x"))
    assert not is_disk_full(OSError(errno.EIO, "x"))
