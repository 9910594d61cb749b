"""Too little free space: when it begins, when it is over, and who goes on."""

from __future__ import annotations

import asyncio
import errno

import pytest

from coterie.errors import StorageFailed
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.memory_log import MemoryLog
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.space.free_space import LOOK_S
from coterie.runtime.storage.storage_config import StorageConfig

pytestmark = pytest.mark.virtual

CAPACITY = 2_000_000
NEEDED = CAPACITY // 20
"""5 % of the disk."""


async def opened(host: VirtualHost, config: StorageConfig | None = None) -> SegmentedLog:
    if not host.disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n")
        host.disk.make_directories("/other")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n", config=config)


def is_short(log: SegmentedLog) -> bool:
    return log.is_short_of_space


def leave(disk: VirtualDisk, free_bytes: int) -> None:
    """Let another program use the disk, so that `free_bytes` are left."""
    disk.capacity_bytes = CAPACITY
    disk.replace("/other/file", b"")
    disk.replace("/other/file", bytes(CAPACITY - disk.used_bytes - free_bytes))


async def put(log: SegmentedLog, body: bytes = b"x") -> None:
    position = (await log.state("g")).last + 1
    log.write(Write("g", first=position, records=[Record(1, body)]), lambda: None)
    await log.state("g")


async def test_it_begins_below_the_limit_behind_a_write_and_is_over_a_quarter_above_it(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    disk = virtual_host.disk
    leave(disk_with_other(disk), 10 * NEEDED)
    log = await opened(virtual_host)
    for free_bytes, expected in (
        (2 * NEEDED, False),
        (NEEDED + 1000, False),
        (NEEDED - 1, True),
        (NEEDED + 1000, True),
        (NEEDED * 5 // 4 - 1000, True),
        (NEEDED * 5 // 4 + 1000, False),
        (NEEDED + 1000, False),
        (NEEDED // 2, True),
    ):
        await asyncio.sleep(LOOK_S)
        await log.state("g")
        leave(disk, free_bytes)
        await put(log)
        await asyncio.sleep(LOOK_S + 0.1)
        assert is_short(log) is expected, free_bytes
    assert caplog.text.count("store.short_of_space") == 2
    assert caplog.text.count("store.has_space_again") == 1
    assert log.failure is None
    await log.close()


def count_looks(disk: VirtualDisk, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets an element for each look at the disk."""
    looks: list[str] = []
    ask = disk.free_bytes

    def free_bytes(path: str) -> int:
        looks.append(path)
        return ask(path)

    monkeypatch.setattr(disk, "free_bytes", free_bytes)
    return looks


def disk_with_other(disk: VirtualDisk) -> VirtualDisk:
    disk.make_directories("/other")
    return disk


async def test_it_is_over_although_nothing_is_written_and_then_nothing_looks_any_more(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = virtual_host.disk
    leave(disk_with_other(disk), NEEDED - 1)
    log = await opened(virtual_host)
    assert is_short(log), "known at the open"
    leave(disk, 2 * NEEDED)
    await asyncio.sleep(LOOK_S + 0.1)
    assert not is_short(log)
    looks = count_looks(disk, monkeypatch)
    await asyncio.sleep(100)
    assert len(looks) <= 1  # behind the sync marker
    await log.close()


async def test_a_fast_writer_is_noticed_before_it_has_filled_the_disk(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    virtual_host.executor.disk_s = 0.0
    leave(disk_with_other(disk), 4 * NEEDED)
    log = await opened(virtual_host)
    for _ in range(1000):
        await put(log, bytes(NEEDED // 100))
        if log.is_short_of_space:
            break
    assert log.failure is None
    assert disk.free_bytes("/data") > NEEDED // 2
    await log.close()


async def test_it_looks_about_once_a_second_while_writes_go_on(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await opened(virtual_host)
    looks = count_looks(virtual_host.disk, monkeypatch)
    for _ in range(1000):
        await put(log)
        await asyncio.sleep(0.01)
    assert 8 <= len(looks) <= 12
    await log.close()


async def test_a_small_disk_does_not_count_as_full_and_a_limit_of_0_never_does(virtual_host: VirtualHost) -> None:
    leave(disk_with_other(virtual_host.disk), CAPACITY // 10)  # far less than 256 MiB
    log = await opened(virtual_host)
    assert not is_short(log)
    await log.close()
    leave(virtual_host.disk, 1000)
    log = await opened(virtual_host, StorageConfig(free_bytes_min=0))
    await put(log)
    assert not is_short(log)
    await log.close()


async def test_the_limit_is_the_one_that_is_configured_on_a_large_disk(virtual_host: VirtualHost) -> None:
    disk = disk_with_other(virtual_host.disk)
    log = await opened(virtual_host, StorageConfig(free_bytes_min=50_000))
    leave(disk, NEEDED // 2 + 10_000)
    await asyncio.sleep(LOOK_S)
    await put(log)
    assert not is_short(log)
    leave(disk, 49_000)
    await asyncio.sleep(LOOK_S)
    await put(log)
    assert is_short(log)
    await log.close()


async def test_a_disk_that_does_not_say_how_much_is_free_changes_nothing(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: str) -> int:
        raise OSError(errno.EIO, "planned", path)

    monkeypatch.setattr(virtual_host.disk, "free_bytes", fail)
    log = await opened(virtual_host)
    await asyncio.sleep(LOOK_S)
    await put(log)
    assert (is_short(log), log.failure) == (False, None)
    writer = await log.snapshots.create("g")
    await writer.append(b"x")
    await writer.finish("x")
    await log.close()


async def test_a_snapshot_leaves_the_last_space_to_the_log(virtual_host: VirtualHost) -> None:
    disk = disk_with_other(virtual_host.disk)
    log = await opened(virtual_host)
    leave(disk, NEEDED)
    writer = await log.snapshots.create("g")
    while disk.free_bytes("/data") > NEEDED * 0.27:
        await writer.append(bytes(NEEDED // 50))
    with pytest.raises(StorageFailed, match="nearly full"):
        await writer.append(bytes(NEEDED // 50))
    assert disk.free_bytes("/data") > NEEDED * 0.9
    await put(log)
    assert log.failure is None
    await log.close()


async def fill_until_it_stops(log: SegmentedLog, group: str = "g") -> int:
    """Write records of 1000 bytes without a look at the outcome until the log is full; return the last position."""
    position = (await log.state(group)).last
    while not log.is_full:
        position += 1
        log.write(Write(group, first=position, records=[Record(1, bytes(1000))]), lambda: None)
        await asyncio.sleep(0.01)
    return position


async def test_the_log_stops_before_it_takes_the_space_of_a_snapshot_and_a_drop_lets_it_go_on(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    disk = disk_with_other(virtual_host.disk)
    config = StorageConfig(extend_bytes=0, segment_bytes_min=20_000)
    log = await opened(virtual_host, config)
    await put(log)
    old = await log.snapshots.create("g")
    await old.append(bytes(2 * NEEDED))
    await old.finish("1")
    leave(disk, 5 * NEEDED)

    last = await fill_until_it_stops(log)

    left = disk.free_bytes("/data")
    assert left >= NEEDED // 4 + 2 * NEEDED * 5 // 4, "a quarter more than the last one took"
    assert left < NEEDED // 4 + 2 * NEEDED * 5 // 4 + NEEDED, "but not much more"
    assert log.is_short_of_space
    await asyncio.sleep(10.0)
    assert disk.free_bytes("/data") == left, "retries take nothing"
    assert log.full_for_s is not None
    assert 9.0 < log.full_for_s < 11.0

    new = await log.snapshots.create("g")
    for _ in range(25):
        await new.append(bytes(NEEDED // 10))
        await asyncio.sleep(0.5)
    assert log.is_full, "the log has not taken what the snapshot was to have"
    await new.finish("2")
    await asyncio.sleep(5.0)
    assert log.is_full
    done: list[int] = []
    log.drop_before("g", last, lambda: done.append(1))
    await asyncio.sleep(2.0)
    assert done == [1], "a drop goes, with all that waits before it"
    await log.snapshots.keep("g", ["2"])
    await asyncio.sleep(2.0)
    assert disk.free_bytes("/data") > left, "and segments are removed"
    assert fullness(log) == (False, None)
    await log.close()


def fullness(log: SegmentedLog) -> tuple[bool, float | None]:
    return log.is_full, log.full_for_s


async def test_after_a_restart_the_sizes_of_the_snapshots_are_known(virtual_host: VirtualHost) -> None:
    disk = disk_with_other(virtual_host.disk)
    log = await opened(virtual_host)
    await put(log)
    old = await log.snapshots.create("g")
    await old.append(bytes(2 * NEEDED))
    await old.finish("1")
    await log.close()
    log = await opened(virtual_host)
    leave(disk, 2 * NEEDED)
    log.write(Write("g", first=(await log.state("g")).last + 1, records=[Record(1, b"x")]), lambda: None)
    await asyncio.sleep(2 * LOOK_S)
    log.write(Write("g", first=(await log.state("g")).last + 1, records=[Record(1, b"x")]), lambda: None)
    await asyncio.sleep(2 * LOOK_S)
    assert log.is_full
    await log.snapshots.forget("g")
    await asyncio.sleep(2 * LOOK_S)
    assert fullness(log) == (False, None)
    await log.close()


async def test_votes_of_a_store_that_needs_no_reserve_are_written_to_the_end(virtual_host: VirtualHost) -> None:
    disk = disk_with_other(virtual_host.disk)
    log = await opened(virtual_host, StorageConfig(free_bytes_min=0, extend_bytes=0))
    leave(disk, 5000)
    assert await fill_until_it_stops(log) <= 5
    assert disk.free_bytes("/data") < 2000
    await log.close()


async def test_memory_is_never_short_of_space(virtual_host: VirtualHost) -> None:
    assert MemoryLog(virtual_host).is_short_of_space is False
