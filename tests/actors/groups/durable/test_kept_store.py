"""A data directory of the present format that is kept: what was written once is read as the same as long as it counts.

If a test here fails because you changed something durable (an entry, the register, a segment, a file of the directory):

1. Raise `FORMAT_VERSION` in `runtime/storage/data_directory.py`, and the version of the part that you changed.
2. Keep `store-format-N.json` of the old number N. It must be refused (`test_a_store_of_an_older_format_is_refused`)
   or, if this release reads it, read as what it held.
3. Write the new one: `python -m tests.actors.groups.durable.kept_store`, into `store-format-M.json` beside it.

Never write a kept file again under its number: there are stores that look like it. (Until the first release there are
none: format 2 is still being made, and its file is written again whenever it changes.)
"""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie.actors.groups.raft_records import entries_of, read_restored
from coterie.actors.paxos.synod_records import decode_state
from coterie.actors.peer_stores import PeerStores
from coterie.errors import UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_messages import Restored
from coterie.protocols.replicated_log import EntryKind
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import FORMAT_VERSION
from coterie.runtime.storage.segmented_log import SegmentedLog
from tests.actors.groups.durable.kept_store import (
    BASE,
    DIRECTORY,
    FACTS,
    LOG,
    NODE,
    NODES,
    STORES,
    SYNOD,
    unpack,
    write_store,
)

pytestmark = pytest.mark.virtual

KEPT = Path(__file__).parent / f"store-format-{FORMAT_VERSION}.json"


def disk_of(files: dict[str, bytes]) -> VirtualDisk:
    disk = VirtualDisk()
    disk.make_directories(DIRECTORY)
    for name, data in files.items():
        disk.replace(f"{DIRECTORY}/{name}", data)
    return disk


async def opened(files: dict[str, bytes]) -> SegmentedLog:
    host = VirtualHost(NODE, disk=disk_of(files), seed=1)
    return await SegmentedLog.open(host, DIRECTORY, cluster="kept", node=NODE)


def test_what_is_written_today_is_what_was_kept() -> None:
    kept, written = unpack(KEPT.read_text(encoding="ascii")), write_store()

    assert sorted(kept) == sorted(written)
    assert [name for name in kept if kept[name] != written[name]] == []


async def test_the_kept_store_reads_back_as_what_it_held() -> None:
    log = await opened(unpack(KEPT.read_text(encoding="ascii")))

    restored = await read_restored(log, "store")
    entries = entries_of("store", 1, await log.read("store", 1, 7, 1 << 20))
    stores = PeerStores("store", log)
    await stores.restore()
    synod = await log.state("config")

    assert restored == Restored(restored.hard_state, ((1, 1), (4, 2)), 7, LOG[-1].stamp_ms)  # type: ignore[arg-type]
    register = restored.hard_state
    assert (register.term, register.voted_for, register.facts) == (2, NodeId(STORES[NODES[1]]), FACTS)
    assert entries == LOG
    assert stores.has_registered(NODE, log.store_id)
    assert stores.has_heard(NODES[1], STORES[NODES[1]])
    assert synod.metadata is not None
    assert decode_state(synod.metadata) == SYNOD
    await log.close()


async def test_a_kept_log_that_begins_at_a_base_reads_back() -> None:
    log = await opened(unpack(KEPT.read_text(encoding="ascii")))

    restored = await read_restored(log, "based")

    assert (restored.base, restored.last_index, restored.terms, restored.last_stamp_ms) == (BASE, 101, ((101, 4),), 9)
    await log.close()


def test_the_kept_store_has_every_kind_of_entry() -> None:
    assert {entry.kind for entry in LOG} == set(EntryKind)


@pytest.mark.parametrize("version", range(1, FORMAT_VERSION))
async def test_a_store_of_an_older_format_is_refused(version: int) -> None:
    """Nothing is converted: the message names both formats and what to do."""
    files = unpack(KEPT.read_text(encoding="ascii"))
    files["meta"] = files["meta"].replace(b"format %d" % FORMAT_VERSION, b"format %d" % version)

    with pytest.raises(
        UnsupportedFormat, match=f"has storage format {version}, this release reads {FORMAT_VERSION} and"
    ):
        await opened(files)
