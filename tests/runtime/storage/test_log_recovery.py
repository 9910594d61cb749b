"""Crashes, torn tails and rot, against a plain-Python model."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import pytest

from coterie.errors import StorageDamaged, StorageError, StorageFailed
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.data_directory import format_store, read_meta
from coterie.runtime.storage.log_store import GroupState, Record, Write
from coterie.runtime.storage.segment_format import (
    BATCH_HEADER_BYTES,
    ITEM_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    decode_batch,
)
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.storage.storage_config import StorageConfig

SEGMENT = "/data/segment-0000000001.log"
BATCH_MAGIC = b"\xc0BAT"
SMALL = StorageConfig(segment_bytes=4096, batch_bytes=1024, max_write_bytes=8192)


async def open_log(disk: VirtualDisk, config: StorageConfig | None = None) -> SegmentedLog:
    host = VirtualHost("n1", disk=disk)
    if not disk.exists("/data/meta"):
        await format_store(host, "/data", cluster="c", node="n1")
    return await SegmentedLog.open(host, "/data", cluster="c", node="n1", config=config)


async def written(log: SegmentedLog, *writes: Write) -> None:
    """Write one batch and wait for it."""
    for write in writes:
        log.write(write, lambda: None)
    await log.state("any")


async def contents(log: SegmentedLog, group: str) -> tuple[GroupState, list[Record]]:
    state = await log.state(group)
    return state, await log.read(group, state.first, state.last, 1 << 30)


def append(first: int, *bodies: bytes, group: str = "g", tag: int = 1) -> Write:
    return Write(group, first=first, records=[Record(tag, body) for body in bodies])


def build(*batches: Write) -> tuple[VirtualDisk, list[int]]:
    """Return a disk whose log holds these batches, never closed; and the file's size before each and at the end."""
    disk, sizes = VirtualDisk(), []

    async def main() -> None:
        log = await open_log(disk, StorageConfig(mark_after_s=3600, extend_bytes=0))
        for batch in batches:
            sizes.append(len(disk.contents(SEGMENT)))
            await written(log, batch)
        sizes.append(len(disk.contents(SEGMENT)))

    run_virtual(main)
    disk.crash()
    return disk, sizes


async def checked(disk: VirtualDisk, check: Callable[[SegmentedLog], Awaitable[object]]) -> None:
    log = await open_log(disk)
    await check(log)
    await log.close()


def run_on(disk: VirtualDisk, check: Callable[[SegmentedLog], Awaitable[object]]) -> None:
    run_virtual(lambda: checked(disk, check))


BATCHES = (
    replace(append(1, b"one", b"", b"three"), metadata=b"r1"),
    replace(append(3, b"THREE", b"four", tag=2), truncate_from=3, metadata=b"r2"),
    append(5, b"five" * 30, tag=3),
)
BEFORE_LAST = (GroupState(b"r2", 1, 4, ((1, 1), (3, 2))), [Record(1, b"one"), Record(1, b""), Record(2, b"THREE")])


def test_last_batch_cut_at_every_byte_leaves_exactly_what_was_synced_before_and_a_log_that_goes_on() -> None:
    whole, sizes = build(*BATCHES)
    content = whole.contents(SEGMENT)

    async def check(log: SegmentedLog) -> None:
        state, records = await contents(log, "g")
        assert (state, records[:3]) == BEFORE_LAST
        await written(log, append(5, b"anew", tag=9))

    async def check_again(log: SegmentedLog) -> None:
        state, records = await contents(log, "g")
        assert (state.last, records[-1]) == (5, Record(9, b"anew"))

    async def main() -> None:
        for size in range(sizes[-2], sizes[-1]):
            disk = whole.copy()
            disk.replace(SEGMENT, content[:size])
            await checked(disk, check)
            disk.crash()
            await checked(disk, check_again)

    run_virtual(main)


def test_zeros_and_rubbish_after_the_last_batch_are_cut_durably() -> None:
    whole, _ = build(*BATCHES)
    content = whole.contents(SEGMENT)
    for tail in (bytes(1), bytes(5000), b"\xff" * 700, b"\xc0BAT" * 50, content[61:]):
        disk = whole.copy()
        disk.replace(SEGMENT, content + tail)

        async def check(log: SegmentedLog, tail: bytes = tail) -> None:
            assert log.cut_bytes == len(tail.rstrip(b"\0"))  # zeros are what the file was extended by
            assert (await log.state("g")).last == 5

        run_on(disk, check)
        disk.crash()
        assert disk.contents(SEGMENT).startswith(content + BATCH_MAGIC)  # of the new generation, and a sync marker


def test_every_flipped_byte_of_an_earlier_batch_stops_the_store_naming_file_and_offset() -> None:
    whole, sizes = build(*BATCHES)

    async def main() -> None:
        for offset in range(sizes[-2]):
            disk = whole.copy()
            disk.flip(SEGMENT, offset, 1 << offset % 8)
            before = disk.contents(SEGMENT)
            with pytest.raises(StorageDamaged, match=SEGMENT) as caught:
                await open_log(disk)
            assert caught.value.path == SEGMENT
            assert offset - 1024 < caught.value.offset <= offset
            assert disk.contents(SEGMENT) == before

    run_virtual(main)


def test_a_flipped_byte_of_the_last_batch_is_rot_once_it_was_marked() -> None:
    disk = VirtualDisk()

    async def main() -> None:
        log = await open_log(disk)
        await written(log, append(1, b"precious"))
        await asyncio.sleep(2)  # virtual: the sync marker is written after one idle second

    run_virtual(main)
    disk.crash()
    disk.flip(SEGMENT, disk.contents(SEGMENT).index(b"precious"))
    with pytest.raises(StorageDamaged):
        run_on(disk, lambda log: log.state("g"))


def build_segments() -> VirtualDisk:
    """Return a disk with several segments in which every record lives."""
    disk = VirtualDisk()

    async def main() -> None:
        log = await open_log(disk, SMALL)
        for position in range(1, 40):
            await written(log, append(position, bytes(300)))
        await log.close()

    run_virtual(main)
    assert disk.exists(THIRD)
    return disk


SECOND, THIRD = "/data/segment-0000000002.log", "/data/segment-0000000003.log"


def refused(disk: VirtualDisk, reason: str) -> None:
    run_virtual(lambda: is_refused(disk, reason))


async def is_refused(disk: VirtualDisk, reason: str) -> None:
    with pytest.raises(StorageDamaged, match=reason):
        await open_log(disk)


def test_missing_segment_is_damage() -> None:
    disk = build_segments()
    disk.remove(SECOND)
    refused(disk, f"{THIRD}.*the segment before it is missing")


def test_missing_oldest_segment_is_damage_while_its_records_live() -> None:
    disk = build_segments()
    disk.remove(SEGMENT)
    refused(disk, "record 1 of 'g' is in none of the segments")


def test_no_segment_at_all_is_damage() -> None:
    disk = build_segments()
    for name in disk.names("/data"):
        if name.startswith("segment"):
            disk.remove(f"/data/{name}")
    refused(disk, "all segments of the log are missing")


def test_sealed_segment_that_lost_its_last_batch_is_damage() -> None:
    disk = build_segments()
    last_batch_bytes = BATCH_HEADER_BYTES + ITEM_HEADER_BYTES + 300
    disk.replace(SECOND, disk.contents(SECOND)[:-last_batch_bytes])
    refused(disk, f"{SECOND}.*the file had")


def test_damage_to_a_checkpoint_is_no_torn_tail_once_something_follows_it() -> None:
    disk = build_segments()
    last = f"/data/{[name for name in disk.names('/data') if name.startswith('segment')][-1]}"
    content, salt = disk.contents(last), read_meta(disk, "/data").salt
    begin, *_ = decode_batch(content, SEGMENT_HEADER_BYTES, int(last[-8:-4]), salt)
    created_bytes = SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES + begin.tag

    async def main() -> None:
        for at in range(created_bytes):
            disk.replace(last, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            await is_refused(disk, last)

    run_virtual(main)


def test_a_segment_that_lost_its_checkpoint_and_all_behind_it_is_evidence_of_a_loss() -> None:
    whole = build_segments()
    last = f"/data/{[name for name in whole.names('/data') if name.startswith('segment')][-1]}"
    content = whole.contents(last)

    async def main() -> None:
        for at in (SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 1, SEGMENT_HEADER_BYTES + 60):
            for tail in (b"", bytes(len(content) - at)):
                disk = whole.copy()
                disk.replace(last, content[:at] + tail)
                log = await open_log(disk)
                assert "1 segment(s) that followed" in str(log.lost_promises)
                await log.close()
        whole.replace(last, content[: SEGMENT_HEADER_BYTES - 1])
        await is_refused(whole, last)

    run_virtual(main)


def test_swapped_segments_are_damage() -> None:
    disk = build_segments()
    second, third = disk.contents(SECOND), disk.contents(THIRD)
    disk.replace(SECOND, third)
    disk.replace(THIRD, second)
    refused(disk, f"{SECOND}.*segment 3 under the name of segment 2")


@pytest.mark.parametrize("seed", range(15))
def test_power_cut_at_any_step_of_opening_leaves_what_was_acknowledged_and_no_false_alarm(seed: int) -> None:
    whole, sizes = build(append(1, b"one"), append(2, *[b"two" * 300] * 3))
    rng = random.Random(seed)
    content = whole.contents(SEGMENT)

    async def main() -> None:
        for steps in range(16):
            disk = whole.copy()
            # The last batch is in the page cache, whole, and was never synced.
            disk.replace(SEGMENT, content[: sizes[1] + rng.choice((0, 20, 1000, 2000))])
            disk.open(SEGMENT).write_at(0, content)
            disk.cut_power_after(steps)
            with contextlib.suppress(OSError, StorageError):
                await checked(disk, lambda log: log.state("g"))
            disk.crash(rng)
            await checked(disk, holds_one)

    run_virtual(main)


async def holds_one(log: SegmentedLog) -> None:
    assert log.lost_promises is None
    assert await log.read("g", 1, 1, 100) == [Record(1, b"one")]


def test_batch_whose_sync_failed_is_written_again_before_it_counts() -> None:
    disk = VirtualDisk()

    async def fail() -> None:
        log = await open_log(disk)
        await written(log, append(1, b"one"))
        disk.fail_next_sync()
        log.write(append(2, b"two"), lambda: pytest.fail("acknowledged"))
        with pytest.raises(StorageError):
            await log.state("g")
        await log.close()

    async def reopen(log: SegmentedLog) -> None:
        # The page cache still shows the batch, the disk does not have it: fsyncgate.
        assert (await log.state("g")).last == 2

    run_virtual(fail)
    run_on(disk, reopen)
    disk.crash()
    run_on(disk, reopen)


@dataclass
class Model:
    """What a group must hold: after the writes so far, by number of writes."""

    metadata: bytes | None = None
    first: int = 1
    records: list[Record] = field(default_factory=list)

    def after(self, write: Write) -> Model:
        metadata = self.metadata if write.metadata is None else write.metadata
        kept = len(self.records) if write.truncate_from is None else write.truncate_from - self.first
        return Model(metadata, self.first, [*self.records[:kept], *write.records])

    def dropped(self, position: int) -> Model:
        return Model(self.metadata, max(position, self.first), self.records[max(position - self.first, 0) :])

    @property
    def state(self) -> GroupState:
        positions = range(self.first, self.first + len(self.records))
        tags = [record.tag for record in self.records]
        runs = [(at, tag) for at, tag, before in zip(positions, tags, [None, *tags], strict=False) if tag != before]
        return GroupState(self.metadata, self.first, self.first + len(self.records) - 1, tuple(runs))


class History:
    """Random writes to a few groups. `states` are the models after each write, `durable` how many are acknowledged."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.states: list[dict[str, Model]] = [{name: Model() for name in ("a", "b", "idle")}]
        self.durable = 0

    def submit(self, log: SegmentedLog) -> None:
        name = self.rng.choices(("a", "b", "idle"), weights=(10, 10, 1))[0]
        model = self.states[-1][name]
        if self.rng.random() < 0.15:
            position = self.rng.randint(model.first, model.first + len(model.records) + (self.rng.random() < 0.1) * 5)
            self._note(name, model.dropped(position))
            log.drop_before(name, position, self._acknowledge(len(self.states) - 1))
            return
        write = self._write(name, model)
        self._note(name, model.after(write))
        log.write(write, self._acknowledge(len(self.states) - 1))

    def _write(self, name: str, model: Model) -> Write:
        rng, end = self.rng, model.first + len(model.records)
        cut = rng.randint(model.first, end) if rng.random() < 0.2 else None
        count = rng.randint(0, 4)
        records = [Record(rng.randint(1, 3), rng.randbytes(rng.choice((0, 1, 50, 300)))) for _ in range(count)]
        metadata = rng.randbytes(5) if rng.random() < 0.3 else None
        return Write(name, metadata, cut, end if cut is None else cut, records)

    def _note(self, name: str, model: Model) -> None:
        self.states.append({**self.states[-1], name: model})

    def _acknowledge(self, number: int) -> Callable[[], None]:
        def done() -> None:
            assert number > self.durable, "out of order"
            self.durable = number

        return done

    async def check(self, log: SegmentedLog) -> None:
        """The log holds all that was acknowledged, and is as after some number of whole writes."""
        found = {name: await contents(log, name) for name in ("a", "b", "idle")}
        for number in range(self.durable, len(self.states)):
            expected = {name: (model.state, model.records) for name, model in self.states[number].items()}
            if found == expected:
                self.states, self.durable = [self.states[number]], 0
                return
        raise AssertionError(f"{found} is no state since {self.states[self.durable]}")

    async def check_now(self, log: SegmentedLog) -> None:
        """The living log holds exactly what was submitted, records moved by the reclaimer included."""
        name = self.rng.choice(("a", "b", "idle"))
        assert await contents(log, name) == (self.states[-1][name].state, self.states[-1][name].records)


async def one_life(history: History, disk: VirtualDisk) -> None:
    rng = history.rng
    log = await open_log(disk, SMALL)
    assert log.lost_promises is None
    await history.check(log)
    if rng.random() < 0.5:
        disk.cut_power_after(rng.randrange(200))
    for _ in range(rng.randint(1, 60)):
        for _ in range(rng.randint(1, 5)):
            history.submit(log)
        if rng.random() < 0.02:
            disk.fail_next_sync()
        await (log.state("a") if rng.random() < 0.5 else asyncio.sleep(rng.uniform(0, 0.001)))
        if rng.random() < 0.1:
            await history.check_now(log)
    if rng.random() < 0.3:
        await log.close()


async def short_life(history: History, disk: VirtualDisk) -> None:
    """Open, and lose the power in the middle of it."""
    disk.cut_power_after(history.rng.randrange(16))
    log = await open_log(disk, SMALL)
    await history.check(log)


@pytest.mark.parametrize("seed", range(30))
def test_random_histories_with_crashes_keep_all_that_was_acknowledged_and_only_whole_writes(seed: int) -> None:
    history, disk = History(seed), VirtualDisk()
    for life in range(12):
        lived = short_life if life % 3 == 2 else one_life
        with contextlib.suppress(StorageFailed, OSError):  # the planned failures; damage is none of them
            run_virtual(lambda lived=lived: lived(history, disk))  # type: ignore[misc]
        disk.crash(history.rng)
    names = [name for name in disk.names("/data") if name.startswith("segment-")]
    assert names[0] != "segment-0000000001.log", "the history was too tame to reclaim a segment"
