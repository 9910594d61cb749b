from __future__ import annotations

import pytest

from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.memory_log import MemoryLog


@pytest.mark.virtual
async def test_memory_never_fails_never_syncs_and_forgets_with_its_instance(virtual_host: VirtualHost) -> None:
    log = MemoryLog(virtual_host)
    log.write(Write("g", b"r", first=1, records=[Record(1, b"a")]), lambda: None)
    assert (await log.state("g")).last == 1
    assert (log.failure, log.syncs) == (None, 0)
    again = MemoryLog(virtual_host)
    assert (await again.state("g")).last == 0
    assert again.store_id != log.store_id


@pytest.mark.virtual
async def test_memory_keeps_its_own_copy_of_the_records(virtual_host: VirtualHost) -> None:
    log = MemoryLog(virtual_host)
    records = [Record(1, b"a")]
    log.write(Write("g", first=1, records=records), lambda: None)
    records.append(Record(1, b"b"))
    (await log.read("g", 1, 9, 100)).clear()
    assert await log.read("g", 1, 9, 100) == [Record(1, b"a")]
