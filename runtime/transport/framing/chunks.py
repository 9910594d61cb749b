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

__all__ = ["CHUNK_MARK", "ChunkAssembler", "encode_chunk"]

CHUNK_MARK: Final = b"\xc1"
_HEADER: Final = struct.Struct(">cBI")


def encode_chunk(lane: int, packed: bytes, start: int, size_bytes: int) -> bytes:
    """Return the payload with (up to) `size_bytes` bytes of a packed item of `lane`, beginning at `start`."""
    end = min(start + size_bytes, len(packed))
    return _HEADER.pack(CHUNK_MARK, lane, len(packed) - end) + packed[start:end]


@dataclass(slots=True)
class _PartialItem:
    data: bytearray = field(default_factory=bytearray)
    to_come_bytes: int = 0


class ChunkAssembler:
    """Assembles the chunked items of one connection.

    Its memory is bounded: one item for each lane, none larger than the cap; nothing is reserved for announced bytes.

    Args:
        lanes: the lanes of this connection.
        cap_bytes: the largest item accepted.
    """

    __slots__ = ("_by_lane", "_cap_bytes")

    def __init__(self, lanes: Iterable[int], cap_bytes: int) -> None:
        self._by_lane = {lane: _PartialItem() for lane in lanes}
        self._cap_bytes = cap_bytes

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the rest of their item."""
        return sum(len(unfinished.data) for unfinished in self._by_lane.values())

    def take(self, payload: bytes) -> bytes | bytearray | None:
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
        unfinished.data += memoryview(payload)[_HEADER.size :]
        unfinished.to_come_bytes = to_come
        if to_come:
            return None
        self._by_lane[lane] = _PartialItem()
        return unfinished.data

    def _check(self, unfinished: _PartialItem, lane: int, announced: int) -> None:
        if unfinished.data and announced != unfinished.to_come_bytes:
            raise BrokenFrame(
                f"lane {lane}: {announced} bytes of an item announced, {unfinished.to_come_bytes} were due"
            )
        if announced > self._cap_bytes:
            raise BrokenFrame(f"an item of {announced} bytes is announced, the cap is {self._cap_bytes}")
