"""The bytes, alone."""

from __future__ import annotations

import pytest

from coterie.runtime.storage.segment_format import (
    BATCH_HEADER_BYTES,
    ITEM_HEADER_BYTES,
    SEGMENT_HEADER_BYTES,
    BadBytes,
    Item,
    ItemKind,
    SegmentHeader,
    decode_batch,
    decode_body_length,
    decode_item,
    decode_segment_header,
    encode_batch_header,
    encode_item,
    encode_segment_header,
    has_batch_after,
)

SALT = 0xDEADBEEF
TOP = 2**64 - 1


def batch(segment: int, offset: int, *bodies: bytes, salt: int = SALT) -> bytes:
    items = b"".join(encode_item(ItemKind.APPEND, 4, at, at * 10, body, salt) + body for at, body in enumerate(bodies))
    return encode_batch_header(segment, offset, len(items), salt) + items


def test_format_does_not_change_by_accident() -> None:
    # Written by format 1 once; a change here needs a new format version.
    assert encode_segment_header(SegmentHeader(2), 1).hex() == GOLDEN_SEGMENT
    assert batch(2, 36, b"body", salt=1).hex() == GOLDEN_BATCH


GOLDEN_SEGMENT = "434f5445525345470200000000000000f39c4af4"
GOLDEN_BATCH = (
    "c04241542800000002000000000000002400000000000000d6b9fcac04000000040000000000000000000000000000000000"
    "000004000000d76c146370e49c1b626f6479"
)


def test_item_survives_encoding_with_the_largest_numbers() -> None:
    data = b"before" + encode_item(ItemKind.COPY, 2**32 - 1, TOP, TOP, b"body", SALT) + b"body"
    item = decode_item(data, 6, SALT, base=100)
    assert item == Item(ItemKind.COPY, 2**32 - 1, TOP, TOP, 106, 4)
    assert (item.body_at, item.end) == (106 + ITEM_HEADER_BYTES, 106 + ITEM_HEADER_BYTES + 4)
    assert decode_body_length(data, 6, SALT) == 4


@pytest.mark.parametrize(("position", "tag"), [(-1, 0), (0, -1), (TOP + 1, 0), (0, TOP + 1)])
def test_numbers_out_of_range_are_refused(position: int, tag: int) -> None:
    with pytest.raises(ValueError, match="is not within"):
        encode_item(ItemKind.APPEND, 1, position, tag, b"", SALT)


def test_batch_survives_encoding() -> None:
    data = bytes(50) + batch(3, 50, b"one", b"", b"three") + bytes(9)
    assert [(item.position, item.tag, data[item.body_at : item.end]) for item in decode_batch(data, 50, 3, SALT)] == [
        (0, 0, b"one"),
        (1, 10, b""),
        (2, 20, b"three"),
    ]


def test_empty_batch_is_only_a_header() -> None:
    assert len(batch(1, 0)) == BATCH_HEADER_BYTES
    assert decode_batch(batch(1, 0), 0, 1, SALT) == []


def test_every_flipped_bit_of_a_batch_is_found() -> None:
    data = bytearray(batch(3, 0, b"one", b"", b"three"))
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BadBytes):
            decode_batch(bytes(data), 0, 3, SALT)
        data[bit // 8] ^= 1 << bit % 8
    assert len(decode_batch(bytes(data), 0, 3, SALT)) == 3


def test_batch_that_is_cut_anywhere_does_not_decode() -> None:
    data = batch(3, 0, b"one", b"", b"three")
    for size in range(len(data)):
        with pytest.raises(BadBytes):
            decode_batch(data[:size], 0, 3, SALT)


def test_items_must_end_where_their_batch_ends() -> None:
    whole = batch(1, 0, b"one", b"two")
    items = whole[BATCH_HEADER_BYTES:]
    shorter = encode_batch_header(1, 0, len(items) - 1, SALT) + items
    with pytest.raises(BadBytes, match="do not end where"):
        decode_batch(shorter, 0, 1, SALT)


@pytest.mark.parametrize(("segment", "offset", "salt"), [(4, 0, SALT), (3, 1, SALT), (3, 0, SALT + 1)])
def test_batch_of_another_segment_place_or_store_is_not_taken_for_ours(segment: int, offset: int, salt: int) -> None:
    with pytest.raises(BadBytes):
        decode_batch(batch(segment, offset, b"x", salt=salt), 0, 3, SALT)


def test_item_of_another_store_is_not_taken_for_ours() -> None:
    with pytest.raises(BadBytes):
        decode_item(encode_item(ItemKind.APPEND, 1, 1, 1, b"", SALT), 0, SALT ^ 1)


def test_good_header_is_found_at_any_distance_and_only_after_the_given_place() -> None:
    for gap in range(100):
        data = bytes(10) + b"\xc0" * gap + batch(1, 10 + gap) + b"tail"
        assert has_batch_after(data, 0, 1, SALT)
        assert not has_batch_after(data, 10 + gap, 1, SALT)


def test_header_inside_a_users_record_is_no_proof() -> None:
    forged = batch(1, 0, b"forged")  # right but for its place
    data = batch(1, 0, b"x" * 5 + forged)
    assert not has_batch_after(data, 0, 1, SALT)


def test_segment_header_survives_encoding_and_every_flipped_or_missing_byte_is_found() -> None:
    header = SegmentHeader(7)
    data = encode_segment_header(header, SALT)
    assert len(data) == SEGMENT_HEADER_BYTES
    assert decode_segment_header(data + b"more", 7, SALT) == header
    for at in range(len(data)):
        with pytest.raises(BadBytes):
            decode_segment_header(data[:at], 7, SALT)
        with pytest.raises(BadBytes):
            decode_segment_header(data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :], 7, SALT)
    with pytest.raises(BadBytes, match="segment 7 under the name of segment 8"):
        decode_segment_header(data, 8, SALT)
