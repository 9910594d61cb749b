"""Snapshots on a disk that crashes, is full, fails, or on which the process has no descriptor left."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import random
from functools import partial

import pytest

from coterie.errors import MetaFileMissing, StorageError, StorageFailed
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.data_directory import format_store, undo_format
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.snapshots.snapshot_files import SYNC_BYTES, group_digits, snapshot_path
from coterie.runtime.storage.snapshots.snapshot_store import SnapshotNotWritten, SnapshotStore
from coterie.runtime.storage.storage_config import StorageConfig

CONTENT = {"one": b"1" * 2000, "two": b"2" * 3000, "three": b"3" * 1000}


async def opened(
    host: VirtualHost | RealHost, path: str = "/data", config: StorageConfig | None = None
) -> SegmentedLog:
    if not host.disk.exists(f"{path}/meta"):
        await format_store(host, path, cluster="c", node="n")
    log = await SegmentedLog.open(host, path, cluster="c", node="n", config=config)
    if log.groups() == ():
        log.write(Write("g", b"r"), lambda: None)
        await log.state("g")
    return log


async def saved(store: SnapshotStore, name: str, *, content: bytes | None = None, group: str = "g") -> None:
    writer = await store.create(group)
    data = CONTENT[name] if content is None else content
    for at in range(0, len(data), 700):
        await writer.append(data[at : at + 700])
    await writer.finish(name)


async def whole(store: SnapshotStore, name: str, group: str = "g") -> bytes | None:
    size_bytes = await store.size_bytes(group, name)
    return None if size_bytes is None else await store.read(group, name, 0, size_bytes)


def files(disk: VirtualDisk, kind: str = "") -> list[str]:
    return [name for name in disk.names("/data") if name.startswith("snapshot-") and name.endswith(kind)]


def path_of(name: str, group: str = "g") -> str:
    return snapshot_path("/data", group_digits(group), name)


# --- crashes


class History:
    """Snapshots that come and go; what is complete, and what has ended, at each moment."""

    def __init__(self) -> None:
        self.certain: dict[str, bytes] = {}  # complete and durable, and nobody has begun to remove it
        self.forgotten = False

    async def run(self, disk: VirtualDisk) -> None:
        log = await opened(VirtualHost("n", disk=disk))
        store = log.snapshots
        for name in ("one", "two"):
            await saved(store, name)
            self.certain[name] = CONTENT[name]
        del self.certain["one"]
        await store.keep("g", ["two"])
        await (await store.create("g")).append(b"never finished")
        await saved(store, "three")
        self.certain["three"] = CONTENT["three"]
        self.certain.clear()
        await log.forget("g")
        self.forgotten = True
        log.write(Write("g", b"of a later group"), lambda: None)
        await log.state("g")
        await log.close()

    async def check(self, disk: VirtualDisk) -> None:
        log = await SegmentedLog.open(VirtualHost("n", disk=disk), "/data", cluster="c", node="n")
        found = {name: await whole(log.snapshots, name) for name in log.snapshots.names("g")}
        assert found.items() >= self.certain.items(), "a snapshot that was durable is gone"
        assert found.items() <= CONTENT.items(), "a snapshot is not whole"
        if (await log.state("g")).metadata != b"r":
            assert found == {}, "a group that begins anew finds a snapshot of the forgotten one"
        assert files(disk, ".partial") == []
        assert len(files(disk)) == len(found)
        await saved(log.snapshots, "one", content=b"anew")
        await log.close()


@pytest.mark.parametrize("seed", range(12))
def test_after_a_crash_at_any_step_what_was_complete_is_whole_and_nothing_half_done_is_left(seed: int) -> None:
    start = VirtualDisk()
    run_virtual(lambda: formatted(start))
    rng = random.Random(seed)
    for steps in range(500):
        disk, history = start.copy(), History()
        disk.cut_power_after(steps)
        with contextlib.suppress(OSError, StorageError):
            run_virtual(lambda disk=disk, history=history: history.run(disk))  # type: ignore[misc]
        disk.crash(rng if seed else None)
        run_virtual(lambda disk=disk, history=history: history.check(disk))  # type: ignore[misc]
        if history.forgotten:
            return
    raise AssertionError("the history never ended")


async def formatted(disk: VirtualDisk) -> None:
    await (await opened(VirtualHost("n", disk=disk))).close()


@pytest.mark.virtual
async def test_a_power_cut_between_forgetting_the_records_and_the_snapshots_leaves_none_to_a_later_group(
    virtual_host: VirtualHost,
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    log.write(Write("other", b"r"), lambda: None)
    await saved(log.snapshots, "one")
    await saved(log.snapshots, "two", group="other")
    index = log._group_commit.groups["g"]
    log._group_commit.batch.add_forget(index, lambda: log._forgotten("g"))
    await log.state("other")
    disk.crash()
    assert disk.exists(path_of("one"))

    log = await SegmentedLog.open(virtual_host, "/data", cluster="c", node="n")
    log.write(Write("g", b"of a later group"), lambda: None)
    await log.state("g")
    disk.crash()

    log = await SegmentedLog.open(virtual_host, "/data", cluster="c", node="n")
    assert (log.snapshots.names("g"), await whole(log.snapshots, "two", "other")) == ((), CONTENT["two"])
    assert not disk.exists(path_of("one"))


@pytest.mark.virtual
async def test_a_store_that_went_back_removes_no_snapshot_of_a_group_that_its_log_may_have_lost(
    virtual_host: VirtualHost,
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, config=StorageConfig(segment_bytes=4096))
    log.write(Write("g", first=1, records=[Record(1, bytes(5000))]), lambda: None)
    await log.state("g")
    log.write(Write("late", b"r"), lambda: None)  # in the second segment
    await log.state("late")
    await saved(log.snapshots, "one", group="late")
    await log.close()
    disk.remove("/data/segment-0000000002.log")
    log = await SegmentedLog.open(virtual_host, "/data", cluster="c", node="n")
    assert log.lost_promises is not None
    assert log.groups() == ("g",)
    assert log.snapshots.names("late") == ()
    assert disk.exists(path_of("one", "late"))


@pytest.mark.virtual
async def test_closing_removes_the_partial_files_and_all_descriptors(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    for _ in range(5):
        await (await log.snapshots.create("g")).append(b"x")
    await saved(log.snapshots, "one")
    assert len(files(virtual_host.disk, ".partial")) == 5
    await log.close()
    assert files(virtual_host.disk) == [path_of("one").rpartition("/")[2]]
    assert virtual_host.disk.open_count == 0


# --- a disk that is full, or fails


async def log_goes_on(log: SegmentedLog) -> None:
    done: list[int] = []
    position = (await log.state("g")).last + 1
    log.write(Write("g", first=position, records=[Record(1, b"x")]), lambda: done.append(1))
    await log.state("g")
    assert (done, log.failure) == ([1], None)


@pytest.mark.virtual
async def test_a_disk_that_a_snapshot_fills_gets_its_space_back_and_the_log_goes_on(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, config=StorageConfig(extend_bytes=0))
    disk.capacity_bytes = disk.used_bytes + 5000
    writer = await log.snapshots.create("g")
    await writer.append(bytes(4000))
    with pytest.raises(StorageFailed, match="nearly full") as caught:
        await writer.append(bytes(4000))
    assert isinstance(caught.value, SnapshotNotWritten)
    assert "has stopped" not in str(caught.value)
    assert files(disk) == []
    await log_goes_on(log)
    with pytest.raises(StorageFailed, match="given up"):
        await writer.append(b"x")
    with pytest.raises(StorageFailed, match="given up"):
        await writer.finish("x")
    await writer.abandon()
    await saved(log.snapshots, "one")


@pytest.mark.virtual
async def test_a_snapshot_whose_sync_fails_is_never_renamed_and_never_synced_again(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    writer = await log.snapshots.create("g")
    await writer.append(b"x")
    disk.fail_next_sync()
    with pytest.raises(StorageFailed, match="failure of a sync"):
        await writer.finish("one")
    with pytest.raises(StorageFailed):
        await writer.finish("one")
    assert (files(disk), log.snapshots.names("g")) == ([], ())
    await log_goes_on(log)


@pytest.mark.virtual
async def test_a_long_snapshot_is_synced_as_it_grows_and_a_failure_of_that_ends_it(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    writer = await log.snapshots.create("g")
    await writer.append(bytes(SYNC_BYTES - 1))
    disk.fail_next_sync()
    with pytest.raises(StorageFailed, match="failure of a sync"):
        await writer.append(b"x")
    assert files(disk) == []
    await log_goes_on(log)


class DirectorySyncs:
    """Makes the next sync of a directory fail."""

    def __init__(self, disk: VirtualDisk, monkeypatch: pytest.MonkeyPatch, *codes: int) -> None:
        self.codes = list(codes)
        self.sync = disk.sync_directory
        monkeypatch.setattr(disk, "sync_directory", self.fail)

    def fail(self, path: str) -> None:
        if self.codes:
            raise OSError(self.codes.pop(0), "planned")
        self.sync(path)


@pytest.mark.virtual
@pytest.mark.parametrize("code", [errno.EIO, errno.EMFILE])
async def test_a_name_that_was_not_made_durable_is_no_snapshot_and_the_one_it_replaced_keeps_its_name(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    await saved(log.snapshots, "one", content=b"first")
    for name, expected in (("two", ("one",)), ("one", ("one",))):
        DirectorySyncs(disk, monkeypatch, code, code)
        with pytest.raises(StorageFailed, match="planned"):
            await saved(log.snapshots, name, content=b"second")
        monkeypatch.undo()
        assert log.snapshots.names("g") == expected
    assert not disk.exists(path_of("two"))
    assert await whole(log.snapshots, "one") in {b"first", b"second"}
    await log_goes_on(log)
    disk.crash()
    log = await opened(virtual_host)
    assert await whole(log.snapshots, "one") in {b"first", b"second"}


@pytest.mark.virtual
async def test_a_snapshot_that_cannot_be_removed_is_reported_and_stays(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    for name in CONTENT:
        await saved(log.snapshots, name)
    remove = disk.remove

    def refuse(path: str) -> None:
        if path == path_of("one"):
            raise OSError(errno.EIO, "planned")
        remove(path)

    monkeypatch.setattr(disk, "remove", refuse)
    await log.snapshots.keep("g", ["three"])
    assert caplog.text.count("store.snapshot_not_removed") == 1
    assert path_of("one") in caplog.text
    assert log.snapshots.names("g") == ("one", "three")
    assert await whole(log.snapshots, "one") == CONTENT["one"]
    await log_goes_on(log)
    monkeypatch.undo()
    await log.snapshots.keep("g", ["three"])
    assert log.snapshots.names("g") == ("three",)


@pytest.mark.virtual
async def test_a_snapshot_that_cannot_be_read_fails_that_call_only(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = await opened(virtual_host)
    await saved(log.snapshots, "one")
    real_open = virtual_host.disk.open

    def fail(path: str, *, create: bool = False) -> object:
        if path.endswith(".snapshot"):
            raise OSError(errno.EIO, "planned")
        return real_open(path, create=create)

    monkeypatch.setattr(virtual_host.disk, "open", fail)
    with pytest.raises(StorageFailed, match="planned"):
        await log.snapshots.read("g", "one", 0, 10)
    monkeypatch.undo()
    await log_goes_on(log)
    assert await whole(log.snapshots, "one") == CONTENT["one"]
    virtual_host.disk.remove(path_of("one"))  # from outside
    assert await log.snapshots.read("g", "one", 0, 10) is None


@pytest.mark.virtual
async def test_forgetting_a_group_whose_snapshots_cannot_be_removed_stops_the_store(
    virtual_host: VirtualHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    await saved(log.snapshots, "one")

    def refuse(path: str) -> None:
        raise OSError(errno.EIO, "planned", path)

    monkeypatch.setattr(disk, "remove", refuse)
    with pytest.raises(StorageFailed, match="planned"):
        await log.forget("g")
    assert log.failure is not None
    await log.close()
    monkeypatch.undo()
    log = await SegmentedLog.open(virtual_host, "/data", cluster="c", node="n")
    assert (log.groups(), files(disk)) == ((), [])


# --- no descriptor left


@pytest.mark.virtual
async def test_without_a_free_descriptor_a_snapshot_begins_not_and_takes_no_spare_from_the_log(
    virtual_host: VirtualHost,
) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host, config=StorageConfig(segment_bytes=4096))
    writer = await log.snapshots.create("g")
    await writer.append(b"begun before")
    disk.descriptor_limit = disk.open_count
    spares = log._spares.spares
    with pytest.raises(StorageFailed, match="too many open files"):
        await log.snapshots.create("g")
    await writer.finish("one")
    for _ in range(10):
        assert await log.snapshots.read("g", "one", 0, 99) == b"begun before"
    await log.snapshots.keep("g", ["one"])
    assert log._spares.spares == spares
    log.write(Write("g", first=1, records=[Record(1, bytes(5000))]), lambda: None)
    await log_goes_on(log)  # in a new segment
    assert disk.exists("/data/segment-0000000002.log")


@pytest.mark.virtual
async def test_reading_without_any_descriptor_fails_and_reading_again_later_does_not(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    await saved(log.snapshots, "one")
    disk.descriptor_limit = 0
    with pytest.raises(StorageFailed, match="too many open files"):
        await log.snapshots.read("g", "one", 0, 99)
    disk.descriptor_limit = None
    assert await whole(log.snapshots, "one") == CONTENT["one"]
    assert log._spares.spares == 2
    await log_goes_on(log)


@pytest.mark.virtual
async def test_forgetting_waits_for_a_descriptor(virtual_host: VirtualHost) -> None:
    disk = virtual_host.disk
    log = await opened(virtual_host)
    await saved(log.snapshots, "one")
    disk.descriptor_limit = 0
    forgetting = asyncio.ensure_future(log.forget("g"))
    await asyncio.sleep(5)
    assert not forgetting.done()
    disk.descriptor_limit = None
    await forgetting
    assert (files(disk), log.failure) == ([], None)


# --- what callers do


@pytest.mark.virtual
async def test_a_call_that_is_cancelled_is_carried_out_and_seen(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    writer = await log.snapshots.create("g")
    await writer.append(b"x")
    for call in (writer.append(b"y"), writer.finish("one")):
        task = asyncio.ensure_future(call)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await log.state("g")
    await log.snapshots.keep("g", ["one"])
    assert (log.snapshots.names("g"), await whole(log.snapshots, "one")) == (("one",), b"xy")


@pytest.mark.virtual
async def test_a_writer_that_is_finished_twice_at_once_fails_the_second_time(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    writer = await log.snapshots.create("g")
    results = await asyncio.gather(writer.finish("one"), writer.finish("two"), return_exceptions=True)
    assert results[0] is None
    assert isinstance(results[1], SnapshotNotWritten)
    assert log.snapshots.names("g") == ("one",)


@pytest.mark.virtual
async def test_snapshots_without_segments_and_meta_file_are_no_empty_directory(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    await saved(log.snapshots, "one")
    await log.close()
    for name in ("meta", "segment-0000000001.log"):
        virtual_host.disk.remove(f"/data/{name}")
    with pytest.raises(MetaFileMissing):
        await format_store(virtual_host, "/data", cluster="c", node="n")


@pytest.mark.virtual
async def test_undoing_a_format_removes_snapshots_too(virtual_host: VirtualHost) -> None:
    log = await opened(virtual_host)
    await saved(log.snapshots, "one")
    store_id = log.store_id
    await log.close()
    virtual_host.disk.replace("/data/snapshot-0123456789abcdef-7.partial", b"left by a crash")
    await undo_format(virtual_host, "/data", store_id)
    assert files(virtual_host.disk) == []
    await format_store(virtual_host, "/data", cluster="c", node="n")


async def test_snapshots_survive_a_restart_on_a_real_disk(tmp_path: object) -> None:
    host = RealHost()
    path = f"{tmp_path}/data"
    try:
        log = await opened(host, path)
        for name in CONTENT:
            await saved(log.snapshots, name)
        await log.snapshots.keep("g", ["one", "three"])
        await (await log.snapshots.create("g")).append(b"x")
        await log.close()
        log = await opened(host, path)
        assert log.snapshots.names("g") == ("one", "three")
        assert await whole(log.snapshots, "one") == CONTENT["one"]
        await log.forget("g")
        await log.close()
        assert [name for name in host.disk.names(path) if name.startswith("snapshot")] == []
    finally:
        await asyncio.get_running_loop().run_in_executor(None, partial(host.close))
