from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coterie.errors import OutboundFull
from coterie.runtime.transport.chunk_backlog import ChunkBacklog
from coterie.runtime.transport.framing.chunks import CHUNK_MARK, ChunkAssembler, OversizedItem
from coterie.runtime.transport.framing.items import ItemPacker, unpack_item, unpack_items
from coterie.runtime.transport.transport_state import TransportCounters

if TYPE_CHECKING:
    from collections.abc import Sequence

SOFT_BYTES, LIMIT_BYTES = 100, 1000


class Line:
    """A backlog and what it tells."""

    def __init__(self) -> None:
        self.counters = TransportCounters()
        self.emptied: list[int] = []
        self.queued = 0
        self.backlog = ChunkBacklog(
            1,
            soft_bytes=SOFT_BYTES,
            limit_bytes=LIMIT_BYTES,
            counters=self.counters,
            queued=self._count,
            emptied=self.emptied.append,
        )

    def queue(self, *items: object) -> None:
        for item in items:
            self.backlog.queue(ItemPacker().pack(item), "b")

    def received(self) -> Sequence[object]:
        """Send everything; return what comes out at the other end."""
        assembler, items = ChunkAssembler((1,), 10**6), list[object]()
        while len(self.backlog):
            payload = self.backlog.next_payload()
            assert len(payload) <= SOFT_BYTES + 6
            if not payload.startswith(CHUNK_MARK):
                items += unpack_items(payload)
            elif (packed := assembler.take(payload)) is not None:
                assert not isinstance(packed, OversizedItem)
                items.append(unpack_item(packed))
        return items

    def _count(self) -> None:
        self.queued += 1


def test_items_of_all_sizes_keep_their_order() -> None:
    line, items = Line(), [b"x" * 250, 1, 2, b"y" * 101, b"z" * 90, 3, b"w" * 100, 4]
    line.queue(*items)

    assert line.received() == items
    assert line.queued == line.counters.items_out == len(items)
    assert line.emptied == [1]
    assert line.backlog.size_bytes == 0


def test_the_first_item_is_taken_however_large_and_what_waits_behind_it_is_bounded() -> None:
    line = Line()
    line.queue(b"x" * 5000, b"y" * 997)

    with pytest.raises(OutboundFull) as caught:
        line.queue("")

    assert (caught.value.pending_bytes, caught.value.limit_bytes, caught.value.size_bytes) == (1000, LIMIT_BYTES, 1)
    assert line.counters.items_refused == 1
    assert line.received() == [b"x" * 5000, b"y" * 997]


def test_room_comes_back_with_whole_items() -> None:
    line = Line()
    line.queue(b"x" * 500, b"y" * 900)
    with pytest.raises(OutboundFull):
        line.queue(b"z" * 500)
    while len(line.backlog) > 1:
        line.backlog.next_payload()
    line.queue(b"z" * 500)
    assert len(line.backlog) == 2
