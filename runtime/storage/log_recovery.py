"""Log recovery: rebuilds the log's index from the segment files, checks every byte, and cuts off an incomplete write.

A log is replayed from its oldest segment on. The checkpoint at the head of a segment holds each group's first and last
position and its metadata at that moment, so older segments may be missing; records that were live in them follow later,
as copies. A position that is held but was not found is damage.

A file at the end may be a segment that has not begun (`segment_format.py`): it is removed, and is not part of the log.

Recovery after a crash. Decided here: a batch that does not read back is a torn tail if it is in the last segment and no
batch header follows it, else damage (see `segment_format.py`). Carried out here (`_cut_torn_tail`, `StorageDamaged`)
and in `SegmentedLog.open`, which writes a sync marker. Each group then reads its state with `LogStore.state`:
`actors/groups/raft_records.py` and `actors/paxos/synod_records.py` decode it for the algorithms.
"""

from __future__ import annotations

import contextlib
import os.path
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from coterie.errors import StorageDamaged
from coterie.runtime.hosts.host import Disk
from coterie.runtime.storage.history.generation import NEVER_OPENED, Generation
from coterie.runtime.storage.record_index import GroupIndex, place_of, segment_of
from coterie.runtime.storage.segment_files import Segment, segment_names, segment_number
from coterie.runtime.storage.segment_format import (
    BATCH_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    BadBytes,
    Item,
    ItemKind,
    decode_batch,
    decode_segment_header,
    has_batch_after,
)

__all__ = ["RecoveredLog", "ScannedLog", "recover", "scan"]

_NO_PLACE = 0  # no place is 0: segments start at 1


@dataclass(frozen=True, slots=True)
class RecoveredLog:
    """Content of a log.

    `segments`: oldest first; the last is appended to. `generation`: that of the latest opening. `cut_bytes`: the number
    of bytes that were cut from the end of the last segment, without the zeros by which the file was extended.
    """

    segments: tuple[Segment, ...]
    groups: tuple[GroupIndex, ...]
    generation: Generation
    cut_bytes: int


@dataclass(frozen=True, slots=True)
class ScannedLog:
    """Content of a log as it is, nothing changed.

    `segments`: oldest first, open; `batches`: how many each has. `unproven_from`: where the last whole batch of the
    last segment begins; `torn_bytes`: how many bytes follow that batch, without zeros at the end, by which the file was
    extended: a torn tail, or one that is being written. `unbegun`: the path of a segment behind the last one that has
    not begun, or None.
    """

    segments: tuple[Segment, ...]
    batches: tuple[int, ...]
    groups: tuple[GroupIndex, ...]
    generation: Generation
    unproven_from: int
    torn_bytes: int
    unbegun: str | None = None


def recover(disk: Disk, directory: str, salt: int) -> RecoveredLog:
    """Read the log in `directory`, cut a torn tail durably, and sync the rest.

    `StorageDamaged` names file and offset of durable bytes that do not read back; then nothing was changed.
    """
    scanned = scan(disk, directory, salt)
    try:
        if scanned.unbegun is not None:
            disk.remove(scanned.unbegun)
        _cut_torn_tail(scanned.segments[-1], scanned.unproven_from)
        disk.sync_directory(directory)
    except BaseException:
        _close(scanned.segments)
        raise
    return RecoveredLog(scanned.segments, scanned.groups, scanned.generation, scanned.torn_bytes)


def scan(disk: Disk, directory: str, salt: int) -> ScannedLog:
    """Read and check the log in `directory`, and change nothing; the caller closes the segments.

    `StorageDamaged` names file and offset of durable bytes that do not read back.
    """
    names = segment_names(disk, directory)
    if not names:
        raise StorageDamaged(directory, 0, "all segments of the log are missing")
    unbegun = None
    if len(names) > 1 and not _has_begun(disk, os.path.join(directory, names[-1]), salt):
        unbegun = os.path.join(directory, names.pop())
    replay = _Replay()
    segments: list[Segment] = []
    batches: list[int] = []
    unproven_from = torn_bytes = 0
    try:
        for name in names:
            segments.append(_open(disk, os.path.join(directory, name), segment_number(name)))
            previous = segments[-2] if len(segments) > 1 else None
            one = _Scan(segments[-1], previous, salt, is_last=name == names[-1])
            unproven_from = one.run(replay)
            batches.append(one.batches)
            torn_bytes = one.torn_bytes
            del one  # and with it the content of the segment
        groups = replay.finish(directory)
    except BaseException:
        _close(segments)
        raise
    return ScannedLog(tuple(segments), tuple(batches), groups, replay.generation, unproven_from, torn_bytes, unbegun)


def _has_begun(disk: Disk, path: str, salt: int) -> bool:
    """Return whether the last segment has a first batch, or a header that does not read back, which is damage."""
    with contextlib.closing(disk.open(path)) as file:
        data, number = file.read_at(0, file.size()), segment_number(os.path.basename(path))
    try:
        decode_segment_header(data, number, salt)
    except BadBytes:
        return True
    try:
        decode_batch(data, SEGMENT_HEADER_BYTES, number, salt)
    except BadBytes:
        return has_batch_after(data, SEGMENT_HEADER_BYTES, number, salt)
    return True


def _close(segments: Sequence[Segment]) -> None:
    for segment in segments:
        segment.file.close()


def _open(disk: Disk, path: str, number: int) -> Segment:
    return Segment(number, path, disk.open(path), 0, 0)


def _cut_torn_tail(last: Segment, unproven_from: int) -> None:
    """Cut the bytes after the last whole batch, write that batch again and sync.

    The last batch may never have been synced. After a failed sync the kernel may mark its pages as clean although they
    are not on the disk: only after a new write does the next sync make them durable.
    """
    last.file.truncate(last.size_bytes)
    last.file.write_at(unproven_from, last.file.read_at(unproven_from, last.size_bytes - unproven_from))
    last.file.sync()
    last.file_bytes = last.size_bytes


class _Scan:
    """One pass over one segment. `batches`, `torn_bytes`: what it has found."""

    def __init__(self, segment: Segment, previous: Segment | None, salt: int, *, is_last: bool) -> None:
        self._segment = segment
        self._previous = previous
        self._salt = salt
        self._is_last = is_last
        self._data = segment.file.read_at(0, segment.file.size())
        self.batches = 0
        self.torn_bytes = 0

    def run(self, replay: _Replay) -> int:
        """Pass every batch to `replay`, fill in the segment's sizes, and return where its last batch begins."""
        self._check_header()
        at = last_batch_at = SEGMENT_HEADER_BYTES
        while at < len(self._data):
            items = self._batch(at)
            if items is None:
                break
            self.batches += 1
            last_batch_at = at
            if at == SEGMENT_HEADER_BYTES:
                self._begin(items)
            at = items[-1].end if items else at + BATCH_HEADER_BYTES
            self._segment.records += self._replay(items, replay)
        if at == SEGMENT_HEADER_BYTES:
            self._begin(())
        self._segment.size_bytes = at
        self.torn_bytes = max(0, len(self._data.rstrip(b"\0")) - at)
        return last_batch_at

    def _check_header(self) -> None:
        segment, previous = self._segment, self._previous
        try:
            decode_segment_header(self._data, segment.number, self._salt)
        except BadBytes as error:
            raise StorageDamaged(segment.path, error.offset, error.reason) from error
        if previous is not None and previous.number + 1 != segment.number:
            raise StorageDamaged(segment.path, 0, f"the segment before it is missing (found {previous.number})")

    def _begin(self, items: Sequence[Item]) -> None:
        """Check that the segment before this one is whole, as the first batch has it."""
        segment, previous = self._segment, self._previous
        begin = items[0] if items and items[0].kind == ItemKind.BEGIN else None
        segment.created_bytes = SEGMENT_HEADER_BYTES
        if begin is not None:
            segment.created_bytes += BATCH_HEADER_BYTES + begin.tag
        if previous is None:
            return
        if begin is None:
            raise StorageDamaged(segment.path, SEGMENT_HEADER_BYTES, "its checkpoint does not read back")
        if previous.size_bytes != begin.position:
            reason = f"the file had {begin.position} bytes and has {previous.size_bytes}"
            raise StorageDamaged(previous.path, previous.size_bytes, reason)

    def _batch(self, at: int) -> list[Item] | None:
        """Return the items of the batch at `at`, or None if a torn tail begins there, or the zeros at the end."""
        try:
            return decode_batch(self._data, at, self._segment.number, self._salt)
        except BadBytes as error:
            if not self._is_last and not self._data.rstrip(b"\0")[at:]:
                return None  # the next segment tells whether a batch was there
            if not self._is_last or has_batch_after(self._data, at, self._segment.number, self._salt):
                raise StorageDamaged(self._segment.path, error.offset, error.reason) from error
            return None

    def _replay(self, items: Sequence[Item], replay: _Replay) -> int:
        records = 0
        for item in items:
            try:
                replay.take(item, self._segment.number, self._data)
            except ValueError as error:
                raise StorageDamaged(self._segment.path, item.offset, str(error)) from error
            records += item.kind == ItemKind.APPEND or item.kind == ItemKind.COPY
        return records


class _GroupReplay:
    """One group during replay: a place and a tag per position."""

    __slots__ = ("first", "metadata", "name", "places", "tags")

    def __init__(self, name: str, first: int, last: int) -> None:
        self.name = name
        self.first = first
        self.metadata: bytes | None = None
        self.places = array("Q", bytes(8 * (last - first + 1)))
        self.tags = array("Q", bytes(8 * (last - first + 1)))

    @property
    def last(self) -> int:
        return self.first + len(self.places) - 1

    def append(self, position: int, tag: int, place: int) -> None:
        if position != self.last + 1:
            raise ValueError(f"record {position} of {self.name!r} does not follow {self.last}")
        self.places.append(place)
        self.tags.append(tag)

    def copy(self, position: int, tag: int, place: int) -> None:
        if self.first <= position <= self.last:
            self.places[position - self.first] = place
            self.tags[position - self.first] = tag

    def truncate(self, position: int) -> None:
        del self.places[max(position - self.first, 0) :], self.tags[max(position - self.first, 0) :]

    def drop_before(self, position: int) -> None:
        del self.places[: position - self.first], self.tags[: position - self.first]
        self.first = position

    def finish(self, number: int, directory: str) -> GroupIndex:
        if _NO_PLACE in self.places:
            missing = self.first + self.places.index(_NO_PLACE)
            raise StorageDamaged(directory, 0, f"record {missing} of {self.name!r} is in none of the segments")
        index = GroupIndex(self.name, number)
        index.metadata = self.metadata
        index.drop_before(self.first)
        for start, end in _runs_in_one_segment(self.places):
            index.append(self.places[start:end], self.tags[start:end])
        return index


def _runs_in_one_segment(places: array[int]) -> list[tuple[int, int]]:
    starts = [at for at in range(len(places)) if at == 0 or segment_of(places[at]) != segment_of(places[at - 1])]
    return list(pairwise([*starts, len(places)]))


class _Replay:
    """All groups during replay. ValueError for an item that cannot have been written there."""

    def __init__(self) -> None:
        self._groups: dict[int, _GroupReplay] = {}
        self.generation = NEVER_OPENED

    def take(self, item: Item, segment: int, data: bytes) -> None:
        """Apply one item."""
        if item.kind == ItemKind.GROUP:
            self._declare(item, data)
            return
        if item.kind == ItemKind.GENERATION:
            self.generation = Generation(item.position, item.tag)
            return
        if item.kind == ItemKind.BEGIN:
            return
        group = self._groups.get(item.group)
        if group is None:
            raise ValueError(f"group {item.group} was never declared")
        match item.kind:
            case ItemKind.APPEND:
                group.append(item.position, item.tag, place_of(segment, item.offset))
            case ItemKind.COPY:
                group.copy(item.position, item.tag, place_of(segment, item.offset))
            case ItemKind.METADATA:
                group.metadata = data[item.body_at : item.end]
            case ItemKind.TRUNCATE:
                group.truncate(item.position)
            case ItemKind.DROP:
                group.drop_before(item.position)
            case ItemKind.FORGET:
                del self._groups[item.group]
            case _:
                raise ValueError(f"items of kind {item.kind} are unknown")

    def finish(self, directory: str) -> tuple[GroupIndex, ...]:
        """Return the index of every group, in the order of their numbers."""
        return tuple(self._groups[number].finish(number, directory) for number in sorted(self._groups))

    def _declare(self, item: Item, data: bytes) -> None:
        name = data[item.body_at : item.end].decode()
        known = self._groups.get(item.group)
        if known is None:
            self._groups[item.group] = _GroupReplay(name, item.position, item.tag)
        elif (known.name, known.first, known.last) != (name, item.position, item.tag):
            expected, found = (known.name, known.first, known.last), (name, item.position, item.tag)
            raise ValueError(f"the checkpoint has {found}, but the log before it has {expected}")
