"""`StorageChecker` watches `SegmentedLog` through power cuts: silent, until bytes are lost."""

from __future__ import annotations

import contextlib
import random

import pytest

from coterie.errors import StorageError
from coterie.protocols.checking.storage_checker import Contents, StorageChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.data_directory import format_store
from coterie.runtime.storage.log_store import Record, Write
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

GROUPS = ("a", "b")
SMALL = StorageConfig(segment_bytes=4096, batch_bytes=1024, max_write_bytes=8192)


class Life:
    """One process life on a disk that outlives it."""

    def __init__(self, disk: VirtualDisk, checker: StorageChecker, rng: random.Random) -> None:
        self.disk, self.checker, self.rng = disk, checker, rng
        self.found: dict[str, Contents] = {}

    async def live(self) -> None:
        """Recover, report to the checker, write until the power is cut."""
        log = await SegmentedLog.open(VirtualHost("n1", disk=self.disk), "/data", cluster="c", node="n1", config=SMALL)
        for group in GROUPS:
            state = await log.state(group)
            records = await log.read(group, state.first, state.last, 1 << 30)
            self.found[group] = Contents(state.metadata, tuple(records), state.first)
        self.checker.recovered(self.found)
        self.disk.cut_power_after(self.rng.randint(1, 25))
        with contextlib.suppress(OSError, StorageError):
            for _ in range(40):
                self.write(log)
                if self.rng.random() < 0.3:
                    await log.state("a")
        with contextlib.suppress(OSError, StorageError):
            await log.close()

    def write(self, log: SegmentedLog) -> None:
        rng, group = self.rng, self.rng.choice(GROUPS)
        held = self.found[group]
        end = held.first + len(held.records)
        if rng.random() < 0.1:
            position = rng.randint(held.first, end)
            self.found[group] = Contents(held.metadata, held.records[position - held.first :], position)
            log.drop_before(group, position, self.checker.acknowledged)
            self.checker.dropping(group, position)
            return
        cut = rng.randint(held.first, end) if rng.random() < 0.2 else None
        kept = held.records if cut is None else held.records[: cut - held.first]
        new = [Record(1, rng.randbytes(rng.choice((1, 50, 300)))) for _ in range(rng.randint(1, 3))]
        write = Write(group, rng.choice((None, rng.randbytes(4))), cut, held.first + len(kept), new)
        log.write(write, self.checker.acknowledged)
        self.checker.submitted(write)
        self.found[group] = Contents(write.metadata or held.metadata, (*kept, *new), held.first)


def a_formatted_disk() -> VirtualDisk:
    disk = VirtualDisk()

    async def main() -> None:
        await format_store(VirtualHost("n1", disk=disk), "/data", cluster="c", node="n1")

    run_virtual(main)
    return disk


@pytest.mark.parametrize("seed", range(25))
def test_segmented_log_keeps_its_word_through_power_cuts(seed: int) -> None:
    rng = random.Random(seed)
    disk, checker = a_formatted_disk(), StorageChecker("n1", ViolationContext())

    for _ in range(6):
        run_virtual(Life(disk, checker, rng).live)
        disk.crash(rng)


def test_disk_that_confirms_what_it_loses_is_found() -> None:
    rng = random.Random(1)
    disk, checker = a_formatted_disk(), StorageChecker("n1", ViolationContext())
    before = disk.copy()
    run_virtual(Life(disk, checker, rng).live)
    disk.crash(rng)
    before.crash()

    with pytest.raises(Violation, match=r"^storage\.acknowledged_lost"):
        run_virtual(Life(before, checker, rng).live)
