from __future__ import annotations

import contextlib
import random
import struct
from datetime import UTC, datetime
from typing import NamedTuple

import msgpack
import pytest

from coterie.errors import BrokenFrame
from coterie.runtime.messages import unpacking
from coterie.runtime.transport.framing.items import (
    ARRAY_HEADER_BYTES,
    EMPTY,
    ITEMS_MAX,
    ItemPacker,
    join,
    split_items,
    unpack_items,
)

ITEMS: list[object] = [None, True, -5, 2**64 - 1, -(2**63), 0.5, "", "Ωmega", b"\x00\xff", (), (1, ("a", (b"b",))), {}]


def nested(levels: int) -> object:
    value: object = ()
    for _ in range(levels - 1):
        value = (value,)
    return value


def packed(items: list[object]) -> bytes:
    packer = ItemPacker()
    return join([packer.pack(item) for item in items])


def test_items_come_out_as_they_went_in() -> None:
    assert unpack_items(packed(ITEMS)) == ITEMS


@pytest.mark.parametrize("count", [0, 1, 15, 16, 65_535, 65_536])
def test_any_number_of_items_fits_the_array(count: int) -> None:
    payload = join([b"\x07"] * count)

    assert msgpack.unpackb(payload) == [7] * count
    assert len(payload) <= count + ARRAY_HEADER_BYTES


def test_a_frame_of_more_items_than_are_sent_together_is_refused() -> None:
    assert unpack_items(join([b"\x90"] * ITEMS_MAX)) == [()] * ITEMS_MAX
    with pytest.raises(BrokenFrame, match=f"holds {ITEMS_MAX + 1} items, at most {ITEMS_MAX}"):
        unpack_items(join([b"\x90"] * (ITEMS_MAX + 1)))


def test_empty_payload_is_the_array_of_nothing() -> None:
    assert unpack_items(EMPTY) == []
    assert join([]) == EMPTY


def test_arrays_arrive_as_tuples_and_maps_with_their_keys() -> None:
    item = {None: "none", 5: "int", b"b": "bytes", "s": "str", False: "bool"}

    assert unpack_items(packed([item, [1, [2]]])) == [item, (1, (2,))]


@pytest.mark.parametrize("key", [(1, 2), (), 1.5, float("inf")])
def test_a_key_whose_hash_can_be_computed_is_refused(key: object) -> None:
    with pytest.raises(BrokenFrame, match="a map has a key of type"):
        unpack_items(packed([("row", {"a": {key: 1}})]))


def test_keys_that_collide_are_refused_before_the_first_lookup() -> None:
    looked_up = 0

    class Counting(float):
        def __hash__(self) -> int:
            nonlocal looked_up
            looked_up += 1
            return 1

    with pytest.raises(ValueError, match="a map has a key of type"):
        unpacking._map_of([(Counting(number), None) for number in range(1000)])
    assert looked_up == 0


@pytest.mark.parametrize(
    ("item", "named"),
    [
        ({"a": [1, {2, 3}]}, r"item\['a'\]\[1\] is a builtins\.set"),
        ([0, object()], r"item\[1\] is a builtins\.object"),
        (2**64, r"item is a builtins\.int \(.*out of range"),
        (("x", "\ud800"), r"item\[1\] is a builtins\.str .*surrogates"),
        ({frozenset({1}): 1}, r"a key of item is a builtins\.frozenset"),
        (datetime(2026, 1, 1, tzinfo=UTC), r"item is a datetime\.datetime"),
        (1j, r"item is a builtins\.complex"),
    ],
)
def test_what_cannot_be_packed_is_named(item: object, named: str) -> None:
    with pytest.raises(TypeError, match=named):
        ItemPacker().pack(item)


def test_a_failed_pack_leaves_the_packer_as_it_was() -> None:
    packer = ItemPacker()
    with pytest.raises(TypeError):
        packer.pack(["half of this is packed", object()])

    assert packer.pack("next") == msgpack.packb("next")


@pytest.mark.parametrize("levels", [1022, 1023])
def test_what_is_packed_at_the_limit_of_nesting_can_be_unpacked(levels: int) -> None:
    item = nested(levels)
    # (Comparing such values recurses too deeply: the bytes say it all.)
    assert msgpack.packb(unpack_items(packed([item]))[0]) == msgpack.packb(item)


@pytest.mark.parametrize("levels", [1024, 1025, 1026, 5000])
def test_what_could_not_be_unpacked_is_not_packed(levels: int) -> None:
    with pytest.raises(TypeError, match="cannot be packed"):
        ItemPacker().pack(nested(levels))


def test_depth_within_a_row_is_seen_whatever_class_of_tuple_it_is() -> None:
    class Pair(NamedTuple):
        left: object
        right: object

    with pytest.raises(TypeError, match="cannot be packed"):
        ItemPacker().pack((16, Pair(nested(1023), None), "x"))


def test_an_item_that_contains_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(TypeError, match="cannot be packed"):
        ItemPacker().pack(loop)


def test_batches_keep_order_and_size() -> None:
    rng = random.Random(3)
    items = [rng.randbytes(rng.choice([1, 5, 30, 99, 100, 101, 500])) for _ in range(500)]

    split = list(split_items(items, 100))

    assert [item for batch in split for item in batch] == items
    assert all(batch and (len(batch) == 1 or sum(map(len, batch)) <= 100) for batch in split)
    assert len(split) < len(items)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc0",  # no array
        b"\x80",  # a map
        b"\x92\x01",  # too short
        b"\x91\x01\x01",  # too long
        b"\xdd\xff\xff\xff\xff",  # an array of 4 billion
        b"\x91\xdf\xff\xff\xff\xff",  # a map of 4 billion
        b"\x91\xc6\xff\xff\xff\xff",  # 4 GiB of bytes
        b"\x91\xdb\xff\xff\xff\xff",  # a string of 4 GiB
        b"\x91\xc9\xff\xff\xff\xff\x01",  # an extension of 4 GiB
        b"\x91\xc1",  # a byte that MessagePack does not use
        b"\x91\xa2\xff\xff",  # no UTF-8
        b"\x91\x81\x80\x01",  # a map as a key
        b"\x91" * 2000 + b"\xc0",  # too deep
        b"\x91\xc7\x05\xff\x00\x00\x00\x00\x00",  # a timestamp of an impossible length
    ],
)
def test_a_hostile_payload_is_a_broken_frame(payload: bytes) -> None:
    with pytest.raises(BrokenFrame):
        unpack_items(payload)


def test_random_payloads_decode_or_break_but_never_anything_else() -> None:
    rng = random.Random(11)
    sound = packed(ITEMS)
    for _ in range(5000):
        damaged = bytearray(sound)
        for _ in range(rng.randrange(1, 6)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        with contextlib.suppress(BrokenFrame):
            assert isinstance(unpack_items(bytes(damaged)), list)


def test_nested_headers_that_each_promise_a_whole_frame_cost_little() -> None:
    # Each of 900 nested arrays claims to have as many elements as the frame has bytes.
    size = 256 * 1024
    payload = struct.pack(">BI", 0xDD, size - 10) * 900
    with pytest.raises(BrokenFrame):
        unpack_items(payload + b"\xc0" * (size - len(payload)))


def test_a_batch_holds_a_bounded_number_of_items() -> None:
    items = [b"\x01"] * (2 * ITEMS_MAX + 1)

    assert [len(batch) for batch in split_items(items, 1_000_000)] == [ITEMS_MAX, ITEMS_MAX, 1]
