"""Group commit, and failures that are final."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from coterie.errors import StorageDamaged, StorageFailed
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

pytestmark = pytest.mark.virtual

SEGMENT = "/data/segment-0000000001.log"


async def opened(
    host: VirtualHost,
    config: StorageConfig | None = None,
    on_failure: Callable[[Exception], None] | None = None,
) -> SegmentedLog:
    if not host.disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n", config=config, on_failure=on_failure)


def one(position: int, body: bytes = b"x", group: str = "g") -> Write:
    return Write(group, first=position, records=[Record(1, body)])


async def test_everything_submitted_while_a_batch_is_in_flight_shares_the_next_sync(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    syncs = log.syncs
    log.write(one(1), lambda: None)
    await asyncio.sleep(0)  # in flight
    for position in range(2, 500):
        log.write(one(position), lambda: None)
        log.write(Write(f"group {position}", b"r"), lambda: None)
    await log.state("g")
    assert log.syncs == syncs + 2


async def test_writes_of_one_turn_share_a_sync(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    syncs = log.syncs
    for position in range(1, 100):
        log.write(one(position), lambda: None)
    await log.state("g")
    assert log.syncs == syncs + 1


async def test_done_comes_only_after_the_bytes_are_durable(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    durable: list[bool] = []

    def done() -> None:
        twin = virtual_host.disk
        durable.append(b"precious" in bytes(twin._inode(SEGMENT).durable))

    log.write(one(1, b"precious"), done)
    await log.state("g")
    assert durable == [True]


async def test_batches_are_bounded_and_a_large_write_is_never_split(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, StorageConfig(batch_bytes=1024))
    syncs = log.syncs
    for position in range(1, 11):
        log.write(one(position, bytes(600)), lambda: None)
    log.write(Write("h", first=1, records=[Record(1, bytes(5000))] * 5), lambda: None)
    await log.state("g")
    assert log.syncs == syncs + 6  # two records of 600 bytes to a batch; then the large one


async def test_write_that_is_too_large_or_has_a_bad_tag_is_refused_and_changes_nothing(
    virtual_host: VirtualHost,
) -> None:
    log = await opened(virtual_host, StorageConfig(max_write_bytes=1024))
    for bad in (one(1, bytes(1024)), Write("g", bytes(1024)), Write("g", first=1, records=[Record(-1, b"")])):
        with pytest.raises(ValueError, match=r"max_write_bytes|tag"):
            log.write(bad, lambda: pytest.fail("done was called"))
    log.write(one(1, b"good"), lambda: None)
    await log.close()
    log = await opened(virtual_host)
    assert await log.read("g", 1, 9, 100) == [Record(1, b"good")]


@pytest.mark.parametrize("fault", ["fail_next_sync", "fail_next_write"])
async def test_failed_disk_stops_the_store_for_good(virtual_host: VirtualHost, fault: str) -> None:
    failures: list[Exception] = []
    log = await opened(virtual_host, on_failure=failures.append)
    log.write(one(1), lambda: None)
    await log.state("g")
    getattr(virtual_host.disk, fault)()
    for position in range(2, 10):
        log.write(one(position), partial(pytest.fail, "acknowledged"))
    waiting = asyncio.ensure_future(log.state("g"))
    with pytest.raises(StorageFailed, match="planned failure"):
        await waiting
    before = virtual_host.disk.contents(SEGMENT)
    log.write(one(10), partial(pytest.fail, "acknowledged"))
    log.drop_before("g", 2, partial(pytest.fail, "acknowledged"))
    with pytest.raises(StorageFailed):
        await log.state("g")
    with pytest.raises(StorageFailed):
        await log.read("g", 1, 1, 10)
    await asyncio.sleep(10)
    await log.close()
    assert failures == [log.failure]
    assert isinstance(log.failure, StorageFailed)
    assert isinstance(log.failure.__cause__, OSError)
    assert virtual_host.disk.contents(SEGMENT) == before  # nothing was tried again


async def test_close_waits_for_a_batch_that_fails_and_releases_the_lock(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    virtual_host.disk.fail_next_sync()
    log.write(one(1), partial(pytest.fail, "acknowledged"))
    await log.close()
    assert log.failure is not None
    await (await opened(virtual_host)).close()


@pytest.mark.parametrize("pause_s", [0.0, 0.5])
async def test_failed_roll_over_stops_the_store(virtual_host: VirtualHost, pause_s: float) -> None:
    log = await opened(virtual_host, StorageConfig(segment_bytes=4096))
    log.write(one(1, bytes(5000)), lambda: None)
    await log.state("g")
    await asyncio.sleep(pause_s)  # the sync that fails is that of the prepared file, or that of the first batch in it
    virtual_host.disk.fail_next_sync()
    log.write(one(2), partial(pytest.fail, "acknowledged"))
    with pytest.raises(StorageFailed):
        await log.state("g")
    virtual_host.disk.crash()
    again = await opened(virtual_host)
    assert (await again.state("g")).last == 1 if pause_s else (await again.state("g")).last in (1, 2)
    assert again.lost_promises is None


async def test_record_that_rotted_on_the_disk_stops_the_store_naming_the_place(virtual_host: VirtualHost) -> None:
    failures: list[Exception] = []
    log = await opened(virtual_host, on_failure=failures.append)
    log.write(one(1, b"sound"), lambda: None)
    log.write(one(2, b"rotten"), lambda: None)
    await log.state("g")
    virtual_host.disk.flip(SEGMENT, virtual_host.disk.contents(SEGMENT).index(b"rotten"))
    assert await log.read("g", 1, 1, 100) == [Record(1, b"sound")]
    with pytest.raises(StorageDamaged, match=SEGMENT):
        await log.read("g", 1, 2, 100)
    assert [type(failure) for failure in failures] == [StorageDamaged]
    assert isinstance(log.failure, StorageDamaged)


async def test_write_in_flight_when_damage_is_found_is_not_acknowledged(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    log.write(one(1, b"rotten"), lambda: None)
    await log.state("g")
    virtual_host.disk.flip(SEGMENT, virtual_host.disk.contents(SEGMENT).index(b"rotten"))
    reading = asyncio.ensure_future(log.read("g", 1, 1, 100))
    await asyncio.sleep(0)
    log.write(one(2), partial(pytest.fail, "acknowledged"))
    with pytest.raises(StorageDamaged):
        await reading
    await asyncio.sleep(1)


async def test_every_flipped_bit_of_a_record_is_told_by_read(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    log.write(one(1, b"rotten"), lambda: None)
    await log.close()
    body = virtual_host.disk.contents(SEGMENT).index(b"rotten")
    for at in range(body - 36, body + 6):
        log = await opened(virtual_host)
        virtual_host.disk.flip(SEGMENT, at, 0x40)
        with pytest.raises(StorageDamaged, match=SEGMENT):
            await log.read("g", 1, 1, 100)
        await log.close()
        virtual_host.disk.flip(SEGMENT, at, 0x40)


async def test_record_that_stands_in_anothers_place_is_told_by_read(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    log.write(one(1, b"first!"), lambda: None)
    log.write(one(2, b"second"), lambda: None)
    await log.state("g")
    content = virtual_host.disk.contents(SEGMENT)
    first, second = content.index(b"first!") - 36, content.index(b"second") - 36
    virtual_host.disk.open(SEGMENT).write_at(second, content[first : first + 42])
    with pytest.raises(StorageDamaged, match="is not where it was written"):
        await log.read("g", 2, 2, 100)


async def test_idle_log_marks_its_last_batch_once_and_then_rests(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, StorageConfig(mark_after_s=1.0))
    log.write(one(1), lambda: None)
    await log.state("g")
    syncs = log.syncs
    await asyncio.sleep(0.9)
    assert log.syncs == syncs
    await asyncio.sleep(100)
    assert log.syncs == syncs + 1


async def test_opening_and_closing_again_and_again_hardly_grows_the_log(virtual_host: VirtualHost) -> None:
    await (await opened(virtual_host)).close()
    size = len(virtual_host.disk.contents(SEGMENT))
    for _ in range(10):
        await (await opened(virtual_host)).close()
    assert len(virtual_host.disk.contents(SEGMENT)) <= size + 10 * 92  # a generation and a sync marker


# --- no descriptor left

SEGMENT_BYTES = 4096
SMALL = StorageConfig(segment_bytes=SEGMENT_BYTES)


async def test_the_next_segment_begins_although_every_other_descriptor_is_taken(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, SMALL)
    virtual_host.disk.descriptor_limit = virtual_host.disk.open_count
    log.write(one(1, bytes(SEGMENT_BYTES)), lambda: None)
    log.write(one(2), lambda: None)
    await log.state("g")
    log.write(one(3), lambda: None)
    await log.state("g")
    assert virtual_host.disk.exists("/data/segment-0000000002.log")


@pytest.mark.parametrize("stolen", [1, 2])
async def test_a_log_without_any_descriptor_waits_for_one_and_goes_on(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture, stolen: int
) -> None:
    failures: list[Exception] = []
    log = await opened(virtual_host, SMALL, failures.append)
    disk = virtual_host.disk
    thieves = []
    done: list[int] = []
    for position in range(1, 40):
        disk.descriptor_limit = disk.open_count - stolen  # another thread takes the spares as soon as they are free
        log.write(one(position, bytes(1500)), partial(done.append, position))
        await asyncio.sleep(1.0)
        thieves.append(len(done))
        disk.descriptor_limit = None
        await asyncio.sleep(1.0)
        assert done == list(range(1, position + 1))

    assert 0 < sum(waited < position for position, waited in enumerate(thieves, 1)) < 39
    assert failures == []
    held = len([name for name in disk.names("/data") if name.startswith("segment-")])
    assert disk.open_count == held + 3 + log._spares.spares  # lock, meta, high-water file: no try has left one open
    assert caplog.text.count("store.waits_for_descriptor") == sum(
        waited < position for position, waited in enumerate(thieves, 1)
    )
    await log.close()
    virtual_host.disk.crash()
    assert (await (await opened(virtual_host)).state("g")).last == 39


async def test_closing_without_any_descriptor_gives_up_in_time(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, SMALL)
    log.write(one(1, bytes(SEGMENT_BYTES)), lambda: None)
    await log.state("g")
    virtual_host.disk.descriptor_limit = 0
    log.write(one(2), partial(pytest.fail, "acknowledged"))
    async with asyncio.timeout(10):
        await log.close()
    assert isinstance(log.failure, StorageFailed)


async def test_opening_without_enough_descriptors_says_what_to_raise(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, SMALL)
    for position in range(1, 9):
        log.write(one(position, bytes(SEGMENT_BYTES)), lambda: None)
        await log.state("g")
    await log.close()
    for limit in range(8):
        virtual_host.disk.descriptor_limit = limit
        with pytest.raises((StorageFailed, OSError), match=r"ulimit -n|too many open files"):
            await opened(virtual_host)
        assert virtual_host.disk.open_count == 0
    virtual_host.disk.descriptor_limit = None
    await (await opened(virtual_host)).close()


@pytest.mark.parametrize("removed", [SEGMENT, "/data/high-water"])
async def test_a_log_whose_files_are_removed_stops_instead_of_acknowledging_what_will_be_gone(
    virtual_host: VirtualHost, removed: str
) -> None:
    failures: list[Exception] = []
    log = await opened(virtual_host, on_failure=failures.append)
    acknowledged: list[int] = []
    log.write(one(1), lambda: acknowledged.append(1))
    await log.state("g")

    virtual_host.disk.remove(removed)
    await asyncio.sleep(2)
    log.write(one(2), lambda: acknowledged.append(2))
    with pytest.raises(StorageFailed, match="its files were removed while the node ran"):
        await log.state("g")

    assert acknowledged == [1]
    assert len(failures) == 1
