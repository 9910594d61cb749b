"""The size of segments follows what is live in the log."""

from __future__ import annotations

import asyncio

import pytest

from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

pytestmark = pytest.mark.virtual

KIB = 1024


async def opened(host: VirtualHost, config: StorageConfig) -> SegmentedLog:
    await format_store(host, "/data", cluster="c", node="n")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n", config=config)


def segment_sizes(host: VirtualHost) -> list[int]:
    names = [name for name in host.disk.names("/data") if name.startswith("segment-")]
    return [len(host.disk.contents(f"/data/{name}")) for name in names]


async def overwrite(log: SegmentedLog, records: int, *, kept: int, group: str = "g", metadata: bytes = b"") -> None:
    """Append records of a KiB, and drop all but the last ones."""
    for position in range(1, records + 1):
        log.write(Write(group, metadata or None, first=position, records=[Record(1, bytes(KIB))]), lambda: None)
        if position % 16 == 0:
            log.drop_before(group, max(1, position - kept))
            await log.state(group)
            await asyncio.sleep(0.01)


async def test_a_log_with_little_live_data_takes_little_of_the_disk(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, StorageConfig())

    await overwrite(log, 8 * KIB, kept=512)

    assert sum(segment_sizes(virtual_host)) < 3.5 * KIB * KIB


async def test_segments_are_larger_in_a_log_with_more_live_data(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, StorageConfig(segment_bytes_min=16 * KIB, segment_bytes=64 * KIB, extend_bytes=0))

    await overwrite(log, 200, kept=8)
    assert max(segment_sizes(virtual_host)) < 40 * KIB
    await overwrite(log, 4000, kept=4000, group="large")

    sizes = segment_sizes(virtual_host)
    assert len(sizes) < 100
    assert 64 * KIB <= sizes[-3] < 90 * KIB


async def test_large_checkpoints_make_large_segments(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host, StorageConfig(segment_bytes_min=4 * KIB, extend_bytes=0))

    await overwrite(log, 800, kept=8, metadata=bytes(8 * KIB))

    assert len(segment_sizes(virtual_host)) <= 3
    assert max(segment_sizes(virtual_host)) > 100 * KIB
