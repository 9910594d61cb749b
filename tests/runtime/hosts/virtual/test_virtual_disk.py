from __future__ import annotations

import errno
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from coterie.runtime.hosts.host import Disk
from coterie.runtime.hosts.real_disk import RealDisk
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk


@pytest.fixture
def disk() -> VirtualDisk:
    disk = VirtualDisk()
    disk.make_directories("/d")
    return disk


def test_unsynced_bytes_are_seen_and_lost_by_a_crash(disk: VirtualDisk) -> None:
    disk.replace("/d/f", b"old bytes")
    file = disk.open("/d/f")
    file.write_at(0, b"NEW")
    file.write_at(20, b"far")
    assert file.read_at(0, 100) == b"NEW bytes" + bytes(11) + b"far"
    disk.crash()
    assert disk.contents("/d/f") == b"old bytes"


def test_synced_bytes_survive_a_crash_truncations_included(disk: VirtualDisk) -> None:
    disk.replace("/d/f", b"old bytes")
    file = disk.open("/d/f")
    file.truncate(3)
    file.write_at(3, b"!")
    file.sync()
    file.truncate(0)
    disk.crash()
    assert disk.contents("/d/f") == b"old!"


def test_names_are_durable_only_after_the_directory_is_synced(disk: VirtualDisk) -> None:
    disk.replace("/d/old", b"")
    file = disk.open("/d/new", create=True)
    file.write_at(0, b"x")
    file.sync()
    disk.rename("/d/new", "/d/newer")
    disk.remove("/d/old")
    assert disk.names("/d") == ["newer"]
    twin = disk.copy()
    disk.crash()
    assert disk.names("/d") == ["old"]
    assert twin.names("/d") == ["newer"]


def test_synced_names_survive_but_not_the_bytes_behind_them(disk: VirtualDisk) -> None:
    disk.open("/d/f", create=True).write_at(0, b"x")
    disk.sync_directory("/d")
    disk.crash()
    assert disk.contents("/d/f") == b""


def test_crash_with_a_generator_keeps_every_kind_of_part(disk: VirtualDisk) -> None:
    outcomes = set()
    for seed in range(300):
        trial = VirtualDisk()
        trial.make_directories("/d")
        trial.replace("/d/f", bytes(1024))
        file = trial.open("/d/f")
        file.write_at(0, b"a" * 512)
        file.write_at(512, b"b" * 512)
        trial.crash(random.Random(seed))
        outcomes.add(trial.contents("/d/f"))
    nothing, first, second = bytes(1024), b"a" * 512 + bytes(512), bytes(512) + b"b" * 512
    assert {nothing, first, second, b"a" * 512 + b"b" * 512} <= outcomes
    assert any(0 < outcome.count(b"a") < 512 for outcome in outcomes)  # torn within the sector


def test_crash_with_the_same_seed_gives_the_same_disk() -> None:
    def crashed(seed: int) -> list[bytes]:
        disk = VirtualDisk()
        disk.make_directories("/d")
        for name in ("a", "b", "c"):
            disk.open(f"/d/{name}", create=True).write_at(0, name.encode() * 2000)
        disk.sync_directory("/d")
        disk.crash(random.Random(seed))
        return [disk.contents(f"/d/{name}") for name in disk.names("/d")]

    assert crashed(5) == crashed(5)
    assert len({tuple(crashed(seed)) for seed in range(20)}) > 10


def test_files_and_locks_of_before_the_crash_are_dead(disk: VirtualDisk) -> None:
    file = disk.open("/d/f", create=True)
    unlock = disk.lock("/d/lock")
    with pytest.raises(BlockingIOError):
        disk.lock("/d/lock")
    disk.crash()
    for use in (lambda: file.read_at(0, 1), lambda: file.write_at(0, b"x"), file.sync, file.size):
        with pytest.raises(OSError, match="crashed"):
            use()
    again = disk.lock("/d/lock")
    unlock()  # of the dead: it must not release the new one
    with pytest.raises(BlockingIOError):
        disk.lock("/d/lock")
    again()


def test_failed_sync_loses_the_data_even_if_the_next_one_succeeds(disk: VirtualDisk) -> None:
    disk.replace("/d/f", b"")
    file = disk.open("/d/f")
    file.write_at(0, b"lost")
    disk.fail_next_sync()
    with pytest.raises(OSError, match="planned failure"):
        file.sync()
    file.write_at(4, b"kept")
    file.sync()
    assert file.read_at(0, 8) == b"lostkept"
    disk.crash()
    assert disk.contents("/d/f") == b"\0\0\0\0kept"


def test_failed_write_leaves_half_of_it(disk: VirtualDisk) -> None:
    file = disk.open("/d/f", create=True)
    disk.fail_next_write(OSError(28, "full"))
    with pytest.raises(OSError, match="full"):
        file.write_at(0, b"1234")
    assert file.read_at(0, 9) == b"12"
    file.write_at(0, b"abcd")
    assert file.read_at(0, 9) == b"abcd"


def test_power_cut_stops_every_change_until_the_crash(disk: VirtualDisk) -> None:
    file = disk.open("/d/f", create=True)
    disk.cut_power_after(1)
    file.write_at(0, b"x")
    changes: list[Callable[[], None]] = [
        lambda: file.write_at(1, b"y"),
        file.sync,
        lambda: disk.remove("/d/f"),
        lambda: file.truncate(0),
    ]
    for change in changes:
        with pytest.raises(OSError, match="power"):
            change()
    disk.crash()
    disk.open("/d/g", create=True)


def test_flip_changes_a_byte_for_good(disk: VirtualDisk) -> None:
    disk.replace("/d/f", b"abc")
    disk.flip("/d/f", 1, 0x20)
    disk.crash()
    assert disk.contents("/d/f") == b"aBc"
    with pytest.raises(IndexError):
        disk.flip("/d/f", 3)


@pytest.mark.parametrize("seed", range(10))
def test_virtual_and_real_disk_answer_alike(seed: int, tmp_path: Path) -> None:
    """The same random calls to both; a call that fails must fail with the same error."""
    rng = random.Random(seed)
    pair: list[Disk] = [VirtualDisk(), RealDisk()]
    root = str(tmp_path / "deep" / "data")
    for each in pair:
        each.make_directories(root)
    for _ in range(200):
        act, name, other = rng.choice(ACTS), rng.choice("abc"), rng.choice("abc")
        offset, data = rng.randrange(40), rng.randbytes(rng.randrange(30))
        answers = [perform(each, act, f"{root}/{name}", f"{root}/{other}", offset, data) for each in pair]
        assert answers[0] == answers[1], act


ACTS = ("create", "write", "write", "write", "read", "read", "truncate", "rename", "remove", "exists", "names", "sync")


def perform(disk: Disk, act: str, path: str, other: str, offset: int, data: bytes) -> object:
    try:
        match act:
            case "exists":
                return disk.exists(path)
            case "names":
                return disk.names(path.rsplit("/", 1)[0])
            case "rename":
                disk.rename(path, other)
                return None
            case "remove":
                disk.remove(path)
                return None
            case "sync":
                disk.sync_directory(path.rsplit("/", 1)[0])
                return None
        file = disk.open(path, create=act == "create")
        match act:
            case "write":
                file.write_at(offset, data)
            case "truncate":
                file.truncate(offset)
        answer = (file.size(), file.read_at(offset, 10))
        file.close()
    except OSError as error:
        return type(error)
    return answer


# --- a full disk, old images, random corruption


def test_a_full_disk_takes_what_fits_and_says_so() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    file = disk.open("d/f", create=True)
    file.write_at(0, b"12345678")
    disk.capacity_bytes = disk.used_bytes + 3
    with pytest.raises(OSError, match="no space") as caught:
        file.write_at(8, b"abcdef")
    assert caught.value.errno == errno.ENOSPC
    assert disk.contents("d/f") == b"12345678abc"
    with pytest.raises(OSError, match="no space"):
        file.truncate(100)
    file.write_at(0, b"8765")  # what takes no more room fits
    disk.capacity_bytes = None
    file.write_at(11, b"def")
    assert disk.contents("d/f") == b"87655678abcdef"


def test_what_is_removed_from_a_full_disk_makes_room() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    disk.replace("d/old", bytes(100))
    file = disk.open("d/f", create=True)
    disk.capacity_bytes = disk.used_bytes
    with pytest.raises(OSError, match="no space"):
        file.write_at(0, b"x")
    disk.remove("d/old")
    file.write_at(0, b"x")


def test_free_space_is_what_is_left_of_the_capacity() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    disk.replace("d/old", bytes(100))
    assert disk.free_bytes("d") == disk.total_bytes("d") >= 1 << 50
    disk.capacity_bytes = 130
    assert (disk.free_bytes("d"), disk.total_bytes("d")) == (30, 130)
    disk.capacity_bytes = 50
    assert disk.free_bytes("d") == 0


def test_a_durable_copy_has_what_a_crash_would_leave_at_least() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    file = disk.open("d/f", create=True)
    disk.sync_directory("d")
    file.write_at(0, b"synced")
    file.sync()
    file.write_at(0, b"UNSYNC")
    disk.open("d/unsynced name", create=True)
    image = disk.durable_copy()
    assert image.names("d") == ["f"]
    assert image.contents("d/f") == b"synced"


def test_a_disk_can_go_back_to_an_old_image_which_stays_as_it_was() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    disk.replace("d/f", b"old")
    image = disk.durable_copy()
    disk.replace("d/f", b"new")
    file = disk.open("d/f")
    disk.restore(image)
    assert disk.contents("d/f") == b"old"
    with pytest.raises(OSError, match="closed"):
        file.size()
    disk.open("d/f").write_at(0, b"OLD")
    assert image.contents("d/f") == b"old"
    disk.restore(VirtualDisk())
    assert not disk.exists("d")


def test_corruption_flips_one_durable_bit_of_a_file_that_the_filter_accepts() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    disk.replace("d/other", bytes(10))
    disk.replace("d/segment", bytes(10))
    found = disk.corrupt_random_bit(random.Random(1), path_filter=lambda path: "segment" in path)
    assert found is not None
    path, offset = found
    assert path == "d/segment"
    disk.crash()
    assert [number for number, byte in enumerate(disk.contents("d/segment")) if byte] == [offset]
    assert disk.contents("d/segment")[offset].bit_count() == 1
    assert disk.contents("d/other") == bytes(10)
    assert disk.corrupt_random_bit(random.Random(1), path_filter=lambda path: False) is None


def test_a_released_disk_keeps_what_was_written_and_frees_its_locks() -> None:
    disk = VirtualDisk()
    disk.make_directories("d")
    disk.lock("d/lock")
    file = disk.open("d/f", create=True)
    file.write_at(0, b"x")
    disk.release()
    assert disk.contents("d/f") == b"x"
    disk.lock("d/lock")
    with pytest.raises(OSError, match="closed"):
        file.sync()
