"""Replies cross the wire: each is read as it was written, and damage is noticed."""

from __future__ import annotations

import pytest

from coterie.protocols.sessions import (
    Done,
    Malformed,
    Opened,
    Replies,
    Reply,
    SessionFull,
    SessionId,
    StaleCommand,
    UnknownSession,
    decode_replies,
    decode_reply,
    encode_reply,
)


@pytest.mark.parametrize(
    "reply",
    [
        Done(b"abc"),
        Done(b""),
        Opened(SessionId(7)),
        StaleCommand(2**64 - 1),
        SessionFull(3),
        UnknownSession(),
        Malformed(),
    ],
)
def test_reply_is_decoded_as_it_was_encoded(reply: Reply) -> None:
    assert decode_reply(encode_reply(reply)) == reply


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x03x", b"\x05x", b"\x02" + bytes(9), b"\x09"])
def test_malformed_reply_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="kind"):
        decode_reply(data)


def test_replies_to_a_batch_are_decoded_as_they_were_encoded() -> None:
    replies: list[Reply] = [Done(b"abc"), StaleCommand(4), Malformed(), Done(b"")]

    assert decode_replies(encode_reply(Replies(replies))) == replies
    assert decode_replies(encode_reply(Replies([]))) == []


@pytest.mark.parametrize("data", [b"", encode_reply(Done(b"abc")), encode_reply(Replies([Done(b"a")]))[:-1]])
def test_what_is_no_reply_to_a_batch_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="kind"):
        decode_replies(data)
