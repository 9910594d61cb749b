"""Segments come and go."""

from __future__ import annotations

import asyncio

import pytest

from coterie.errors import StorageFailed
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import GroupState, Record, Write
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

pytestmark = pytest.mark.virtual

CONFIG = StorageConfig(segment_bytes=4096, batch_bytes=1024)


@pytest.fixture
async def log(virtual_host: VirtualHost) -> SegmentedLog:
    await format_store(virtual_host, "/data", cluster="c", node="n")
    return await reopened(virtual_host)


async def reopened(host: VirtualHost, config: StorageConfig = CONFIG) -> SegmentedLog:
    return await SegmentedLog.open(host, "/data", cluster="c", node="n", config=config)


def segments(host: VirtualHost) -> list[int]:
    return [int(name[8:-4]) for name in host.disk.names("/data") if name.startswith("segment-")]


async def fill(log: SegmentedLog, group: str, first: int, last: int) -> None:
    for position in range(first, last + 1):
        log.write(Write(group, first=position, records=[record(group, position)]), lambda: None)
    await log.state(group)


def record(group: str, position: int) -> Record:
    return Record(position // 7, f"{group}/{position}".encode().ljust(200, b"."))


async def check(log: SegmentedLog, group: str, first: int, last: int) -> None:
    state = await log.state(group)
    assert (state.first, state.last) == (first, last)
    expected = [record(group, position) for position in range(first, last + 1)]
    assert await log.read(group, first, last, 1 << 30) == expected


async def settle(log: SegmentedLog) -> None:
    await asyncio.sleep(60)
    await log.state("any")


async def test_segments_are_bounded_and_everything_is_found_again(virtual_host: VirtualHost, log: SegmentedLog) -> None:
    await fill(log, "g", 1, 200)
    assert len(segments(virtual_host)) > 5
    for number in segments(virtual_host):
        assert len(virtual_host.disk.contents(f"/data/segment-{number:010d}.log")) < 4096 + 2 * 1024
    await check(log, "g", 1, 200)
    await log.close()
    await check(await reopened(virtual_host), "g", 1, 200)


async def test_live_records_are_never_thrown_away(virtual_host: VirtualHost, log: SegmentedLog) -> None:
    await fill(log, "g", 1, 200)
    await settle(log)
    assert segments(virtual_host)[0] == 1
    await check(log, "g", 1, 200)


async def test_dead_segments_are_removed_while_the_log_runs(virtual_host: VirtualHost, log: SegmentedLog) -> None:
    await fill(log, "g", 1, 200)
    log.drop_before("g", 195)
    await settle(log)
    assert len(segments(virtual_host)) <= 2
    await check(log, "g", 195, 200)
    await log.close()
    virtual_host.disk.crash()
    await check(await reopened(virtual_host), "g", 195, 200)


async def test_truncated_records_are_reclaimed_too(virtual_host: VirtualHost, log: SegmentedLog) -> None:
    await fill(log, "g", 1, 200)
    log.write(Write("g", truncate_from=3), lambda: None)
    await fill(log, "g", 3, 20)
    await settle(log)
    assert len(segments(virtual_host)) <= 3
    await check(log, "g", 1, 20)
    await log.close()
    virtual_host.disk.crash()
    await check(await reopened(virtual_host), "g", 1, 20)


async def test_idle_group_pins_no_segment_and_keeps_its_records_and_metadata(
    virtual_host: VirtualHost, log: SegmentedLog
) -> None:
    log.write(Write("idle", b"vote"), lambda: None)
    log.write(Write("silent", b"metadata only"), lambda: None)
    await fill(log, "idle", 1, 9)
    tags = (await log.state("idle")).tags
    for first in range(1, 1000, 50):
        await fill(log, "busy", first, first + 49)
        log.drop_before("busy", first + 45)
    await settle(log)
    assert len(segments(virtual_host)) <= 4
    assert segments(virtual_host)[0] > 30
    for _ in range(2):
        assert await log.state("idle") == GroupState(b"vote", 1, 9, tags)
        assert await log.state("silent") == GroupState(b"metadata only", 1, 0, ())
        await check(log, "idle", 1, 9)
        await check(log, "busy", 996, 1000)
        await log.close()
        virtual_host.disk.crash()
        log = await reopened(virtual_host)


async def test_idle_group_can_go_on_after_it_was_moved(virtual_host: VirtualHost, log: SegmentedLog) -> None:
    await fill(log, "idle", 1, 9)
    await fill(log, "busy", 1, 200)
    log.drop_before("busy", 201)
    await settle(log)
    assert segments(virtual_host)[0] > 1
    log.write(Write("idle", truncate_from=9), lambda: None)
    log.drop_before("idle", 3)
    await fill(log, "idle", 9, 12)
    await log.close()
    virtual_host.disk.crash()
    await check(await reopened(virtual_host), "idle", 3, 12)


async def test_rot_in_what_must_be_moved_stops_the_store_and_removes_nothing(
    virtual_host: VirtualHost, log: SegmentedLog
) -> None:
    await fill(log, "idle", 1, 9)
    await fill(log, "busy", 1, 200)
    first = "/data/segment-0000000001.log"
    virtual_host.disk.flip(first, virtual_host.disk.contents(first).index(b"idle/5"))
    log.drop_before("busy", 201)
    await asyncio.sleep(60)
    assert log.failure is not None
    assert segments(virtual_host)[0] == 1


async def test_close_in_the_middle_of_reclaiming_loses_nothing(virtual_host: VirtualHost, log: SegmentedLog) -> None:
    await fill(log, "idle", 1, 9)
    await fill(log, "busy", 1, 200)
    log.drop_before("busy", 201)
    await log.state("busy")
    before = segments(virtual_host)
    await log.close()
    assert len(segments(virtual_host)) >= len(before) - 1  # it did stop
    virtual_host.disk.crash()
    log = await reopened(virtual_host)
    await check(log, "idle", 1, 9)
    await fill(log, "busy", 201, 202)
    await settle(log)
    assert segments(virtual_host)[0] > before[0]
    await check(log, "idle", 1, 9)


async def test_failed_removal_stops_the_store(virtual_host: VirtualHost, log: SegmentedLog) -> None:
    await fill(log, "g", 1, 60)
    log.drop_before("g", 61)
    await log.state("g")
    virtual_host.disk.fail_next_sync()
    await asyncio.sleep(60)
    assert isinstance(log.failure, StorageFailed)


@pytest.mark.parametrize("turns", range(24))
async def test_a_group_is_forgotten_while_its_records_are_being_copied(virtual_host: VirtualHost, turns: int) -> None:
    await format_store(virtual_host, "/data", cluster="c", node="n")
    log = await reopened(virtual_host)
    await fill(log, "old", 1, 15)
    await fill(log, "g", 1, 100)
    log.drop_before("g", 95)  # from now on the few records of `old` are worth copying
    for _ in range(turns):
        await asyncio.sleep(0)

    await log.forget("old")
    await settle(log)

    await log.close()
    again = await reopened(virtual_host)
    assert again.groups() == ("g",)
    await check(again, "g", 95, 100)
