"""`ChunkBacklog`: cuts a large item into chunks, and queues items of the same priority until all chunks are sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from coterie.errors import OutboundFull
from coterie.runtime.transport.framing.chunks import CHUNK_HEADER_BYTES, encode_chunk
from coterie.runtime.transport.framing.items import ARRAY_HEADER_BYTES, join, split_items
from coterie.runtime.transport.transport_state import TransportCounters

__all__ = ["ChunkBacklog"]


class ChunkBacklog:
    """Replaces a connection's queue, for one lane, until it is empty.

    It has its own bound, so a large item of one lane makes no other lane full.

    Args:
        lane: the lane of these items.
        soft_bytes: the most that goes into one frame.
        limit_bytes: how much may wait behind the first item, which is accepted at any size.
        counters: the transport's.
        queued: called after each item that was queued.
        emptied: called once, with the lane, when nothing is left; the backlog is not used after that.
    """

    __slots__ = (
        "_counters",
        "_emptied",
        "_items",
        "_limit_bytes",
        "_queued",
        "_soft_bytes",
        "_start",
        "lane",
        "size_bytes",
    )

    def __init__(
        self,
        lane: int,
        *,
        soft_bytes: int,
        limit_bytes: int,
        counters: TransportCounters,
        queued: Callable[[], None],
        emptied: Callable[[int], None],
    ) -> None:
        self.lane = lane
        self.size_bytes = 0  # of all items here; the sent part of the first one is not deducted
        self._items: deque[bytes] = deque()
        self._start = 0  # offset in the first item of its next chunk
        self._soft_bytes = soft_bytes
        self._limit_bytes = limit_bytes
        self._counters = counters
        self._queued = queued
        self._emptied = emptied

    def __len__(self) -> int:
        return len(self._items)

    def queue(self, packed: bytes, node: str) -> None:
        """Queue a packed item. `OutboundFull` (towards `node`) if there is no room."""
        size = len(packed)
        behind = self.size_bytes - len(self._items[0]) if self._items else -size
        if behind + size > self._limit_bytes:
            self._counters.items_refused += 1
            raise OutboundFull(node, size_bytes=size, pending_bytes=behind, limit_bytes=self._limit_bytes)
        self._items.append(packed)
        self.size_bytes += size
        self._queued()

    def next_payload(self) -> bytes:
        """Return the payload of the next frame: a chunk of the first item, or several small items."""
        first, soft = self._items[0], self._soft_bytes
        if len(first) <= soft:
            batch = next(split_items(self._items, soft))
            self._drop(len(batch))
            return join(batch)
        size = soft + ARRAY_HEADER_BYTES - CHUNK_HEADER_BYTES  # no frame is longer than one of several items
        payload = encode_chunk(self.lane, first, self._start, size)
        self._start += size
        if self._start >= len(first):
            self._drop(1)
        return payload

    def _drop(self, count: int) -> None:
        self._start = 0
        for _ in range(count):
            self.size_bytes -= len(self._items.popleft())
        self._counters.items_out += count
        if not self._items:
            self._emptied(self.lane)
