from __future__ import annotations

import random

import pytest

from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.history.generation import NEVER_OPENED, Generation, contradiction
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.memory_log import MemoryLog
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

pytestmark = pytest.mark.virtual


async def opened(disk: VirtualDisk, seed: int, config: StorageConfig | None = None) -> SegmentedLog:
    host = VirtualHost("n1", disk=disk, seed=seed)
    if not disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n1")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n1", config=config)


async def test_each_opening_has_the_next_number_and_a_nonce_of_its_own() -> None:
    disk, found = VirtualDisk(), []
    for life in range(4):
        log = await opened(disk, life)
        found.append(log.generation)
        disk.crash()  # nothing is closed: the generation was durable before `open` returned
    assert [each.counter for each in found] == [1, 2, 3, 4]
    assert len({each.nonce for each in found}) == 4


async def test_the_number_survives_the_removal_of_the_segment_that_it_was_written_to() -> None:
    disk = VirtualDisk()
    log = await opened(disk, 0, StorageConfig(segment_bytes=4096))
    for position in range(1, 40):
        log.write(Write("g", first=position, records=[Record(1, bytes(500))]), lambda: None)
        log.drop_before("g", position)
        await log.state("g")
    await log.close()
    assert not disk.exists("/data/segment-0000000001.log")
    disk.remove("/data/high-water")

    assert (await opened(disk, 1)).generation.counter == 2


async def test_a_copy_that_was_restored_contradicts_what_peers_remember_however_often_it_is_opened() -> None:
    disk = VirtualDisk()
    await (await opened(disk, 0)).close()
    copy = disk.copy()
    remembered = (await opened(disk, 1)).generation

    disk.restore(copy)
    again = await opened(disk, 2)

    assert again.lost_promises is None  # by itself it cannot know
    assert "its generation 2 was" in (contradiction(remembered, again.generation) or "")


def test_only_a_lower_number_or_another_nonce_is_a_contradiction() -> None:
    remembered = Generation(5, 77)
    assert contradiction(remembered, remembered) is None
    assert contradiction(remembered, Generation(9, 1)) is None
    assert contradiction(remembered, Generation(4, 77)) == "it was opened 5 times, and now says 4"
    assert "5/000000000000004d" in (contradiction(remembered, Generation(5, 78)) or "")


def test_a_generation_survives_encoding_and_refuses_what_has_not_sixteen_bytes() -> None:
    made = NEVER_OPENED.next(random.Random(1))
    assert Generation.decode(made.encode()) == made
    with pytest.raises(ValueError, match="has 16 bytes, not 3"):
        Generation.decode(b"abc")
    with pytest.raises(ValueError, match="counter of a generation"):
        Generation(-1, 0)


async def test_each_memory_store_is_a_first_opening(virtual_host: VirtualHost) -> None:
    first, second = MemoryLog(virtual_host), MemoryLog(virtual_host)
    assert (first.generation.counter, second.generation.counter) == (1, 1)
    assert first.generation != second.generation
