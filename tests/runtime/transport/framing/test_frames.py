from __future__ import annotations

import contextlib
import random
import struct
import zlib

import pytest

from coterie.errors import BrokenFrame
from coterie.runtime.transport.framing.frames import CODE_BYTES, COVERED_BYTES, HEADER_BYTES, FrameDecoder, FrameEncoder

CAP_BYTES = 1000
PAYLOADS = [b"", b"a", b"some payload", bytes(range(256)), b"x" * CAP_BYTES]


def encoded(payloads: list[bytes]) -> bytes:
    encoder = FrameEncoder()
    return b"".join(encoder.encode(payload) for payload in payloads)


def drain(decoder: FrameDecoder) -> list[bytes]:
    payloads = []
    while (payload := decoder.next_payload()) is not None:
        payloads.append(payload)
    return payloads


def test_frames_come_out_as_they_went_in() -> None:
    decoder = FrameDecoder(CAP_BYTES)

    decoder.feed(encoded(PAYLOADS))

    assert drain(decoder) == PAYLOADS
    assert decoder.held_bytes == 0


def test_layout_is_length_sequence_checksum_payload() -> None:
    frame = encoded([b"first", b"second"])[HEADER_BYTES + 5 :]

    covered = struct.pack(">II", 6, 1)
    assert frame == covered + struct.pack(">I", zlib.crc32(covered + b"second")) + b"second"


def test_every_cut_of_the_stream_gives_the_same_payloads() -> None:
    stream = encoded([b"", b"one", b"two and more"])
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            decoder = FrameDecoder(CAP_BYTES)
            payloads = []
            for part in (stream[:first], stream[first:second], stream[second:]):
                decoder.feed(part)
                payloads += drain(decoder)
            assert payloads == [b"", b"one", b"two and more"]


def test_single_bytes_give_the_same_payloads() -> None:
    decoder = FrameDecoder(CAP_BYTES)
    payloads = []
    for byte in encoded(PAYLOADS):
        decoder.feed(bytes([byte]))
        payloads += drain(decoder)
    assert payloads == PAYLOADS


def test_payloads_may_be_taken_late() -> None:
    decoder = FrameDecoder(CAP_BYTES)
    stream = encoded(PAYLOADS)
    for at in range(0, len(stream), 7):
        decoder.feed(stream[at : at + 7])
    assert drain(decoder) == PAYLOADS


def test_no_flipped_bit_passes() -> None:
    sound = [b"one", b"two", b"three"]
    stream = encoded(sound)
    for at in range(len(stream)):
        for bit in range(8):
            damaged = bytearray(stream)
            damaged[at] ^= 1 << bit
            decoder = FrameDecoder(CAP_BYTES)
            decoder.feed(bytes(damaged))
            payloads = []
            # A longer length may ask for bytes that never came: then the rest is waited for, never handed out.
            try:
                payloads = drain(decoder)
                assert decoder.held_bytes > 0
            except BrokenFrame:
                pass
            assert payloads == sound[: len(payloads)]
            assert len(payloads) < len(sound)


def test_nothing_wrong_comes_out_of_random_mutations() -> None:
    rng = random.Random(7)
    sound = [rng.randbytes(rng.randrange(40)) for _ in range(6)]
    stream = encoded(sound)
    for _ in range(3000):
        damaged = mutated(stream, rng)
        decoder = FrameDecoder(CAP_BYTES)
        payloads: list[bytes] = []
        try:
            while damaged:
                size = rng.randrange(1, 60)
                decoder.feed(damaged[:size])
                damaged = damaged[size:]
                while (payload := decoder.next_payload()) is not None:
                    payloads.append(payload)
        except BrokenFrame:
            pass
        assert payloads == sound[: len(payloads)]


def mutated(stream: bytes, rng: random.Random) -> bytes:
    """Cut out, double, move or overwrite a part of `stream`."""
    start = rng.randrange(len(stream))
    part = stream[start : start + rng.randrange(1, 40)]
    rest = stream[:start] + stream[start + len(part) :]
    at = rng.randrange(len(rest) + 1)
    match rng.randrange(4):
        case 0:
            return rest
        case 1:
            return stream[:at] + part + stream[at:]
        case 2:
            return rest[:at] + part + rest[at:]
        case _:
            return stream[:start] + rng.randbytes(len(part)) + stream[start + len(part) :]


def test_a_frame_left_out_is_noticed() -> None:
    encoder = FrameEncoder()
    first, _, third = encoder.encode(b"1"), encoder.encode(b"2"), encoder.encode(b"3")
    decoder = FrameDecoder(CAP_BYTES)
    decoder.feed(first + third)

    assert decoder.next_payload() == b"1"
    with pytest.raises(BrokenFrame, match="frame 2 arrived where frame 1 was due"):
        decoder.next_payload()


def test_a_frame_that_comes_twice_is_noticed() -> None:
    frame = FrameEncoder().encode(b"1")
    decoder = FrameDecoder(CAP_BYTES)
    decoder.feed(frame + frame)

    assert decoder.next_payload() == b"1"
    with pytest.raises(BrokenFrame, match="frame 0 arrived where frame 1 was due"):
        decoder.next_payload()


def test_sequence_wraps_around() -> None:
    encoder, decoder = FrameEncoder(), FrameDecoder(CAP_BYTES)
    encoder._sequence = decoder._sequence = 2**32 - 1

    decoder.feed(encoder.encode(b"last") + encoder.encode(b"first"))

    assert drain(decoder) == [b"last", b"first"]


def test_payload_at_the_cap_passes_and_one_byte_more_does_not() -> None:
    decoder = FrameDecoder(10)
    decoder.feed(encoded([b"x" * 10, b"x" * 11]))

    assert decoder.next_payload() == b"x" * 10
    with pytest.raises(BrokenFrame, match="a frame of 11 bytes is announced, the cap is 10"):
        decoder.next_payload()


def test_cap_is_checked_before_the_payload_is_waited_for() -> None:
    decoder = FrameDecoder(CAP_BYTES)
    decoder.feed(struct.pack(">III", CAP_BYTES + 1, 0, 0))  # the header alone

    with pytest.raises(BrokenFrame):
        decoder.next_payload()
    assert decoder.held_bytes == 0


def test_nothing_is_kept_after_damage() -> None:
    decoder = FrameDecoder(CAP_BYTES)
    decoder.feed(b"\xff" * HEADER_BYTES)
    with pytest.raises(BrokenFrame):
        decoder.next_payload()

    decoder.feed(encoded([b"sound"]) * 1000)

    assert decoder.held_bytes == 0
    with pytest.raises(BrokenFrame):
        decoder.next_payload()


def test_held_bytes_never_exceed_cap_header_and_one_feed() -> None:
    decoder = FrameDecoder(CAP_BYTES)
    stream = encoded([b"x" * CAP_BYTES] * 20)
    for at in range(0, len(stream), 100):
        decoder.feed(stream[at : at + 100])
        assert len(decoder._bytes) <= CAP_BYTES + HEADER_BYTES + 100
        drain(decoder)


def test_cap_may_rise_between_two_frames_of_one_feed() -> None:
    decoder = FrameDecoder(10)
    decoder.feed(encoded([b"hello", b"x" * 100]))

    assert decoder.next_payload() == b"hello"
    decoder.cap_bytes = 100
    assert decoder.next_payload() == b"x" * 100


def test_http_is_no_frame() -> None:
    decoder = FrameDecoder(4096)
    decoder.feed(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(BrokenFrame):
        decoder.next_payload()


KEY = b"k" * 32


def sealed(payloads: list[bytes], key: bytes = KEY) -> bytes:
    encoder = FrameEncoder()
    encoder.seal(key)
    return b"".join(encoder.encode(payload) for payload in payloads)


def unsealing(key: bytes = KEY) -> FrameDecoder:
    decoder = FrameDecoder(CAP_BYTES)
    decoder.unseal(key)
    return decoder


def test_sealed_frames_come_out_as_they_went_in_byte_by_byte() -> None:
    decoder, payloads = unsealing(), []
    for byte in sealed(PAYLOADS):
        decoder.feed(bytes([byte]))
        payloads += drain(decoder)
    assert payloads == PAYLOADS


def test_frames_are_sealed_from_one_payload_to_the_next() -> None:
    encoder, decoder = FrameEncoder(), FrameDecoder(CAP_BYTES)
    first = encoder.encode(b"welcome")
    encoder.seal(KEY)

    decoder.feed(first + encoder.encode(b"an item"))

    assert decoder.next_payload() == b"welcome"
    decoder.unseal(KEY)
    assert decoder.next_payload() == b"an item"


def test_no_flipped_bit_of_a_sealed_frame_passes() -> None:
    sound = [b"one", b"two"]
    stream = sealed(sound)
    for at in range(len(stream)):
        for bit in range(8):
            damaged = bytearray(stream)
            damaged[at] ^= 1 << bit
            decoder, taken = unsealing(), []
            decoder.feed(bytes(damaged))
            with contextlib.suppress(BrokenFrame):
                taken = drain(decoder)
            assert len(taken) < len(sound)
            assert taken == sound[: len(taken)]


def test_who_has_no_key_can_make_no_frame_and_repeat_none() -> None:
    first, second = sealed([b"one"]), sealed([b"one", b"two"])[len(sealed([b"one"])) :]
    plain = struct.pack(">II", 3, 0)
    forged = [
        encoded([b"one"]),  # a CRC alone
        plain + zlib.crc32(plain + b"one").to_bytes(4, "big") + bytes(CODE_BYTES - 4) + b"one",
        sealed([b"one"], key=b"o" * 32),
        second,  # one left out
        first + first,  # one repeated
        first[:COVERED_BYTES] + bytes(CODE_BYTES) + b"one",
    ]
    for stream in forged:
        decoder = unsealing()
        decoder.feed(stream + bytes(64))
        with pytest.raises(BrokenFrame):
            drain(decoder)


def test_a_code_of_one_direction_does_not_fit_the_other() -> None:
    decoder = unsealing(b"the key of the other direction..")
    decoder.feed(sealed([b"one"]))
    with pytest.raises(BrokenFrame, match="checksum of frame 0"):
        decoder.next_payload()


def test_a_frame_does_not_count_again_when_the_sequence_begins_anew() -> None:
    encoder, decoder = FrameEncoder(), unsealing()
    encoder.seal(KEY)
    first = encoder.encode(b"first")
    decoder.feed(first)
    assert drain(decoder) == [b"first"]
    encoder._sequence = decoder._sequence = 2**32 - 1
    decoder.feed(encoder.encode(b"last"))
    assert drain(decoder) == [b"last"]

    honest = encoder.encode(b"first")
    assert honest[:COVERED_BYTES] == first[:COVERED_BYTES]
    decoder.feed(honest)
    assert drain(decoder) == [b"first"]
    decoder._sequence = 0
    decoder.feed(first)
    with pytest.raises(BrokenFrame, match="checksum"):
        drain(decoder)
