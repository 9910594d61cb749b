"""The contract of a snapshot store, held against both stores."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from coterie.errors import StorageFailed
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.memory_log import MemoryLog
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.snapshots.snapshot_files import group_digits
from coterie.runtime.storage.snapshots.snapshot_store import SnapshotStore

SNEAKY = f"q/../snapshot-{group_digits('g')}-x"  # would be the path of a snapshot that there is

pytestmark = pytest.mark.virtual


@pytest.fixture(params=["segmented", "memory"])
async def log(request: pytest.FixtureRequest, virtual_host: VirtualHost) -> AsyncIterator[SegmentedLog | MemoryLog]:
    if request.param == "memory":
        opened: SegmentedLog | MemoryLog = MemoryLog(virtual_host)
    else:
        await format_store(virtual_host, "/data", cluster="c", node="n")
        opened = await SegmentedLog.open(virtual_host, "/data", cluster="c", node="n")
    yield opened
    await opened.close()


@pytest.fixture
def store(log: SegmentedLog | MemoryLog) -> SnapshotStore:
    return log.snapshots


async def saved(store: SnapshotStore, group: str, name: str, *parts: bytes) -> None:
    writer = await store.create(group)
    for part in parts:
        await writer.append(part)
    await writer.finish(name)


async def whole(store: SnapshotStore, group: str, name: str) -> bytes | None:
    size_bytes = await store.size_bytes(group, name)
    return None if size_bytes is None else await store.read(group, name, 0, size_bytes)


async def test_a_snapshot_reads_back_in_pieces_to_its_end(store: SnapshotStore) -> None:
    await saved(store, "g", "0001-a", b"abc", b"", b"defg")
    assert store.names("g") == ("0001-a",)
    assert await store.size_bytes("g", "0001-a") == 7
    assert [await store.read("g", "0001-a", at, 3) for at in (0, 3, 6, 7, 99)] == [b"abc", b"def", b"g", b"", b""]
    assert await store.read("g", "0001-a", 0, 0) == b""


async def test_an_unfinished_snapshot_has_no_name_and_counts_its_bytes(store: SnapshotStore) -> None:
    writer = await store.create("g")
    assert writer.size_bytes == 0
    await writer.append(b"abc")
    assert (writer.size_bytes, store.names("g")) == (3, ())
    await writer.finish("x")
    assert (writer.size_bytes, store.names("g")) == (3, ("x",))


async def test_the_digest_is_that_of_all_bytes_in_order_and_an_empty_snapshot_is_one(store: SnapshotStore) -> None:
    writer = await store.create("g")
    assert await writer.digest() == hashlib.sha256().digest()
    await writer.append(b"a" * 1000)
    await writer.append(b"b")
    expected = hashlib.sha256(b"a" * 1000 + b"b").digest()
    assert await writer.digest() == expected
    await writer.finish("x")
    assert await writer.digest() == expected
    await saved(store, "g", "empty")
    assert await store.read("g", "empty", 0, 10) == b""


async def test_what_does_not_exist_is_none_also_by_a_name_that_would_be_a_path(store: SnapshotStore) -> None:
    await saved(store, "g", "x", b"1")
    for group, name in (("g", "y"), ("h", "x"), ("g", ""), ("g", "../meta"), ("g", "X"), ("g", SNEAKY)):
        assert await store.read(group, name, 0, 9) is None
        assert await store.size_bytes(group, name) is None
    assert store.names("h") == ()


async def test_groups_do_not_see_each_others_snapshots_not_even_of_the_same_name(store: SnapshotStore) -> None:
    await saved(store, "g", "x", b"of g")
    await saved(store, "g#registration", "x", b"of the other")
    await store.keep("g", ())
    assert (store.names("g"), await whole(store, "g#registration", "x")) == ((), b"of the other")


async def test_names_are_sorted_and_a_snapshot_of_the_same_name_is_replaced(store: SnapshotStore) -> None:
    for name in ("b", "a", "0-0", "b"):
        await saved(store, "g", name, name.encode() * 2)
    await saved(store, "g", "a", b"new")
    assert store.names("g") == ("0-0", "a", "b")
    assert await whole(store, "g", "a") == b"new"
    assert await whole(store, "g", "b") == b"bb"


async def test_several_writers_of_one_group_do_not_disturb_each_other(store: SnapshotStore) -> None:
    first, second, third = await asyncio.gather(*(store.create("g") for _ in range(3)))
    await asyncio.gather(first.append(b"1"), second.append(b"22"), third.append(b"333"))
    await second.abandon()
    await asyncio.gather(first.finish("one"), third.finish("three"))
    assert store.names("g") == ("one", "three")
    assert (await whole(store, "g", "one"), await whole(store, "g", "three")) == (b"1", b"333")


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a.b", "a_b", "é", "x\n", "x" * 101])
async def test_a_bad_name_is_refused_and_the_writer_goes_on(store: SnapshotStore, name: str) -> None:
    writer = await store.create("g")
    await writer.append(b"1")
    with pytest.raises(ValueError, match="the name of a snapshot"):
        await writer.finish(name)
    await writer.append(b"2")
    await writer.finish("x" * 100)
    assert await whole(store, "g", "x" * 100) == b"12"


async def test_a_negative_place_is_refused(store: SnapshotStore) -> None:
    await saved(store, "g", "x", b"12345")
    for offset, max_bytes in ((-1, 3), (0, -1)):
        with pytest.raises(ValueError, match="negative"):
            await store.read("g", "x", offset, max_bytes)


async def test_only_what_is_named_is_kept_and_open_writers_stay(store: SnapshotStore) -> None:
    for name in ("a", "b", "c"):
        await saved(store, "g", name, name.encode())
    writer = await store.create("g")
    await writer.append(b"d")
    await store.keep("g", ["b", "missing", "../x"])
    assert (store.names("g"), await whole(store, "g", "a"), await whole(store, "g", "b")) == (("b",), None, b"b")
    await writer.finish("d")
    assert store.names("g") == ("b", "d")
    await store.keep("g", ())
    assert store.names("g") == ()


async def test_after_its_end_a_writer_refuses_more_and_may_be_abandoned_again_and_again(store: SnapshotStore) -> None:
    done, dropped = await store.create("g"), await store.create("g")
    await done.append(b"1")
    await done.finish("x")
    await dropped.append(b"2")
    await dropped.abandon()
    for writer in (done, dropped):
        await writer.abandon()
        await writer.abandon()
        with pytest.raises(StorageFailed):
            await writer.append(b"more")
        with pytest.raises(StorageFailed):
            await writer.finish("y")
    with pytest.raises(StorageFailed):
        await dropped.digest()
    assert (store.names("g"), await whole(store, "g", "x")) == (("x",), b"1")


async def test_a_forgotten_group_leaves_no_snapshot_and_no_writer_to_a_later_one(log: SegmentedLog | MemoryLog) -> None:
    store = log.snapshots
    for group in ("g", "h"):
        log.write(Write(group, b"r", first=1, records=[Record(1, b"a")]), lambda: None)
        await saved(store, group, "x", b"old")
    writer = await store.create("g")
    await writer.append(b"old")
    await log.forget("g")
    assert store.names("g") == ()
    assert await store.read("g", "x", 0, 9) is None
    log.write(Write("g", b"r"), lambda: None)
    with pytest.raises(StorageFailed, match="forgotten"):
        await writer.finish("y")
    assert (store.names("g"), store.names("h")) == ((), ("x",))


async def test_snapshots_of_a_group_without_records_are_forgotten_too(log: SegmentedLog | MemoryLog) -> None:
    await saved(log.snapshots, "g", "x", b"1")
    await log.forget("g")
    assert log.snapshots.names("g") == ()


async def test_a_closed_store_refuses_all_but_abandon(log: SegmentedLog | MemoryLog) -> None:
    store = log.snapshots
    await saved(store, "g", "x", b"1")
    writer = await store.create("g")
    await writer.append(b"2")
    await log.close()
    await writer.abandon()
    for use in (
        lambda: store.create("g"),
        lambda: store.read("g", "x", 0, 1),
        lambda: store.size_bytes("g", "x"),
        lambda: store.keep("g", ()),
        lambda: writer.append(b"3"),
        writer.digest,
        lambda: writer.finish("y"),
    ):
        with pytest.raises(StorageFailed, match="closed"):
            await use()
    assert store.names("g") == ("x",)


async def test_what_is_read_goes_into_a_digest_that_is_given(store: SnapshotStore) -> None:
    await saved(store, "g", "x", b"abcdefg")
    digest = hashlib.sha256()
    assert await store.read("g", "x", 0, 4, digest) == b"abcd"
    assert await store.read("g", "x", 4, 4, digest) == b"efg"
    assert await store.read("g", "y", 0, 4, digest) is None
    assert digest.digest() == hashlib.sha256(b"abcdefg").digest()


async def test_one_snapshot_is_removed_and_the_others_stay(store: SnapshotStore) -> None:
    for name in ("x", "y"):
        await saved(store, "g", name, b"abc")
    await saved(store, "h", "x", b"other")
    await store.remove("g", "x")
    await store.remove("g", "x")
    await store.remove("g", SNEAKY)
    assert (store.names("g"), store.names("h")) == (("y",), ("x",))
    assert await store.read("g", "x", 0, 4) is None
    assert await store.read("g", "y", 0, 4) == b"abc"
