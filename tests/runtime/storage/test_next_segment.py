"""The next segment is prepared ahead, and begins with the batch that is its first."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from coterie.errors import StorageDamaged, StorageFailed
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.data_directory import format_store, read_meta
from coterie.runtime.storage.log_recovery import scan
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segment_files import segment_path
from coterie.runtime.storage.segment_format import BATCH_HEADER_BYTES, ITEM_HEADER_BYTES, SEGMENT_HEADER_BYTES
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

FIRST, SECOND = segment_path("/data", 1), segment_path("/data", 2)
SMALL = StorageConfig(segment_bytes=4096, batch_bytes=1024, extend_bytes=1024)
HALF = b"x" * 2500


async def opened(disk: VirtualDisk, config: StorageConfig = SMALL) -> SegmentedLog:
    host = VirtualHost("n1", disk=disk)
    if not disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n1")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n1", config=config)


async def put(log: SegmentedLog, position: int, body: bytes = HALF) -> None:
    log.write(Write("g", first=position, records=[Record(1, body)]), lambda: None)
    await log.state("g")
    await asyncio.sleep(0.01)  # for the disk thread


async def found(log: SegmentedLog) -> list[bytes]:
    state = await log.state("g")
    return [record.body for record in await log.read("g", state.first, state.last, 1 << 30)]


@pytest.mark.virtual
async def test_the_next_segment_is_prepared_when_the_last_one_is_half_full() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    await put(log, 1, b"little")
    assert not disk.exists(SECOND)
    await put(log, 2)
    assert disk.exists(SECOND)
    assert disk.contents(SECOND)[SEGMENT_HEADER_BYTES:] == bytes(1024)


@pytest.mark.virtual
async def test_a_batch_that_begins_a_segment_creates_no_file_and_needs_one_sync(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    disk = VirtualDisk()
    directory_syncs: list[str] = []
    log = await opened(disk)
    usual = VirtualDisk.sync_directory

    def sync_directory(self: VirtualDisk, path: str) -> None:
        directory_syncs.append(path)
        usual(self, path)

    monkeypatch.setattr(VirtualDisk, "sync_directory", sync_directory)
    await put(log, 1)
    await put(log, 2)
    assert len(directory_syncs) == 1
    before = disk.contents(SECOND)
    disk.cut_power_after(3)  # zeros of the last segment are cut, the first batch is written, and synced
    log.write(Write("g", first=3, records=[Record(1, b"first of the second")]), lambda: None)
    await log.state("g")
    assert len(directory_syncs) == 1
    assert disk.contents(SECOND) != before


@pytest.mark.virtual
async def test_a_closed_log_leaves_no_segment_that_has_not_begun() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    await put(log, 1)
    assert disk.exists(SECOND)
    await log.close()
    assert not disk.exists(SECOND)


@pytest.mark.virtual
async def test_after_a_crash_a_segment_that_has_not_begun_is_removed_and_the_one_before_it_goes_on() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    await put(log, 1)
    disk.crash()
    assert disk.exists(SECOND)

    scanned = scan(disk, "/data", read_meta(disk, "/data").salt)
    assert (scanned.unbegun, len(scanned.segments)) == (SECOND, 1)
    assert disk.exists(SECOND)  # it was only looked at

    log = await opened(disk, StorageConfig())
    assert not disk.exists(SECOND)
    assert (log.lost_promises, log.cut_bytes, await found(log)) == (None, 0, [HALF])
    await put(log, 2)
    assert disk.contents(FIRST).count(HALF) == 2


@pytest.mark.virtual
async def test_a_segment_that_has_not_begun_but_lost_its_header_is_damage() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    await put(log, 1)
    disk.crash()
    disk.flip(SECOND, 9)
    with pytest.raises(StorageDamaged, match=SECOND):
        await opened(disk)


@pytest.mark.virtual
async def test_zeros_at_the_end_of_any_segment_are_none_of_its_records_but_zeroed_records_are_damage() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    for position in range(1, 6):
        await put(log, position)
    await log.close()
    whole = disk.contents(FIRST)
    disk.replace(FIRST, whole + bytes(500))  # as after a crash right behind the first batch of the second segment
    log = await opened(disk)
    assert (log.lost_promises, await found(log)) == (None, [HALF] * 5)
    await log.close()
    disk.replace(FIRST, whole[: -len(HALF)] + bytes(len(HALF)))
    with pytest.raises(StorageDamaged, match=FIRST):
        await opened(disk)


@pytest.mark.virtual
async def test_without_space_for_it_no_segment_is_prepared_and_the_log_goes_on_when_there_is_some() -> None:
    disk = VirtualDisk()
    log = await opened(disk, StorageConfig(segment_bytes=4096, extend_bytes=0))
    await put(log, 1, b"little")
    disk.capacity_bytes = disk.used_bytes + len(HALF) + BATCH_HEADER_BYTES + ITEM_HEADER_BYTES + 10
    await put(log, 2)
    assert not disk.exists(SECOND)
    disk.capacity_bytes = None
    for position in range(3, 7):
        await put(log, position)
    assert disk.exists(SECOND)
    assert await found(log) == [b"little"] + [HALF] * 5


@pytest.mark.virtual
async def test_a_segment_that_has_begun_already_is_not_prepared_again() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    for position in range(1, 4):  # each a batch: the second one begins a segment before the next is prepared
        log.write(Write("g", first=position, records=[Record(1, b"%d" % position * 5000)]), lambda: None)
    await log.state("g")
    await asyncio.sleep(0.1)
    disk.crash()
    assert len(await found(await opened(disk))) == 3


async def live(disk: VirtualDisk, rng: random.Random, acknowledged: set[int], steps: int | None) -> None:
    """Open, check, and write records of which a few are kept, until the power is cut."""
    log = await opened(disk)
    state = await log.state("g")
    assert log.lost_promises is None
    assert state.last >= max(acknowledged)
    bodies = await found(log)
    assert all(body.startswith(b"%d." % at) for at, body in enumerate(bodies, state.first))
    assert len(bodies) == state.last - state.first + 1
    if steps is not None:
        disk.cut_power_after(steps)
    for position in range(state.last + 1, state.last + 25):
        body = (b"%d." % position).ljust(rng.randrange(200, 900), b"x")
        log.write(Write("g", first=position, records=[Record(1, body)]), lambda: None)
        if rng.random() < 0.7:
            await log.state("g")
            acknowledged.add(position)
        if position % 3 == 0:
            log.drop_before("g", max(1, position - 4))
        if rng.random() < 0.3:
            await asyncio.sleep(0.01)
    await log.close()


@pytest.mark.parametrize("seed", range(6))
def test_power_cut_at_any_step_of_rotation_and_reclaim_loses_nothing_acknowledged(seed: int) -> None:
    for steps in range(90):
        rng, disk, acknowledged = random.Random(1000 * seed + steps), VirtualDisk(), {0}
        for cut in (steps, rng.randrange(25), None):
            with contextlib.suppress(StorageFailed, OSError):
                run_virtual(lambda cut=cut, disk=disk, rng=rng, held=acknowledged: live(disk, rng, held, cut))  # type: ignore[misc]
            disk.crash(rng)
