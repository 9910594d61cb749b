"""`GroupCommit`: collects submitted writes into batches, and writes each batch with one fdatasync, one at a time.

    submitted ──▶ queue ──▶ in flight (disk thread: write, fdatasync) ──▶ applied, acknowledged (event loop)

Everything submitted while a batch is in flight forms the next one. The disk thread gets only bytes and a place; the
event loop owns all state. So a failure leaves no partial change in memory, and no write is retried.

No descriptor left (EMFILE). A new segment needs one or two: `hosts/disk_with_spares.py` keeps them. If they are gone,
too, nothing was written: the batch waits, and is tried again every `RETRY_S`.

No space left (ENOSPC, EDQUOT). What was written of the batch is cut off, and the batch waits in the same way, every
`FULL_RETRY_S`: see `space/disk_reserve.py`. Its owners limit what they submit meanwhile, as for a disk that stalls.
So does a batch that would take the space of the next snapshot, unless it, or one behind it, drops what a snapshot
covers: see `space/free_space.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from coterie.errors import StorageDamaged, StorageFailed
from coterie.runtime.hosts.disk_with_spares import DiskWithSpares, is_out_of_descriptors
from coterie.runtime.hosts.host import Host
from coterie.runtime.observing.loggers import logger
from coterie.runtime.storage.history.generation import Generation
from coterie.runtime.storage.history.high_water import HighWaterFile
from coterie.runtime.storage.log_store import DoneCallback, Record
from coterie.runtime.storage.next_segment import NextSegment
from coterie.runtime.storage.record_index import GroupIndex, place_of
from coterie.runtime.storage.record_reader import read_records
from coterie.runtime.storage.segment_files import Segment, remove_segment
from coterie.runtime.storage.segment_format import BATCH_HEADER_BYTES, encode_batch_header
from coterie.runtime.storage.space.disk_reserve import NoSpaceYet, is_disk_full, release_reserve
from coterie.runtime.storage.space.free_space import FreeSpace, Purpose
from coterie.runtime.storage.space.live_share import next_segment_bytes
from coterie.runtime.storage.storage_config import StorageConfig
from coterie.runtime.storage.write_batch import WriteBatch, encode_checkpoint

__all__ = ["GroupCommit"]

T = TypeVar("T")

RETRY_S: Final = 0.1
"""Time until a batch that found no file descriptor is tried again."""

FULL_RETRY_S: Final = 1.0
"""Time until a batch that found no disk space is tried again."""

REMOVED: Final = "its files were removed while the node ran, so nothing that it stores would survive its end"

CLOSE_RETRIES: Final = 50
"""How often it is tried again once the store is being closed; then the store fails."""


class GroupCommit:
    """Writes batches to the last segment; begins the next one, which is prepared ahead, when that is full.

    `segments`: the open ones, oldest first. `groups`: all groups by name (the owner adds new ones). `high_water`: is
    told how far the log is durable behind each sync marker, and once in `mark_after_s`.
    `free_space`: looks at the disk behind some of the batches. `on_batch` is called after each batch that became
    durable, `on_failure` once.
    """

    def __init__(
        self,
        host: Host,
        disk: DiskWithSpares,
        path: str,
        salt: int,
        config: StorageConfig,
        segments: Sequence[Segment],
        groups: Sequence[GroupIndex],
        high_water: HighWaterFile,
        free_space: FreeSpace,
        on_failure: Callable[[Exception], None] | None,
    ) -> None:
        self.path = path
        self.salt = salt
        self.segments = list(segments)
        self.groups = {group.name: group for group in groups}
        self.high_water = high_water
        self.free_space = free_space
        self.on_batch: Callable[[], None] = lambda: None
        self.failure: Exception | None = None
        self.is_closed = False
        self.waits_for_space = False
        """Whether a batch that finds no space waits; else the store fails."""
        self.syncs = 0
        self._host = host
        self._disk = disk
        self._retries = 0
        self._high_water_s = host.clock.monotonic()
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._queue: deque[WriteBatch] = deque()
        self._in_flight: WriteBatch | None = None
        self._is_scheduled = False
        self._waiters: list[asyncio.Future[None]] = []
        self._sync_marker_timer: asyncio.TimerHandle | None = None
        self._is_sync_proven = False  # whether a batch header follows the last batch with items
        self._next = NextSegment(disk, path, salt)
        self._prepared_number = 0  # of the segment that was prepared last, or is being prepared
        self.segments[-1].limit_bytes = next_segment_bytes(self.segments, self.groups.values(), config)
        free_space.log_bytes = sum(each.size_bytes for each in self.segments)

    @property
    def batch(self) -> WriteBatch:
        """The batch for the next items; add to it, then call `submit`."""
        if not self._queue or self._queue[-1].size_bytes >= self._config.batch_bytes:
            self._queue.append(WriteBatch(self.salt))
        return self._queue[-1]

    @property
    def generation(self) -> Generation:
        """The generation of this opening of the store."""
        return self.high_water.latest.generation

    def submit(self, batch: WriteBatch, done: DoneCallback | None = None) -> None:
        """Schedule the write of `batch`, to which items were just added; `done` is called when they are durable."""
        if done is not None:
            batch.done_callbacks.append(done)
        self._schedule()

    async def wait_until_durable(self) -> None:
        """Wait until everything submitted before is durable and applied. Raises what `check` raises."""
        self.check()
        last = self._queue[-1] if self._queue else self._in_flight
        if last is None:
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        last.done_callbacks.append(partial(self._release, waiter))
        self._schedule()
        await waiter

    async def write_sync_marker(self) -> None:
        """Write an empty batch; it proves that the last one was synced, so damage to that is no longer a torn tail."""
        if not self._is_sync_proven:
            self._submit_sync_marker()
        await self.wait_until_durable()

    async def run_disk(self, function: Callable[[], T]) -> T:
        """Run `function` on the disk thread, after earlier submissions; an OSError or damage stops the store."""
        self.check()
        try:
            return await self._host.executor.run_disk(function)
        except (OSError, StorageDamaged) as error:
            self.fail(error)
            raise self._stopped() from error

    async def read(
        self, group: GroupIndex, targets: Sequence[tuple[int, Segment, int]], max_bytes: int
    ) -> list[Record]:
        """Read records of `group` at `targets` (position, segment, offset); see `read_records`."""
        return await self.run_disk(partial(read_records, targets, group.number, max_bytes, self.salt))

    async def remove_oldest(self, count: int) -> None:
        """Remove the `count` oldest segments, which must not hold live records, one durably after the other."""
        removed = self.segments[:count]

        def remove() -> None:
            for segment in removed:
                remove_segment(self._disk, segment)

        await self.run_disk(remove)
        del self.segments[:count]
        self.free_space.log_bytes = sum(each.size_bytes for each in self.segments)

    def check(self) -> None:
        """Raise the failure if the store has stopped."""
        if self.failure is not None:
            raise self._stopped()

    def fail(self, error: BaseException) -> None:
        """Stop permanently: no submission is acknowledged from now on. Only the first call has an effect."""
        if self.failure is not None:
            return
        self.failure = error if isinstance(error, StorageDamaged) else StorageFailed(self.path, _reason(error))
        self.failure.__cause__ = None if self.failure is error else error
        self._in_flight = None
        self._queue.clear()
        self.cancel_timers()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(self._stopped())
        self._waiters.clear()
        if self._on_failure is not None:
            self._on_failure(self.failure)

    def cancel_timers(self) -> None:
        """Write no more sync markers, and look no more at the disk's free space."""
        self.free_space.close()
        if self._sync_marker_timer is not None:
            self._sync_marker_timer.cancel()
            self._sync_marker_timer = None

    def release(self) -> None:
        """Close the files; blocks. For the disk thread."""
        if self.failure is None:
            with contextlib.suppress(OSError):  # the zeros are cut when it is opened, then
                self.segments[-1].trim()
        self._next.discard()
        for segment in self.segments:
            segment.file.close()
        self.high_water.close()

    def _stopped(self) -> Exception:
        """Return a new copy of the failure for each caller: a raised exception must not be shared."""
        failure = self.failure
        if isinstance(failure, StorageDamaged):
            return StorageDamaged(failure.path, failure.offset, failure.reason)
        return StorageFailed(self.path, failure.reason if isinstance(failure, StorageFailed) else repr(failure))

    def _schedule(self) -> None:
        # Not at once: further submissions in this turn of the loop share the batch.
        if self._in_flight is None and not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._is_scheduled = False
        if self._in_flight is not None or not self._queue:
            return
        self._in_flight = self._queue.popleft()
        self._write(self._in_flight)

    def _write(self, batch: WriteBatch) -> None:
        last = self.segments[-1]
        if batch.size_bytes and last.size_bytes - last.created_bytes >= last.limit_bytes:
            # Nothing is in flight, so memory holds exactly what the segments hold.
            checkpoint = encode_checkpoint(
                self.generation, self.groups.values(), self.salt, previous_bytes=last.size_bytes
            )
            job = partial(self._write_to_new, last, checkpoint, batch)
        else:
            job = partial(self._write_to, last, batch, advances_high_water=self._is_high_water_due(batch))
        job = partial(self._write_if_room, job, batch.size_bytes, self._purpose_of(batch))
        looking = self.free_space.looking_after(job, batch.size_bytes)
        self._host.executor.submit_disk(looking, partial(self._written, batch))

    def _purpose_of(self, batch: WriteBatch) -> Purpose:
        batches = (batch, *self._queue)
        may_wait = self.waits_for_space and not self.is_closed and batch.size_bytes > 0
        if not may_wait or any(each.lets_go for each in batches):
            return Purpose.RELEASE
        return Purpose.COPIES if any(each.copies for each in batches) else Purpose.ENTRIES

    def _write_if_room(self, job: Callable[[], Segment], size_bytes: int, purpose: Purpose) -> Segment:
        if not self.free_space.has_room_for_log(size_bytes, purpose):
            raise NoSpaceYet
        return job()

    def _write_to_new(self, last: Segment, checkpoint: bytes, batch: WriteBatch) -> Segment:
        """Begin the next segment by one write and one sync; what could be done before, or later, is."""
        try:
            last.trim()  # not synced: recovery takes zeros at the end of any segment
            segment = self._next.take(last.number + 1)
            size_bytes = len(checkpoint) + batch.size_bytes
            header = encode_batch_header(segment.number, segment.size_bytes, size_bytes, self.salt)
            segment.write(b"".join((header, checkpoint, *batch.parts)), self._zeros_bytes(segment))
        except OSError as error:
            self._next.discard()
            self._undo(last, error)
            raise
        segment.file.sync()
        segment.created_bytes = segment.size_bytes + BATCH_HEADER_BYTES + len(checkpoint)
        self._next.begun()
        return segment

    def _prepare_next(self) -> None:
        """Prepare the next segment once the last one is half full."""
        last = self.segments[-1]
        half = last.size_bytes - last.created_bytes >= last.limit_bytes // 2
        if not half or self._prepared_number > last.number or self.is_closed:
            return
        self._prepared_number = last.number + 1
        zeros_bytes = self._config.extend_bytes if self.free_space.has_room_for_zeros(self._config.extend_bytes) else 0

        prepare = partial(self._next.prepare, last.number + 1, min(zeros_bytes, last.limit_bytes))
        self._host.executor.submit_disk(prepare, lambda _, error: None if error is None else self.fail(error))

    def _is_high_water_due(self, batch: WriteBatch) -> bool:
        """Return whether the high-water file is written behind `batch`: a sync marker, or none was for a while."""
        now_s = self._host.clock.monotonic()
        if batch.size_bytes and now_s - self._high_water_s < self._config.mark_after_s:
            return False
        self._high_water_s = now_s
        return True

    def _write_to(self, segment: Segment, batch: WriteBatch, *, advances_high_water: bool) -> Segment:
        header = encode_batch_header(segment.number, segment.size_bytes, batch.size_bytes, self.salt)
        data = b"".join((header, *batch.parts))
        try:
            segment.write(data, self._zeros_bytes(segment))
        except OSError as error:
            self._undo(segment, error)
            raise
        segment.file.sync()
        if advances_high_water:  # a sync marker itself promises nothing
            if segment.file.is_removed() or self.high_water.is_removed():
                raise FileNotFoundError(errno.ENOENT, REMOVED, self.path)
            promised_bytes = BATCH_HEADER_BYTES + batch.size_bytes if batch.size_bytes else 0
            self.high_water.advance(segment.number, segment.size_bytes + promised_bytes)
        return segment

    def _zeros_bytes(self, segment: Segment) -> int:
        """Return by how many zeros a segment may be extended: it does not become larger for that."""
        config = self._config
        if not self.free_space.has_room_for_zeros(config.extend_bytes):
            return 0
        limit_bytes = segment.limit_bytes or config.segment_bytes_min
        return max(0, min(config.extend_bytes, segment.created_bytes + limit_bytes - segment.size_bytes))

    def _undo(self, segment: Segment, error: OSError) -> None:
        """If the disk is full, cut off a batch that was not synced; then `NoSpaceYet`, or the log ends here.

        OSError if it cannot be cut off: then the file is in doubt.
        """
        if not is_disk_full(error):
            return
        if self.is_closed or not self.waits_for_space:
            self._end_log_cleanly(segment)
        else:
            segment.trim()
            raise NoSpaceYet from error

    def _end_log_cleanly(self, segment: Segment) -> None:
        """Cut off the partial write and write a last batch header, in the space of the reserve."""
        with contextlib.suppress(OSError):  # then the log ends as after a crash, which is safe too
            release_reserve(self._disk, self.path)
            segment.file.truncate(segment.size_bytes)
            header = encode_batch_header(segment.number, segment.size_bytes, 0, self.salt)
            segment.file.write_at(segment.size_bytes, header)
            segment.file.sync()

    def _written(self, batch: WriteBatch, segment: Segment | None, error: BaseException | None) -> None:
        if self.failure is not None:
            return
        if segment is None and is_out_of_descriptors(error) and self._may_wait():
            self._loop.call_later(RETRY_S, self._write_again, batch)
            return
        if isinstance(error, NoSpaceYet):
            self.free_space.note_full()
            self._loop.call_later(FULL_RETRY_S, self._write_again, batch)
            return
        if segment is None:
            self.fail(error or RuntimeError("a write ended without a segment"))
            return
        self._in_flight = None
        self._retries = 0
        self._apply(batch, segment)
        self.free_space.report(has_written=True)
        try:
            self._acknowledge(deque(batch.done_callbacks))
        finally:  # a `done` that raises must not stop the log
            self.on_batch()
            self._dispatch()
            self._prepare_next()
            self._start_sync_marker_timer()

    def _may_wait(self) -> bool:
        """Return whether the batch in flight may wait for a file descriptor."""
        self._retries += 1
        if self._retries == 1:
            logger("storage").warning("store.waits_for_descriptor", path=self.path, retry_s=RETRY_S)
        return not self.is_closed or self._retries <= CLOSE_RETRIES

    def _write_again(self, batch: WriteBatch) -> None:
        if self._in_flight is batch:
            self._write(batch)

    def _apply(self, batch: WriteBatch, segment: Segment) -> None:
        self.syncs += 1
        items_at = segment.size_bytes + BATCH_HEADER_BYTES
        if segment is not self.segments[-1]:
            items_at = segment.created_bytes
            self.segments.append(segment)
            segment.limit_bytes = next_segment_bytes(self.segments, self.groups.values(), self._config)
            self.syncs += 1
        batch.apply(place_of(segment.number, items_at))
        self.free_space.log_bytes += items_at + batch.size_bytes - segment.size_bytes
        segment.size_bytes = items_at + batch.size_bytes
        segment.records += batch.records
        self._is_sync_proven = not batch.size_bytes

    def _acknowledge(self, done_callbacks: deque[DoneCallback]) -> None:
        """Call the callbacks in order; if one raises, the others are still called."""
        try:
            while done_callbacks:
                done_callbacks.popleft()()
        finally:
            if done_callbacks:
                self._loop.call_soon(self._acknowledge, done_callbacks)

    def _start_sync_marker_timer(self) -> None:
        is_idle = self._in_flight is None and not self._queue
        if is_idle and not self._is_sync_proven and not self.is_closed and self._sync_marker_timer is None:
            self._sync_marker_timer = self._loop.call_later(self._config.mark_after_s, self._write_sync_marker_if_idle)

    def _write_sync_marker_if_idle(self) -> None:
        self._sync_marker_timer = None
        if self._in_flight is None and not self._queue:
            self._submit_sync_marker()

    def _submit_sync_marker(self) -> None:
        self._queue.append(WriteBatch(self.salt))
        self._schedule()

    def _release(self, waiter: asyncio.Future[None]) -> None:
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        if not waiter.done():
            waiter.set_result(None)


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and is_disk_full(error):
        return f"the disk is full: free some space, and start the node again ({error!r})"
    return repr(error)
