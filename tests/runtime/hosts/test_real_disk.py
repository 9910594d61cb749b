from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from coterie.errors import DataDirectoryInUse
from coterie.runtime.hosts.host import Disk, File
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import GroupState, Record, Write
from coterie.runtime.storage.segmented_log import SegmentedLog


@pytest.fixture
def disk() -> Disk:
    return RealDisk()


def test_bytes_are_read_as_written_and_only_to_the_end(disk: Disk, tmp_path: Path) -> None:
    file: File = disk.open(str(tmp_path / "f"), create=True)
    file.write_at(0, b"hello world")
    file.write_at(6, b"there")
    file.sync()
    assert (file.read_at(0, 100), file.read_at(6, 2), file.read_at(50, 5)) == (b"hello there", b"th", b"")
    assert file.size() == 11
    file.truncate(5)
    assert file.read_at(0, 100) == b"hello"
    file.truncate(7)
    assert file.read_at(0, 100) == b"hello\0\0"
    file.close()
    file.close()
    with pytest.raises(OSError, match="descriptor"):
        file.size()


def test_short_writes_and_reads_are_continued(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pread, pwrite = os.pread, os.pwrite
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: pread(fd, min(size, 3), offset))
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: pwrite(fd, data[:2], offset))
    file = disk.open(str(tmp_path / "f"), create=True)
    file.write_at(1, b"0123456789")
    assert file.read_at(0, 8) == b"\x000123456"
    assert file.read_at(0, 100) == b"\x000123456789"
    file.close()


def test_create_refuses_what_is_there_and_open_what_is_not(disk: Disk, tmp_path: Path) -> None:
    path = str(tmp_path / "f")
    with pytest.raises(FileNotFoundError):
        disk.open(path)
    disk.open(path, create=True).close()
    with pytest.raises(FileExistsError):
        disk.open(path, create=True)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_what_is_denied_names_the_file_the_purpose_and_the_user(
    disk: Disk, tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "f")

    def deny(*_: object) -> None:
        raise OSError(number, os.strerror(number), path)

    for name in ("open", "listdir", "mkdir", "replace", "remove"):
        monkeypatch.setattr(os, name, deny)
    calls: dict[str, Callable[[], object]] = {
        "opened for reading and writing": lambda: disk.open(path),
        "created": lambda: disk.open(path, create=True),
        "listed": lambda: disk.names(path),
        "renamed to 'g'": lambda: disk.rename(path, "g"),
        "removed": lambda: disk.remove(path),
        "opened for reading": lambda: disk.sync_directory(path),
    }
    for purpose, call in calls.items():
        with pytest.raises(PermissionError) as denied:
            call()
        start = f"{path!r} cannot be {purpose} by this process, which runs as uid {os.geteuid()} ("
        assert str(denied.value).startswith(f"{start}{errno.errorcode[number]}: {os.strerror(number)})")
        assert (denied.value.errno, denied.value.filename) == (number, path)
    for call in (lambda: disk.lock(path), lambda: disk.make_directories(path)):
        with pytest.raises(PermissionError, match="by this process"):
            call()


def test_names_directories_renames_and_removals(disk: Disk, tmp_path: Path) -> None:
    directory = str(tmp_path / "a" / "b")
    disk.make_directories(directory)
    disk.make_directories(directory)
    for name in ("z", "y"):
        disk.open(f"{directory}/{name}", create=True).close()
    disk.sync_directory(directory)
    assert disk.names(directory) == ["y", "z"]
    disk.rename(f"{directory}/z", f"{directory}/y")
    assert (disk.names(directory), disk.exists(f"{directory}/z"), disk.exists(directory)) == (["y"], False, True)
    disk.remove(f"{directory}/y")
    assert disk.names(directory) == []
    with pytest.raises(FileNotFoundError):
        disk.names(f"{directory}/none")


def test_a_file_in_the_way_of_a_directory_is_an_error(disk: Disk, tmp_path: Path) -> None:
    disk.open(str(tmp_path / "f"), create=True).close()
    with pytest.raises(OSError, match="f"):
        disk.make_directories(str(tmp_path / "f" / "g"))


def test_lock_excludes_every_other_opener_until_it_is_released(disk: Disk, tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    unlock = disk.lock(path)
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            RealDisk().lock(path)
    unlock()
    unlock()
    disk.lock(path)()


async def test_segmented_log_lives_on_a_real_disk(tmp_path: Path) -> None:
    host, path = RealHost(), str(tmp_path / "data")
    store_id = await format_store(host, path, cluster="c", node="n")
    log = await SegmentedLog.open(host, path, cluster="c", node="n")
    order: list[int] = []
    for position in range(1, 101):
        record = Record(position, b"%d" % position)
        log.write(Write("g", b"r", None, position, [record]), lambda at=position: order.append(at))
    await log.close()
    assert order == list(range(1, 101))
    log = await SegmentedLog.open(host, path, cluster="c", node="n")
    state = await log.state("g")
    assert (log.store_id, state) == (store_id, GroupState(b"r", 1, 100, tuple((at, at) for at in range(1, 101))))
    assert await log.read("g", 99, 200, 100) == [Record(99, b"99"), Record(100, b"100")]
    await log.close()
    host.executor.close()


async def test_a_lock_file_that_was_removed_lets_no_second_process_in(tmp_path: Path) -> None:
    host, path = RealHost(), str(tmp_path / "data")
    await format_store(host, path, cluster="c", node="n")
    log = await SegmentedLog.open(host, path, cluster="c", node="n")
    (tmp_path / "data" / "lock").unlink()

    with pytest.raises(DataDirectoryInUse):
        await SegmentedLog.open(RealHost(), path, cluster="c", node="n")

    await log.close()
    await (await SegmentedLog.open(RealHost(), path, cluster="c", node="n")).close()


def test_a_file_without_a_name_is_known_as_removed(disk: Disk, tmp_path: Path) -> None:
    with contextlib.closing(disk.open(str(tmp_path / "f"), create=True)) as file:
        assert not file.is_removed()
        disk.rename(str(tmp_path / "f"), str(tmp_path / "g"))
        assert not file.is_removed()
        disk.remove(str(tmp_path / "g"))
        assert file.is_removed()


async def test_what_is_stored_is_for_its_owner_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = os.umask(0)
    try:
        host, data = RealHost(), tmp_path / "deep" / "data"
        await format_store(host, str(data), cluster="c", node="n")
        await (await SegmentedLog.open(host, str(data), cluster="c", node="n")).close()
    finally:
        os.umask(before)

    assert {stat.S_IMODE(path.stat().st_mode) for path in (data.parent, data)} == {0o700}
    assert {stat.S_IMODE(path.stat().st_mode) for path in data.iterdir()} == {0o600}
    assert "store.readable_by_others" not in caplog.text
    data.chmod(0o750)
    await (await SegmentedLog.open(host, str(data), cluster="c", node="n")).close()
    assert caplog.text.count("store.readable_by_others") == 1


def test_a_lock_follows_no_link(disk: Disk, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"")
    (tmp_path / "lock").symlink_to(tmp_path / "theirs")

    with pytest.raises(OSError, match="symbolic links"):
        disk.lock(str(tmp_path / "lock"))


def test_free_and_total_space_are_those_of_the_file_system(tmp_path: Path) -> None:
    disk = RealDisk()
    found = shutil.disk_usage(tmp_path)
    assert disk.total_bytes(str(tmp_path)) == found.total
    assert 0 < disk.free_bytes(str(tmp_path)) <= found.total
    with pytest.raises(FileNotFoundError):
        disk.free_bytes(str(tmp_path / "missing"))


def test_a_disk_for_reading_only_reads_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345")
    (tmp_path / "f").chmod(0o400)
    disk, path = RealDisk(is_read_only=True), str(tmp_path / "f")
    with contextlib.closing(disk.open(path)) as file:
        assert file.read_at(1, 3) == b"234"
        with pytest.raises(OSError, match="Bad file descriptor"):
            file.write_at(0, b"x")
        with pytest.raises(OSError, match=r"Invalid argument|Bad file descriptor"):
            file.truncate(0)
    new = str(tmp_path / "new")
    for use in (
        lambda: disk.open(new, create=True),
        lambda: disk.rename(path, new),
        lambda: disk.remove(path),
        lambda: disk.lock(new),
        lambda: disk.make_directories(new),
    ):
        with pytest.raises(OSError, match="for reading only"):
            use()
    assert os.listdir(tmp_path) == ["f"]
    assert (tmp_path / "f").read_bytes() == b"12345"
