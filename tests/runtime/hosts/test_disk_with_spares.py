from __future__ import annotations

import errno

import pytest

from coterie.runtime.hosts.disk_with_spares import SPARES, DiskWithSpares, is_out_of_descriptors
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk


def made() -> tuple[VirtualDisk, DiskWithSpares]:
    disk = VirtualDisk()
    disk.make_directories("/d")
    disk.replace("/d/meta", b"m")
    return disk, DiskWithSpares(disk, "/d/meta")


def test_a_file_is_opened_and_its_directory_synced_although_nothing_else_is_left() -> None:
    disk, spared = made()
    disk.descriptor_limit = disk.open_count
    spared.open("/d/new", create=True)
    spared.sync_directory("/d")
    assert disk.open_count == disk.descriptor_limit
    assert spared.spares == SPARES - 1


def test_spares_come_back_once_there_is_room() -> None:
    disk, spared = made()
    disk.descriptor_limit = disk.open_count
    file = spared.open("/d/new", create=True)
    file.close()
    spared.refill()
    assert spared.spares == SPARES
    spared.close()
    assert disk.open_count == 0


def test_without_spares_the_error_is_passed_on_and_nothing_is_changed() -> None:
    disk, spared = made()
    spared.close()
    disk.descriptor_limit = 0
    with pytest.raises(OSError, match="too many open files") as caught:
        spared.open("/d/new", create=True)
    assert is_out_of_descriptors(caught.value)
    assert not disk.exists("/d/new")


def test_other_errors_use_no_spare() -> None:
    disk, spared = made()
    disk.descriptor_limit = disk.open_count + 1
    with pytest.raises(FileNotFoundError):
        spared.open("/d/missing")
    assert spared.spares == SPARES
    assert not is_out_of_descriptors(OSError(errno.EIO, "x"))
    assert not is_out_of_descriptors(None)
