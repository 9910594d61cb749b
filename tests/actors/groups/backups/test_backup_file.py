"""A backup is written whole or not at all, and every damaged byte of it is found."""

from __future__ import annotations

import contextlib
import random
from typing import Any

import pytest

from coterie.actors.groups.backups.backup_errors import BackupDamaged, BackupFailed
from coterie.actors.groups.backups.backup_file import BackupWriter, examine_backup
from coterie.errors import UnsupportedFormat
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from tests.actors.groups.backups.saved_backup import FACTS, GROUP, header_of, snapshot_bytes, write_backup

PATH = "/backups/totals"


@pytest.fixture
def disk() -> VirtualDisk:
    return VirtualDisk()


def test_what_a_backup_is_of_is_read_back(disk: VirtualDisk) -> None:
    data = write_backup(disk)

    content = examine_backup(disk, PATH)

    assert content.header == header_of(snapshot_bytes())
    assert (content.manifest.group, content.manifest.facts) == (GROUP, FACTS)
    assert content.size_bytes == len(data)
    assert content.digest == data[-32:]
    assert content.machine_bytes == len(b"word 0") * 6
    assert content.sessions_bytes > 0


def test_every_bit_that_changes_is_found(disk: VirtualDisk) -> None:
    data = write_backup(disk)
    for at in range(len(data)):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        disk.replace(PATH, bytes(damaged))
        with pytest.raises((BackupDamaged, UnsupportedFormat)) as found:
            examine_backup(disk, PATH)
        if isinstance(found.value, BackupDamaged):
            assert 0 <= found.value.offset <= at


def test_the_place_of_damage_is_that_of_the_frame(disk: VirtualDisk) -> None:
    data = write_backup(disk)
    at = data.index(b"word 3")
    disk.replace(PATH, data.replace(b"word 3", b"word 9"))

    with pytest.raises(BackupDamaged, match="checksum of frame") as found:
        examine_backup(disk, PATH)

    assert found.value.offset == at - 9  # the head of its frame


def test_every_length_but_the_whole_one_is_refused(disk: VirtualDisk) -> None:
    data = write_backup(disk)
    for size in range(len(data)):
        disk.replace(PATH, data[:size])
        with pytest.raises(BackupDamaged) as found:
            examine_backup(disk, PATH)
        assert found.value.offset <= size
    disk.replace(PATH, data + b"x")
    with pytest.raises(BackupDamaged, match="bytes follow its end"):
        examine_backup(disk, PATH)


def test_another_format_is_refused_as_such(disk: VirtualDisk) -> None:
    data = write_backup(disk)
    disk.replace(PATH, data[:14] + b"\x02" + data[15:])

    with pytest.raises(UnsupportedFormat, match="has backup format 2, this release reads 1"):
        examine_backup(disk, PATH)


@pytest.mark.parametrize("changes", [{"group": "others"}, {"incarnation": b"j" * 16}])
def test_a_header_that_contradicts_its_snapshot_is_refused(disk: VirtualDisk, changes: dict[str, Any]) -> None:
    write_backup(disk, **changes)

    with pytest.raises(BackupDamaged, match="its header says"):
        examine_backup(disk, PATH)


def test_two_processes_do_not_write_the_same_backup(disk: VirtualDisk) -> None:
    disk.make_directories("/backups")
    first = BackupWriter(disk, PATH, overwrite=False)

    with pytest.raises(BackupFailed, match="another process is writing this backup"):
        BackupWriter(disk, PATH, overwrite=False)

    first.abandon()
    assert disk.names("/backups") == []


def test_a_file_that_came_meanwhile_is_not_replaced(disk: VirtualDisk) -> None:
    disk.make_directories("/backups")
    writer = BackupWriter(disk, PATH, overwrite=False)
    writer.begin(header_of(snapshot_bytes()))
    writer.append(snapshot_bytes())
    disk.replace(PATH, b"of another process")

    with pytest.raises(BackupFailed, match="exists"):
        writer.finish()

    writer.abandon()
    assert disk.contents(PATH) == b"of another process"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("has_old", [False, True])
def test_after_a_crash_at_any_step_the_file_is_whole_old_or_missing(seed: int, has_old: bool) -> None:
    rng = random.Random(seed)
    for steps in range(200):
        disk = VirtualDisk()
        disk.make_directories("/backups")
        old = write_backup(disk, created_at_s=0.5) if has_old else None
        disk.cut_power_after(steps)
        is_done, new = False, b""
        with contextlib.suppress(OSError):
            new = write_backup(disk)
            is_done = True
        disk.crash(rng if seed else None)
        if disk.exists(PATH):
            examine_backup(disk, PATH)
            assert disk.contents(PATH) in ([new] if is_done else [old, write_backup(VirtualDisk())])
        else:
            assert not has_old
            assert not is_done
        write_backup(disk)  # what the crash left is in nobody's way
        assert disk.names("/backups") == ["totals"]
        if is_done:
            return
    raise AssertionError("it never ended")
