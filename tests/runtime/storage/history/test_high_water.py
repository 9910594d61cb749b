"""Logs that were cut, and those that only look like it."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.history.high_water import HighWater, HighWaterFile
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segment_format import BATCH_HEADER_BYTES
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

pytestmark = pytest.mark.virtual

SMALL = StorageConfig(segment_bytes=4096, extend_bytes=0)
FIRST, SECOND, THIRD = (f"/data/segment-000000000{number}.log" for number in (1, 2, 3))
WATER = "/data/high-water"


async def opened(disk: VirtualDisk, config: StorageConfig = SMALL) -> SegmentedLog:
    host = VirtualHost("n1", disk=disk, seed=disk.used_bytes)
    if not disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n1")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n1", config=config)


async def put(log: SegmentedLog, first: int, body: bytes) -> None:
    log.write(Write("g", first=first, records=[Record(1, body)]), lambda: None)
    await log.state("g")


async def three_segments() -> VirtualDisk:
    disk = VirtualDisk()
    log = await opened(disk)
    for position in range(1, 26):
        await put(log, position, bytes(400))
    await log.close()
    assert disk.exists(THIRD)
    return disk


async def evidence(disk: VirtualDisk) -> str:
    log = await opened(disk)
    await log.close()
    return log.lost_promises or ""


async def test_a_last_segment_that_was_removed_is_found() -> None:
    disk = await three_segments()
    disk.remove(THIRD)
    found = await evidence(disk)
    assert f"1 segment(s) that followed '{SECOND}' are missing" in found


async def test_a_tail_that_was_cut_or_overwritten_with_zeros_is_found_with_file_and_bytes() -> None:
    whole = await three_segments()
    content = whole.contents(THIRD)
    promised = len(content) - BATCH_HEADER_BYTES  # without the sync marker
    for damaged in (content[:-600], content[:-600] + bytes(600), content[:-600] + bytes(9000)):
        disk = whole.copy()
        disk.replace(THIRD, damaged)
        found = await evidence(disk)
        assert f"'{THIRD}' had {promised} durable bytes" in found


async def test_a_log_from_a_copy_beside_a_newer_high_water_file_is_found() -> None:
    disk = await three_segments()
    old = {path: disk.contents(path) for path in (FIRST, SECOND, THIRD)}
    log = await opened(disk)
    await log.close()
    for path, content in old.items():
        disk.replace(path, content)
    assert "do not read back" in await evidence(disk)


async def test_what_was_found_once_is_told_at_every_later_opening(caplog: pytest.LogCaptureFixture) -> None:
    disk = await three_segments()
    disk.remove(THIRD)
    found = await evidence(disk)
    log = await opened(disk)
    for position in range((await log.state("g")).last + 1, 40):
        await put(log, position, bytes(400))
    await log.close()
    disk.crash()

    caplog.clear()
    assert await evidence(disk) == found
    assert [record.levelno for record in caplog.records if "store.went_back" in record.message] == [logging.ERROR]


async def test_peers_may_mark_a_store_for_good_and_their_first_evidence_stays() -> None:
    disk = await three_segments()
    log = await opened(disk)
    await log.mark_lost("n2 remembers generation 7")
    await log.mark_lost("n3 remembers generation 8")
    disk.crash()
    assert await evidence(disk) == "n2 remembers generation 7"


async def test_a_torn_tail_that_nobody_was_promised_is_one_line_with_file_and_bytes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "coterie")
    disk = VirtualDisk()
    log = await opened(disk)
    await put(log, 1, b"promised")
    content = disk.contents(FIRST)
    disk.crash()
    disk.replace(FIRST, content + b"torn")

    again = await opened(disk)

    assert again.lost_promises is None
    told = [record for record in caplog.records if record.name == "coterie.storage"]
    assert [record.levelno for record in told] == [logging.INFO]
    assert told[0].message == f"store.torn_tail_cut node=n1 path={FIRST} bytes=4"


async def test_what_was_acknowledged_before_a_pause_is_covered_and_what_came_right_after_it_is_not() -> None:
    disk = VirtualDisk()
    log = await opened(disk)
    await put(log, 1, b"before")
    await asyncio.sleep(1.5)  # the sync marker comes after one second
    covered = disk.contents(FIRST)
    await put(log, 2, b"after")
    disk.crash()

    late = disk.copy()
    late.replace(FIRST, covered)
    assert await evidence(late) == ""  # the limit of this evidence: peers must find it
    unmarked = disk.copy()
    unmarked.replace(FIRST, covered[:-BATCH_HEADER_BYTES])
    assert await evidence(unmarked) == ""  # a sync marker was promised to nobody
    disk.replace(FIRST, covered[: -BATCH_HEADER_BYTES - 1])
    assert "durable bytes, of which the last" in await evidence(disk)


async def test_writes_without_a_pause_are_covered_but_for_the_last_second() -> None:
    disk = VirtualDisk()
    log = await opened(disk, StorageConfig(extend_bytes=0))
    sizes = []
    for position in range(1, 60):
        await put(log, position, b"x")
        sizes.append(len(disk.contents(FIRST)))
        await asyncio.sleep(0.1)
    content = disk.contents(FIRST)
    disk.crash()

    found = []
    for size in sizes:
        cut = disk.copy()
        cut.replace(FIRST, content[:size])
        found.append(bool(await evidence(cut)))
    assert found == sorted(found, reverse=True)
    assert 48 <= found.count(True) <= 58


async def test_a_high_water_file_that_is_missing_or_unreadable_is_told_and_made_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = await three_segments()
    for content in (None, b"", b"rubbish", bytes(8192)):
        disk = whole.copy()
        disk.remove(WATER)
        if content is not None:
            disk.replace(WATER, content)
        caplog.clear()
        assert await evidence(disk) == ""
        assert [record.levelno for record in caplog.records if "high_water_missing" in record.message] == [30]
        disk.remove(THIRD)
        assert await evidence(disk)


async def test_a_write_of_the_file_that_is_torn_at_any_place_leaves_the_one_before() -> None:
    disk = VirtualDisk()
    disk.make_directories("/data")
    file = HighWaterFile.open(disk, "/data", salt=7)
    file.advance(1, 100)
    for seed in range(300):
        torn = disk.copy()
        cut = HighWaterFile.open(torn, "/data", salt=7)
        torn.cut_power_after(1)
        with pytest.raises(OSError, match="power"):
            cut.advance(2, 200)
        torn.crash(random.Random(seed))
        found = HighWaterFile.open(torn, "/data", salt=7).latest
        assert (found.segment, found.size_bytes) in ((1, 100), (2, 200))


async def test_the_file_of_another_store_is_not_believed() -> None:
    disk = VirtualDisk()
    disk.make_directories("/data")
    HighWaterFile.open(disk, "/data", salt=7).advance(9, 900)
    other = HighWaterFile.open(disk, "/data", salt=8)
    assert (other.is_readable, other.latest) == (False, HighWater())
