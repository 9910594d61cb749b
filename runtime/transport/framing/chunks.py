"""Chunks: splits an item larger than `frame_soft_bytes` over several frames, and joins the parts. Does no I/O.

    ┌──────────┬─────────┬───────────────────┬──────────────────┐
    │ 0xC1 u8  │ lane u8 │ still to come u32 │ bytes of an item │      the payload of one frame, big-endian
    └──────────┴─────────┴───────────────────┴──────────────────┘

0xC1 is the one byte with which no MessagePack value begins, so a chunk is never taken for an array of items. Within a
lane items stay in order: items sent after a large one wait until its last chunk has left. Chunks and items of other
lanes of the same connection go in between.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from coterie.errors import BrokenFrame

__all__ = ["CHUNK_HEADER_BYTES", "CHUNK_MARK", "ChunkAssembler", "OversizedItem", "encode_chunk"]

CHUNK_MARK: Final = b"\xc1"
_HEADER: Final = struct.Struct(">cBI")

CHUNK_HEADER_BYTES: Final = _HEADER.size

_HEAD_BYTES: Final = 64
"""What is kept of an item that is too large: enough for the number of a request."""


def encode_chunk(lane: int, packed: bytes, start: int, size_bytes: int) -> bytes:
    """Return the payload with (up to) `size_bytes` bytes of a packed item of `lane`, beginning at `start`."""
    end = min(start + size_bytes, len(packed))
    return b"".join((_HEADER.pack(CHUNK_MARK, lane, len(packed) - end), memoryview(packed)[start:end]))


@dataclass(frozen=True, slots=True)
class OversizedItem:
    """Stands for an item that was dropped: its `head` (the first bytes), its size, and the limit."""

    head: bytes
    size_bytes: int
    limit_bytes: int


@dataclass(slots=True)
class _PartialItem:
    """`size_bytes`: of the whole item; 0: none has begun."""

    data: bytearray = field(default_factory=bytearray)
    size_bytes: int = 0
    to_come_bytes: int = 0


class ChunkAssembler:
    """Assembles the chunked items of one connection.

    Its memory is bounded: one item for each lane, none larger than the cap; nothing is reserved for announced bytes.

    Args:
        lanes: the lanes of this connection.
        cap_bytes: the largest item whose chunks are accepted.
        kept_bytes: the largest that is kept: of a larger one an `OversizedItem` remains. None: all.
    """

    __slots__ = ("_by_lane", "_cap_bytes", "_kept_bytes")

    def __init__(self, lanes: Iterable[int], cap_bytes: int, kept_bytes: int | None = None) -> None:
        self._by_lane = {lane: _PartialItem() for lane in lanes}
        self._cap_bytes = cap_bytes
        self._kept_bytes = cap_bytes if kept_bytes is None else min(kept_bytes, cap_bytes)

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the rest of their item."""
        return sum(len(unfinished.data) for unfinished in self._by_lane.values())

    def take(self, payload: bytes) -> bytes | bytearray | OversizedItem | None:
        """Take a payload that begins with `CHUNK_MARK`; return the packed item if it is the last chunk of one.

        Raises:
            BrokenFrame: it is not a chunk, its lane belongs to another connection, its item is too large, or its size
                does not fit the chunk before.
        """
        if len(payload) <= _HEADER.size:
            raise BrokenFrame(f"a chunk of {len(payload)} bytes, header included")
        _, lane, to_come = _HEADER.unpack_from(payload)
        unfinished = self._by_lane.get(lane)
        if unfinished is None:
            raise BrokenFrame(f"a chunk for lane {lane} on the connection of lanes {list(self._by_lane)}")
        size = len(payload) - _HEADER.size
        self._check(unfinished, lane, size + to_come)
        unfinished.size_bytes = unfinished.size_bytes or size + to_come
        is_kept = unfinished.size_bytes <= self._kept_bytes
        if is_kept or not unfinished.data:
            unfinished.data += memoryview(payload)[_HEADER.size :][: None if is_kept else _HEAD_BYTES]
        unfinished.to_come_bytes = to_come
        if to_come:
            return None
        self._by_lane[lane] = _PartialItem()
        if is_kept:
            return unfinished.data
        return OversizedItem(bytes(unfinished.data), unfinished.size_bytes, self._kept_bytes)

    def _check(self, unfinished: _PartialItem, lane: int, announced: int) -> None:
        if unfinished.size_bytes and announced != unfinished.to_come_bytes:
            raise BrokenFrame(
                f"lane {lane}: {announced} bytes of an item announced, {unfinished.to_come_bytes} were due"
            )
        if announced > self._cap_bytes:
            text = f"an item of {announced} bytes is announced, the cap is {self._cap_bytes}"
            raise BrokenFrame(f"{text}; see message_cap_bytes= of both ends")
