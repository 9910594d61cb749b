from __future__ import annotations

import struct

import pytest

from coterie.errors import BrokenFrame
from coterie.runtime.transport.framing.chunks import ChunkAssembler, OversizedItem, encode_chunk
from coterie.runtime.transport.framing.items import ItemPacker, unpack_items

CAP_BYTES = 1000
HEADER = struct.Struct(">cBI")


def chunk(lane: int, to_come: int, data: bytes) -> bytes:
    return HEADER.pack(b"\xc1", lane, to_come) + data


@pytest.mark.parametrize("size", [1, 7, 99, 100, 101, 999, 1000])
def test_an_item_cut_in_chunks_is_whole_again(size: int) -> None:
    packed, assembler = bytes(at % 251 for at in range(size)), ChunkAssembler((0, 1), CAP_BYTES)

    chunks = [encode_chunk(1, packed, start, 100) for start in range(0, size, 100)]
    results = [assembler.take(payload) for payload in chunks]

    assert results[:-1] == [None] * (len(chunks) - 1)
    assert results[-1] == packed
    assert assembler.held_bytes == 0
    assert chunks[0] == chunk(1, max(0, size - 100), packed[:100])


def test_chunks_of_two_lanes_may_alternate() -> None:
    assembler = ChunkAssembler((0, 1), CAP_BYTES)
    one, other = b"a" * 30, b"b" * 30

    assert assembler.take(encode_chunk(0, one, 0, 20)) is None
    assert assembler.take(encode_chunk(1, other, 0, 20)) is None
    assert assembler.held_bytes == 40
    assert assembler.take(encode_chunk(0, one, 20, 20)) == one
    assert assembler.take(encode_chunk(1, other, 20, 20)) == other


def test_no_payload_of_items_begins_like_a_chunk() -> None:
    with pytest.raises(BrokenFrame):
        unpack_items(chunk(0, 0, ItemPacker().pack("x")))


@pytest.mark.parametrize(
    "payload",
    [
        b"\xc1",
        chunk(0, 0, b""),
        chunk(0, 5, b""),
        chunk(2, 0, b"x"),
        chunk(255, 0, b"x"),
        chunk(0, CAP_BYTES, b"x"),
        chunk(0, 2**32 - 1, b"x"),
    ],
)
def test_what_cannot_be_a_first_chunk_is_broken(payload: bytes) -> None:
    assembler = ChunkAssembler((0, 1), CAP_BYTES)
    with pytest.raises(BrokenFrame):
        assembler.take(payload)
    assert assembler.held_bytes == 0


@pytest.mark.parametrize("to_come", [0, 4, 6, 900])
def test_a_chunk_that_is_not_what_was_to_come_is_broken(to_come: int) -> None:
    assembler = ChunkAssembler((0,), CAP_BYTES)
    assembler.take(chunk(0, 10, b"12345"))
    with pytest.raises(BrokenFrame, match="10 were due"):
        assembler.take(chunk(0, to_come, b"12345"))


def test_what_is_only_announced_takes_no_memory() -> None:
    assembler = ChunkAssembler((0,), 2**31)
    assembler.take(chunk(0, 2**31 - 1, b"x"))
    assert assembler.held_bytes == 1


@pytest.mark.parametrize("size", [301, 350, 1000])
def test_of_an_item_larger_than_what_is_kept_only_the_head_is_held(size: int) -> None:
    packed, assembler = bytes(at % 251 for at in range(size)), ChunkAssembler((0, 1), CAP_BYTES, kept_bytes=300)

    results = []
    for start in range(0, size, 100):
        results.append(assembler.take(encode_chunk(0, packed, start, 100)))
        assert assembler.held_bytes <= 64
    kept = assembler.take(encode_chunk(0, packed[:300], 0, 300))

    assert results == [None] * (len(results) - 1) + [OversizedItem(packed[:64], size, 300)]
    assert kept == packed[:300]
    assert assembler.held_bytes == 0


def test_what_is_announced_of_a_dropped_item_must_fit_too() -> None:
    assembler = ChunkAssembler((0,), CAP_BYTES, kept_bytes=300)
    assembler.take(chunk(0, 500, b"x" * 100))

    with pytest.raises(BrokenFrame, match="500 were due"):
        assembler.take(chunk(0, 500, b"x" * 100))
    with pytest.raises(BrokenFrame, match="the cap is 1000"):
        ChunkAssembler((0,), CAP_BYTES, kept_bytes=300).take(chunk(0, 2000, b"x"))
