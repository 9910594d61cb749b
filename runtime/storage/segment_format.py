"""Segment format: encodes and decodes the bytes of log files (segments, batches, items). Does no I/O.

    segment = segment header, batch, batch, …         (the first batch begins with the checkpoint)
    batch   = batch header, item, item, …             written at once, then synced
    item    = item header (fields, body checksum, header checksum), body

All numbers are little-endian. Every checksum is a CRC-32 that starts from the store's salt, so that bytes of another
store, or bytes that a user put into a body, are never valid here.

A batch is written only when everything before it is synced. So a batch header with a valid checksum **proves that all
bytes before it were durable**: bytes before such a header that do not read back are damaged; bytes after the last one
that do not read back were never acknowledged (a torn tail) and may be cut. See Alagappan et al., "Protocol-Aware
Recovery for Consensus-Based Storage", FAST 2018, §3.3.

A segment is prepared ahead: a durable file that has its header, and zeros. It has begun once its first batch is durable
(one write, one sync); until then the log ends in the segment before it. So a first batch that does not read back is a
torn tail like any other, unless a batch header follows it.
"""

from __future__ import annotations

import enum
import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

__all__ = [
    "BATCH_HEADER_BYTES",
    "ITEM_HEADER_BYTES",
    "SEGMENT_HEADER_BYTES",
    "BadBytes",
    "Item",
    "ItemKind",
    "SegmentHeader",
    "decode_batch",
    "decode_body_length",
    "decode_item",
    "decode_segment_header",
    "encode_batch_header",
    "encode_item",
    "encode_segment_header",
    "has_batch_after",
]

_SEGMENT_MAGIC = b"COTERSEG"
_SEGMENT = struct.Struct("<8sQ")  # magic, number; then its CRC
_BATCH_MAGIC = b"\xc0BAT"
_BATCH = struct.Struct("<4sIQQ")  # magic, length of the items, segment, offset (= how far all was synced); then its CRC
_ITEM = struct.Struct("<IIQQII")  # kind, group, position, tag, length and CRC of the body; then the CRC of these
_CRC = struct.Struct("<I")

SEGMENT_HEADER_BYTES = _SEGMENT.size + _CRC.size
BATCH_HEADER_BYTES = _BATCH.size + _CRC.size
ITEM_HEADER_BYTES = _ITEM.size + _CRC.size


class BadBytes(ValueError):
    """Raised for bytes that do not decode: at `offset`, because of `reason`."""

    def __init__(self, offset: int, reason: str) -> None:
        super().__init__(f"byte {offset}: {reason}")
        self.offset = offset
        self.reason = reason


class ItemKind(enum.IntEnum):
    """Kind of an item. The numbers are durable: never reuse one.

    Position and tag are 0 in kinds that do not use them.
    """

    GROUP = 1  # the group has this number; first is `position`, last is `tag`, the body is its name
    METADATA = 2  # the body replaces the metadata
    TRUNCATE = 3  # `position` and all after it are removed
    APPEND = 4  # the next record
    DROP = 5  # all before `position` are removed; it is the first from now on
    COPY = 6  # the record at `position` again, copied from a segment that will be removed
    GENERATION = 7  # the store was opened: the counter is `position`, the nonce is `tag`; of no group
    FORGET = 8  # the group is removed with all its records and metadata
    BEGIN = 9  # first of a segment: the previous one had `position` bytes, the checkpoint has `tag`; of no group


class Item(NamedTuple):
    """One decoded item. `offset` is where its header begins, `length` that of its body, which begins right after it."""

    kind: int
    group: int
    position: int
    tag: int
    offset: int
    length: int

    @property
    def body_at(self) -> int:
        """Offset of the body."""
        return self.offset + ITEM_HEADER_BYTES

    @property
    def end(self) -> int:
        """Offset of the next item."""
        return self.offset + ITEM_HEADER_BYTES + self.length


@dataclass(frozen=True, slots=True)
class SegmentHeader:
    """Header of a segment file: durable before the file gets its final name."""

    number: int


def encode_segment_header(header: SegmentHeader, salt: int) -> bytes:
    """Return the header's bytes."""
    fields = _SEGMENT.pack(_SEGMENT_MAGIC, header.number)
    return fields + _CRC.pack(zlib.crc32(fields, salt))


def decode_segment_header(data: bytes, number: int, salt: int) -> SegmentHeader:
    """Read the header of segment `number` at the start of `data`. `BadBytes` if it is damaged or of another segment."""
    if len(data) < SEGMENT_HEADER_BYTES:
        raise BadBytes(len(data), "the file ends within its segment header")
    fields = data[: _SEGMENT.size]
    magic, found = _SEGMENT.unpack(fields)
    if magic != _SEGMENT_MAGIC or _crc_at(data, _SEGMENT.size) != zlib.crc32(fields, salt):
        raise BadBytes(0, "the checksum of the segment header does not match")
    if found != number:
        raise BadBytes(0, f"this is segment {found} under the name of segment {number}")
    return SegmentHeader(found)


def encode_batch_header(segment: int, offset: int, length: int, salt: int) -> bytes:
    """Return the header of a batch whose items are `length` bytes, to be written at `offset` of `segment`."""
    fields = _BATCH.pack(_BATCH_MAGIC, length, segment, offset)
    return fields + _CRC.pack(zlib.crc32(fields, salt))


def encode_item(kind: int, group: int, position: int, tag: int, body: bytes, salt: int) -> bytes:
    """Return an item's header; the caller writes the body after it, unchanged.

    ValueError for a number out of its range (positions and tags: 0 … 2**64-1).
    """
    try:
        fields = _ITEM.pack(kind, group, position, tag, len(body), zlib.crc32(body, salt))
    except struct.error as error:
        raise ValueError(f"position {position} or tag {tag} is not within 0 … 2**64-1") from error
    return fields + _CRC.pack(zlib.crc32(fields, salt))


def decode_batch(data: bytes, offset: int, segment: int, salt: int) -> list[Item]:
    """Read the batch at `offset` of `data` (the whole segment). `BadBytes` unless every byte is as written."""
    end = offset + BATCH_HEADER_BYTES
    length = _batch_length(data, offset, segment, salt)
    if length is None:
        raise BadBytes(offset, "the checksum of the batch header does not match")
    end += length
    if end > len(data):
        raise BadBytes(offset, f"the file ends within a batch ({len(data) - offset} of {end - offset} bytes)")
    items = []
    at = offset + BATCH_HEADER_BYTES
    while at < end:
        item = decode_item(data, at, salt)
        items.append(item)
        at = item.end
    if at != end:
        raise BadBytes(offset, "the items of the batch do not end where the batch ends")
    return items


def decode_item(data: bytes, offset: int, salt: int, *, base: int = 0) -> Item:
    """Read the item at `offset` of `data` and check both its checksums.

    `base` is where `data` begins in its file; errors name, and the item carries, the offset in the file.
    """
    _check_item_header(data, offset, salt, base)
    header_end = offset + ITEM_HEADER_BYTES
    kind, group, position, tag, length, body_crc = _ITEM.unpack_from(data, offset)
    if header_end + length > len(data):
        raise BadBytes(base + offset, "the file ends within a record")
    if zlib.crc32(data[header_end : header_end + length], salt) != body_crc:
        raise BadBytes(base + offset, f"the checksum of the record's body does not match (group {group}, {position})")
    return Item(kind, group, position, tag, base + offset, length)


def decode_body_length(data: bytes, offset: int, salt: int, *, base: int = 0) -> int:
    """Return the length of the body of the item at `offset`, after a check of its header; `base` as above."""
    _check_item_header(data, offset, salt, base)
    return int(_ITEM.unpack_from(data, offset)[4])


def has_batch_after(data: bytes, offset: int, segment: int, salt: int) -> bool:
    """Return whether a valid batch header follows `offset`: then all bytes before it were durable."""
    at = data.find(_BATCH_MAGIC, offset + 1)
    while at >= 0:
        if _batch_length(data, at, segment, salt) is not None:
            return True
        at = data.find(_BATCH_MAGIC, at + 1)
    return False


def _batch_length(data: bytes, offset: int, segment: int, salt: int) -> int | None:
    """Return the length of the items of the batch at `offset`, or None if its header is not valid."""
    if offset + BATCH_HEADER_BYTES > len(data):
        return None
    magic, length, found_segment, found_offset = _BATCH.unpack_from(data, offset)
    good_crc = zlib.crc32(data[offset : offset + _BATCH.size], salt)
    if magic != _BATCH_MAGIC or _crc_at(data, offset + _BATCH.size) != good_crc:
        return None
    return int(length) if (found_segment, found_offset) == (segment, offset) else None


def _check_item_header(data: bytes, offset: int, salt: int, base: int) -> None:
    crc_at = offset + _ITEM.size
    if crc_at + _CRC.size > len(data):
        raise BadBytes(base + offset, "the file ends within a record header")
    if _crc_at(data, crc_at) != zlib.crc32(data[offset:crc_at], salt):
        raise BadBytes(base + offset, "the checksum of a record header does not match")


def _crc_at(data: bytes, offset: int) -> int:
    return int(_CRC.unpack_from(data, offset)[0])
