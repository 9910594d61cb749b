"""Commands stay in log entries permanently: each is read as it was written, and damage is noticed."""

from __future__ import annotations

import pytest

from coterie.protocols.sessions import (
    Command,
    CommandBatch,
    OpenSession,
    Plain,
    SessionCommand,
    SessionId,
    decode_command,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_session_command,
    opens_session,
)

SESSION = SessionId(bytes(range(16)))
NONCE = bytes(range(100, 116))


@pytest.mark.parametrize(
    ("data", "command"),
    [
        (encode_plain(b"abc"), Plain(b"abc")),
        (encode_plain(b""), Plain(b"")),
        (encode_open_session(NONCE), OpenSession(NONCE)),
        (encode_session_command(SESSION, 4, 5, b"abc"), SessionCommand(SESSION, 4, 5, b"abc")),
        (encode_session_command(SESSION, 4, 5, b""), SessionCommand(SESSION, 4, 5, b"")),
        (encode_batch([]), CommandBatch([])),
        (encode_batch([b"", b"abc", encode_batch([b"d"])]), CommandBatch([b"", b"abc", encode_batch([b"d"])])),
    ],
)
def test_command_is_decoded_as_it_was_encoded(data: bytes, command: Command) -> None:
    assert decode_command(data) == command


@pytest.mark.parametrize("number", [-1, 2**64])
def test_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="64"):
        encode_session_command(SESSION, number, 1, b"")


@pytest.mark.parametrize("length", [0, 15, 17])
def test_id_and_nonce_of_another_length_are_refused_instead_of_padded_or_cut(length: int) -> None:
    with pytest.raises(ValueError, match=f"16 bytes, this one has {length}"):
        encode_open_session(bytes(length))
    with pytest.raises(ValueError, match=f"16 bytes, this one has {length}"):
        encode_session_command(SessionId(bytes(length)), 1, 1, b"")


@pytest.mark.parametrize("at", range(1, 21))
def test_batch_that_is_cut_is_refused(at: int) -> None:
    data = encode_batch([b"abc", b"defgh"])
    assert len(data) == 21

    with pytest.raises(ValueError, match="kind"):
        decode_command(data[:at])
    with pytest.raises(ValueError, match="kind"):
        decode_command(data + bytes(at))


def test_batch_that_claims_to_be_enormous_is_refused_before_anything_of_that_size_is_made() -> None:
    with pytest.raises(ValueError, match="4294967295 parts of kind 3 do not fit into 105 bytes"):
        decode_command(b"\x03\xff\xff\xff\xff" + bytes(100))


def test_only_an_opening_is_one() -> None:
    commands = [
        encode_open_session(NONCE),
        encode_plain(b"\x01"),
        encode_batch([encode_open_session(NONCE)]),
        encode_session_command(SESSION, 1, 1, b""),
        b"",
    ]

    assert [opens_session(command) for command in commands] == [True, False, False, False, False]


def test_durable_form_of_each_command_stays_as_it_is() -> None:
    forms = [
        encode_plain(b"p"),
        encode_open_session(NONCE),
        encode_session_command(SESSION, 2, 3, b"p"),
        encode_batch([b"a", b"bc"]),
    ]

    assert [form.hex() for form in forms] == [
        "0070",
        "01" + "6465666768696a6b6c6d6e6f70717273",
        "02" + "000102030405060708090a0b0c0d0e0f" + "0000000000000002" + "0000000000000003" + "70",
        "0300000002" + "00000001" + "00000002" + "616263",
    ]
