"""Record reader: reads records of a log from disk, and checks their checksums and positions. All calls block."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.errors import StorageDamaged
from coterie.runtime.storage.log_store import Record
from coterie.runtime.storage.segment_files import Segment
from coterie.runtime.storage.segment_format import (
    ITEM_HEADER_BYTES,
    BadBytes,
    Item,
    ItemKind,
    decode_body_length,
    decode_item,
)

__all__ = ["read_records"]

_READ_AHEAD_BYTES = 64 * 1024  # records that were written together are read together


def read_records(targets: Sequence[tuple[int, Segment, int]], group: int, max_bytes: int, salt: int) -> list[Record]:
    """Return the records of `group` at `targets`: (position, segment, offset).

    Stops before `max_bytes` of bodies would be exceeded, but not before the first record. `StorageDamaged` if one is
    not as written.
    """
    reader = _Reader(salt)
    records: list[Record] = []
    for position, segment, offset in targets:
        item, body = reader.item(segment, offset)
        if item.kind not in (ItemKind.APPEND, ItemKind.COPY) or (item.group, item.position) != (group, position):
            raise StorageDamaged(
                segment.path, offset, f"record {position} of group {group} is not where it was written"
            )
        max_bytes -= len(body)
        if records and max_bytes < 0:
            break
        records.append(Record(item.tag, body))
    return records


class _Reader:
    """Reads items of segments through a read-ahead buffer."""

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._segment = 0
        self._start = 0
        self._buffer = b""

    def item(self, segment: Segment, offset: int) -> tuple[Item, bytes]:
        try:
            at = self._fill(segment, offset, ITEM_HEADER_BYTES)
            length = decode_body_length(self._buffer, at, self._salt, base=self._start)
            at = self._fill(segment, offset, ITEM_HEADER_BYTES + length)
            item = decode_item(self._buffer, at, self._salt, base=self._start)
        except BadBytes as error:
            raise StorageDamaged(segment.path, error.offset, error.reason) from error
        body_at = at + ITEM_HEADER_BYTES
        return item, self._buffer[body_at : body_at + length]

    def _fill(self, segment: Segment, offset: int, size: int) -> int:
        """Bring `size` bytes at `offset` into the buffer (fewer at the end of the file); return their index in it."""
        inside = self._start <= offset and offset + size <= self._start + len(self._buffer)
        if self._segment != segment.number or not inside:
            self._segment, self._start = segment.number, offset
            self._buffer = segment.file.read_at(offset, max(size, _READ_AHEAD_BYTES))
        return offset - self._start
