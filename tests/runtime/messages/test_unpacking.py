"""What a value from outside may cost to decode."""

from __future__ import annotations

import contextlib
import random
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from coterie.runtime.messages import unpacking
from coterie.runtime.messages.unpacking import (
    COUNTED_BYTES,
    INT_KEYS_MAX,
    WALKED_BYTES,
    RecordedUnpacker,
    allowed_parts,
    parts_max,
    unpack_recorded,
    unpack_value,
)

LONG = 200_000

pack: Callable[[object], bytes] = msgpack.Packer().pack


def array(unit: bytes, count: int) -> bytes:
    return b"\xdd" + struct.pack(">I", count) + unit * count


def filled(packed: bytes, size: int) -> bytes:
    """Return an array of a packed value and a bytes value, in exactly `size` bytes."""
    return b"\x92" + packed + b"\xc6" + struct.pack(">I", size - len(packed) - 6) + bytes(size - len(packed) - 6)


def refused(data: bytes) -> bool:
    try:
        unpack_value(data)
    except (ValueError, msgpack.UnpackException):
        return True
    return False


@pytest.mark.parametrize(
    ("unit", "parts"),
    [(b"\x90", 1), (b"\x91\xc0", 1), (b"\x80", 4), (b"\x81\xa1a\xc0", 6), (b"\x82\xa1a\xc0\xa1b\x90", 9)],
)
def test_so_many_parts_are_decoded_and_no_more(unit: bytes, parts: int) -> None:
    count = (parts_max(LONG) - 2) // parts  # the outer array, and the array of the parts

    assert allowed_parts(filled(array(unit, count), LONG)) is None
    assert not refused(filled(array(unit, count), LONG))
    assert allowed_parts(filled(array(unit, count + 1), LONG)) == parts_max(LONG)
    assert refused(filled(array(unit, count + 2), LONG))


def test_the_entries_of_one_map_are_parts_of_it() -> None:
    count = (parts_max(LONG) - 5) // 2
    fits, exceeds = ({number.to_bytes(3, "big"): None for number in range(many)} for many in (count, count + 2))

    assert not refused(filled(pack(fits), LONG))
    assert allowed_parts(filled(pack(exceeds), LONG)) == parts_max(LONG)
    assert refused(filled(pack(exceeds), LONG))


def test_what_the_sender_lets_pass_the_receiver_decodes_in_a_frame() -> None:
    rng = random.Random(5)
    for _ in range(60):
        unit, parts = rng.choice([(b"\x90", 1), (b"\x80", 4), (b"\x81\x01\x02", 6)])
        size = rng.choice([COUNTED_BYTES - 1, COUNTED_BYTES, COUNTED_BYTES + 1, COUNTED_BYTES + 17, LONG])
        count = min(parts_max(size) // parts + rng.randrange(-3, 3), (size - 20) // len(unit))
        item = filled(array(unit, count), size)

        if allowed_parts(item) is None:
            assert not refused(b"\x91" + item), (unit, size, count)
            assert not refused(b"\xdc\x00\x01" + item), (unit, size, count)


def test_short_values_may_have_any_number_of_parts() -> None:
    assert len(unpack_value(array(b"\x80", COUNTED_BYTES - 5))) == COUNTED_BYTES - 5
    assert allowed_parts(array(b"\x80", COUNTED_BYTES - 5)) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: random.Random(1).randbytes(3_000_000),
        lambda: "Ωmega 漢字 😀 " * 100_000,
        lambda: tuple((number, f"row {number}", number / 7) for number in range(60_000)),
        lambda: tuple(range(300_000)),
        lambda: {f"key {number}": number for number in range(40_000)},
        lambda: tuple((number, 1.5 * number) for number in range(30_000)),
    ],
    ids=["bytes", "text", "rows", "numbers", "map", "pairs"],
)
def test_large_honest_values_are_decoded(make: Callable[[], Any]) -> None:
    value = make()
    packed = pack(value)

    assert len(packed) > COUNTED_BYTES
    assert allowed_parts(packed) is None
    assert allowed_parts(packed, value) is None
    assert unpack_value(packed) == value


def test_the_parts_beside_a_long_text_are_counted_too() -> None:
    value = ("x" * 20_000, ((),) * 150_000)
    packed = pack(value)

    assert allowed_parts(packed, value) == parts_max(len(packed))


@pytest.mark.parametrize("header", [b"\xdd\x00\x01\x80\x00", b"\xdc\xff\xff", b"\xdf\x00\x00\xc0\x00", b"\xde\xff\xff"])
def test_announced_lengths_reserve_nothing(header: bytes) -> None:
    data = header * 1000 + b"\xc0" * (100_000 - 1000 * len(header))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        with pytest.raises(msgpack.OutOfData):
            unpack_value(data)
        with pytest.raises(msgpack.OutOfData):
            unpack_recorded(data)
        with contextlib.suppress(msgpack.OutOfData):
            allowed_parts(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak - before < 3 * len(data)


def test_short_values_with_false_lengths_reserve_little() -> None:
    data = b"\xdc\x03\xf0" * (WALKED_BYTES // 3 - 5) + b"\xc0" * 15
    tracemalloc.start()
    try:
        assert refused(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 4_000_000


@pytest.mark.parametrize("size", [10, WALKED_BYTES, WALKED_BYTES + 1, COUNTED_BYTES + 100])
@pytest.mark.parametrize("tail", [b"\xc0", b"\x91", b"junk"])
def test_data_after_the_value_is_refused(size: int, tail: bytes) -> None:
    data = pack(bytes(size))

    with pytest.raises(ValueError, match="extra"):
        unpack_value(data + tail)


@pytest.mark.parametrize("extension", [b"\xd4\x01a", b"\xd6\xff\x00\x00\x00\x01", b"\xc7\x00\x01", b"\xc7\x03\x01abc"])
@pytest.mark.parametrize("before", [0, 2 * WALKED_BYTES, 2 * COUNTED_BYTES])
def test_extension_types_are_refused(extension: bytes, before: int) -> None:
    with pytest.raises(ValueError, match="ext"):
        unpack_value(b"\x92" + pack(bytes(before)) + extension)


@pytest.mark.parametrize("count", [10, 4096, 4097, 9000])
def test_maps_of_any_size_keep_their_entries_and_their_order(count: int) -> None:
    entries = {(number if number < 1000 else str(number)): number for number in range(count)}

    assert list(unpack_value(pack(entries)).items()) == list(entries.items())


def test_the_last_of_equal_keys_counts_in_a_large_map() -> None:
    entries = b"".join(pack(str(number % 5000)) + pack(number) for number in range(10_000))

    found = unpack_value(b"\xdf" + struct.pack(">I", 10_000) + entries)

    assert found == {str(number): number + 5000 for number in range(5000)}


def test_what_is_in_a_log_is_decoded_whatever_its_number_of_parts() -> None:
    data = array(b"\x90", LONG)

    assert refused(data)
    assert unpack_recorded(data) == ((),) * LONG


def test_a_recorded_value_with_keys_whose_hash_can_be_computed_is_refused() -> None:
    with pytest.raises(ValueError, match="a map has a key of type"):
        unpack_recorded(b"\x81\xca\x00\x00\x00\x00\xc0")


def test_a_bound_of_parts_is_never_below_their_number() -> None:
    rng = random.Random(9)
    for _ in range(200):
        value = [rng.choice([(), {}, {"a": 1}, [[]], "x" * 40, 5, b"\x90"]) for _ in range(rng.randrange(40))]
        counted = unpacking._Parts(10**9)
        packed = pack(value)
        unpacking._unpackb(packed, object_pairs_hook=counted.map_of, list_hook=counted.array_of)
        has_maps = any(isinstance(part, dict) for part in value)

        assert unpacking._most_parts(packed) >= (0 if has_maps else 10**9 - counted.left)


def test_a_map_has_no_more_int_keys_than_may_collide() -> None:
    most = dict.fromkeys(range(INT_KEYS_MAX))
    assert unpack_value(pack(most)) == most
    mixed: dict[Any, Any] = {**most, **{f"text {number}": None for number in range(5000)}, None: 1, True: 2}
    mixed.pop(1)
    assert unpack_value(pack(mixed)) == mixed
    for keys in (range(INT_KEYS_MAX + 1), range(2**63, 2**63 + 30_000)):
        packed = pack(dict.fromkeys(keys))
        with pytest.raises(ValueError, match="keys of type int, which may collide: at most 1024"):
            unpack_value(packed)
        assert len(unpack_recorded(packed)) == len(keys)


def outcome(unpack: Callable[[bytes], Any], data: bytes) -> Any:
    try:
        return unpack(data)
    except (ValueError, TypeError, msgpack.UnpackException):
        return "refused"


def test_a_reused_unpacker_gives_what_a_new_one_gives_whatever_came_before() -> None:
    rng = random.Random(4)
    kept = RecordedUnpacker()
    parts = [b"\x92", b"\xa2ab", b"\xc0", b"\x05", b"\x81\x01", b"\xdc\x00\x03", b"\xdd\xff\xff\xff\xff", b"\xc4\x02xy"]
    parts += [b"\xc1", b"\xd4\x01\x00", b"\x90", b"\xc6\x00\x00\xff\xff", b"\x81\xca\x00\x00\x00\x00\xc0", b"z" * 300]
    found = []
    for _ in range(20_000):
        data = b"".join(rng.choices(parts, k=rng.randrange(8)))
        found.append(outcome(kept.unpack, data))
        assert found[-1] == outcome(unpack_recorded, data), data
    assert 1000 < found.count("refused") < 19_000
    long = pack(["x"] * LONG)
    assert kept.unpack(long) == unpack_recorded(long)


def test_a_reused_unpacker_does_not_grow() -> None:
    kept = RecordedUnpacker()
    data = pack(["kv.Put", [b"key", b"v" * 900]])
    for _ in range(100):
        kept.unpack(data)
    tracemalloc.start()
    try:
        for _ in range(50_000):  # 46 MB
            kept.unpack(data)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
