from __future__ import annotations

import random

import msgpack
import pytest

from coterie.errors import BadMessage
from coterie.runtime.datagrams.datagram_format import (
    MAGIC,
    VERSION,
    Datagram,
    ProcessName,
    encode_header,
    header_bytes,
    pack_body,
    parse,
    unpack_body,
)
from coterie.runtime.datagrams.dropped_datagrams import DropReason

SENDER, RECEIVER = ProcessName("n1", 2**64 - 1), ProcessName("knoten-ä", 7)
CODE = bytes(range(16))


def encoded(body: bytes = b"body") -> bytes:
    return encode_header("kv", SENDER, RECEIVER, 2**63) + body + CODE


def test_a_datagram_is_parsed_as_it_was_encoded() -> None:
    data = encoded()
    parsed = parse(data)

    assert isinstance(parsed, Datagram)
    assert (parsed.cluster, parsed.sender, parsed.receiver, parsed.sequence) == ("kv", SENDER, RECEIVER, 2**63)
    assert (parsed.covered, parsed.code) == (data[:-16], CODE)
    assert parsed.covered[parsed.body_at :] == b"body"


def test_the_bytes_of_a_datagram_are_those_of_the_page() -> None:
    assert encode_header("kv", ProcessName("n1", 1), ProcessName("n2", 2), 3) == (
        b"\xc0dg\x01" + bytes((2, 2, 2)) + b"".join(number.to_bytes(8, "big") for number in (1, 2, 3)) + b"kvn1n2"
    )


def test_the_length_of_a_header_is_known_beforehand() -> None:
    assert header_bytes("kv", "n1", "knoten-ä") == len(encode_header("kv", SENDER, RECEIVER, 1))
    assert header_bytes("kv", "ä" * 127, "n2") is not None
    assert header_bytes("kv", "ä" * 128, "n2") is None


@pytest.mark.parametrize(
    "data", [b"", b"\xc0", MAGIC, b"GET / HTTP/1.1", b"\x00" * 100, MAGIC + bytes((VERSION,)) * 45]
)
def test_what_is_no_datagram_is_garbage(data: bytes) -> None:
    assert parse(data) is DropReason.GARBAGE


def test_another_version_is_told_apart_from_garbage_whatever_follows() -> None:
    assert parse(MAGIC + bytes((VERSION + 1,))) is DropReason.VERSION
    assert parse(MAGIC + bytes((0,)) + bytes(100)) is DropReason.VERSION


def test_a_datagram_that_is_cut_short_is_never_read_beyond_its_end() -> None:
    data = encode_header("kv", SENDER, RECEIVER, 1) + CODE
    assert isinstance(parse(data), Datagram)

    assert all(parse(data[:size]) is DropReason.GARBAGE for size in range(len(data)))


def test_names_that_are_not_utf_8_are_garbage() -> None:
    data = bytearray(encoded())
    data[31] = 0xFF

    assert parse(bytes(data)) is DropReason.GARBAGE


def test_random_bytes_never_raise() -> None:
    rng = random.Random(1)
    prefix = MAGIC + bytes((VERSION,))
    for _ in range(20_000):
        data = prefix * rng.randint(0, 1) + rng.randbytes(rng.randint(0, 100))
        assert isinstance(parse(data), (Datagram, DropReason))


def test_a_body_is_unpacked_as_it_was_packed() -> None:
    row = (1, None, "text", b"bytes", (1, (2,)), {"k": 1.5})
    assert unpack_body(pack_body("some/path", "a.Type", row)) == ("some/path", "a.Type", row)


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", msgpack.packb(7), msgpack.packb(["path"]), msgpack.packb([1, "a.Type"]), msgpack.packb(["p", 2])],
)
def test_a_body_of_another_form_is_a_bad_message(body: bytes) -> None:
    with pytest.raises(BadMessage, match="the body of a datagram"):
        unpack_body(body)


def test_a_body_that_nests_without_end_is_a_bad_message() -> None:
    with pytest.raises(BadMessage):
        unpack_body(b"\x91" * 60_000)
