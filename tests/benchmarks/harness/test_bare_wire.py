"""The remote floor carries what it is given, in order, however the bytes come in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from benchmarks.harness.bare_wire import BATCH, BareWire


class Socket(asyncio.Transport):
    """Keeps each write."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview[int]) -> None:
        self.writes.append(bytes(data))


async def written(count: int) -> list[bytes]:
    socket, wire = Socket(), BareWire(lambda _wire, _item: None)
    wire.connection_made(socket)
    for number in range(count):
        wire.send([number])
    await asyncio.sleep(0)
    return socket.writes


@pytest.mark.parametrize("piece_bytes", [1, 7, 10_000])
async def test_items_arrive_in_order_in_whatever_pieces(piece_bytes: int) -> None:
    items: list[Any] = []
    wire = BareWire(lambda _, item: items.append(item))
    stream = b"".join(await written(BATCH + 44))

    for at in range(0, len(stream), piece_bytes):
        wire.data_received(stream[at : at + piece_bytes])

    assert items == [[number] for number in range(BATCH + 44)]


async def test_one_tick_is_one_write_up_to_a_batch() -> None:
    assert [len(await written(count)) for count in (1, BATCH, BATCH + 1)] == [1, 1, 2]
