"""A full disk: writes wait, nothing that waits is acknowledged, and everything is done when there is room again."""

from __future__ import annotations

import asyncio
import errno
from functools import partial

import pytest

from coterie.errors import StorageDamaged, StorageFailed
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.group_commit import FULL_RETRY_S
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


async def fill(log: SegmentedLog, disk: VirtualDisk, *, free_bytes: int, body: bytes = bytes(1000)) -> list[int]:
    """Write until the disk, which takes `free_bytes` more, is full; return what is acknowledged, now and later."""
    disk.capacity_bytes = disk.used_bytes + free_bytes
    acknowledged: list[int] = []
    for position in range(1, 1000):
        log.write(one(position, body), partial(acknowledged.append, position))
        await asyncio.sleep(0.1)
        if log.is_full:
            assert log.is_short_of_space
            assert acknowledged == list(range(1, position))
            return acknowledged
    raise AssertionError("the disk was never full")


@pytest.mark.virtual
async def test_on_a_full_disk_a_write_waits_and_it_and_all_later_ones_are_done_once_there_is_space(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0))
    acknowledged = await fill(log, disk, free_bytes=10_500)
    count = len(acknowledged)
    assert 5 < count < 11
    for position in range(count + 2, count + 5):
        log.write(one(position), partial(acknowledged.append, position))
    await asyncio.sleep(100.0)
    assert len(acknowledged) == count, "nothing that is not on the disk is acknowledged"
    assert (log.failure, log.is_full, log.is_short_of_space) == (None, True, True)
    assert caplog.text.count("store.full") == 1

    disk.capacity_bytes = None
    await asyncio.sleep(FULL_RETRY_S + 0.1)

    assert acknowledged == list(range(1, count + 5))
    assert (log.failure, log.is_full, log.is_short_of_space) == (None, False, False)
    assert caplog.text.count("store.writes_again") == 1
    disk.crash()
    log = await opened(virtual_host)
    assert (log.cut_bytes, (await log.state("g")).last) == (0, count + 4)
    assert [len(each.body) for each in await log.read("g", count, count + 4, 10_000)] == [1000, 1000, 1, 1, 1]


@pytest.mark.virtual
async def test_a_crash_on_a_full_disk_keeps_what_was_acknowledged_and_no_more(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0))
    acknowledged = await fill(log, disk, free_bytes=10_500)
    await asyncio.sleep(10.0)
    disk.crash()
    disk.capacity_bytes = None
    log = await opened(virtual_host)
    assert (log.cut_bytes, (await log.state("g")).last) == (0, len(acknowledged))


@pytest.mark.virtual
@pytest.mark.parametrize("steps", range(12))
async def test_a_power_cut_at_any_step_on_a_full_disk_loses_nothing_that_was_acknowledged(
    steps: int, virtual_host: VirtualHost
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0, segment_bytes=4096))
    disk.cut_power_after(10_000)
    acknowledged = await fill(log, disk, free_bytes=10_500)
    disk.cut_power_after(steps)
    await asyncio.sleep(2.0)
    disk.capacity_bytes = None
    await asyncio.sleep(5.0)
    disk.crash()
    log = await opened(virtual_host)
    assert log.lost_promises is None
    assert len(acknowledged) <= (await log.state("g")).last <= len(acknowledged) + 1


@pytest.mark.virtual
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
async def test_a_disk_that_says_it_has_room_counts_as_full_while_a_write_fails(
    code: int, virtual_host: VirtualHost
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    done: list[int] = []
    disk.fail_next_write(OSError(code, "a quota is used up"))
    log.write(one(1), partial(done.append, 1))
    await asyncio.sleep(0.1)
    assert (done, log.is_full, log.is_short_of_space) == ([], True, True)
    await asyncio.sleep(FULL_RETRY_S)
    assert (done, log.is_full, log.is_short_of_space, log.failure) == ([1], False, False, None)
    await log.close()


@pytest.mark.virtual
async def test_what_leaves_the_file_in_doubt_is_fatal_although_it_is_for_want_of_space(
    virtual_host: VirtualHost,
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    disk.fail_next_sync(OSError(errno.ENOSPC, "no space for delayed blocks"))
    log.write(one(1), partial(pytest.fail, "acknowledged"))
    with pytest.raises(StorageFailed, match="free some space"):
        await log.state("g")
    await log.close()
    log = await opened(virtual_host)
    disk.fail_next_write(OSError(errno.ENOSPC, "no space"))
    disk.fail_next_write(OSError(errno.ENOSPC, "what was written cannot be cut off"))
    log.write(one((await log.state("g")).last + 1), partial(pytest.fail, "acknowledged"))
    with pytest.raises(StorageFailed):
        await log.state("g")
    await log.close()


@pytest.mark.virtual
async def test_a_store_that_is_closed_on_a_full_disk_ends_its_log_well(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0))
    acknowledged = await fill(log, disk, free_bytes=10_500)
    await log.close()
    assert isinstance(log.failure, StorageFailed)
    assert isinstance(log.failure.__cause__, OSError)
    assert log.failure.__cause__.errno == errno.ENOSPC
    disk.crash()  # whatever was not synced is gone
    disk.capacity_bytes = None
    log = await opened(virtual_host)
    assert log.cut_bytes == 0, "nothing half written was left to cut"
    assert (await log.state("g")).last == len(acknowledged)


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
@pytest.mark.parametrize("is_closed", [True, False])
async def test_a_disk_that_is_full_at_a_new_segment_ends_the_old_one_well(
    is_closed: bool, virtual_host: VirtualHost
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(segment_bytes=4096))
    log.write(one(1, bytes(5000)), lambda: None)
    await log.state("g")
    disk.capacity_bytes = disk.used_bytes
    done: list[int] = []
    log.write(one(2), partial(done.append, 2))
    await asyncio.sleep(10.0)
    assert (done, log.is_full) == ([], True)
    if is_closed:
        await log.close()
    else:
        disk.capacity_bytes = None
        await asyncio.sleep(FULL_RETRY_S + 0.1)
        assert done == [2]
    disk.crash()
    disk.capacity_bytes = None
    log = await opened(virtual_host)
    assert (log.cut_bytes, (await log.state("g")).last) == (0, 1 + len(done))


@pytest.mark.virtual
async def test_a_store_does_not_open_on_a_full_disk(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, StorageConfig(extend_bytes=0))
    acknowledged = await fill(log, disk, free_bytes=10_500)
    disk.crash()
    disk.capacity_bytes = disk.used_bytes
    with pytest.raises(StorageFailed, match="the disk is full: free some space"):
        await opened(virtual_host)
    for _ in range(2):
        with pytest.raises(StorageFailed, match="the disk is full: no space for the reserve"):
            await opened(virtual_host)
    disk.capacity_bytes = disk.used_bytes + RESERVE_BYTES // 2
    with pytest.raises(StorageFailed, match="the disk is full: no space for the reserve"):
        await opened(virtual_host)
    disk.capacity_bytes = None
    assert (await (await opened(virtual_host)).state("g")).last == len(acknowledged)


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
