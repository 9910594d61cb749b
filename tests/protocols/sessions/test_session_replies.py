"""Replies cross the wire: each is read as it was written, and damage is noticed."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.sessions import (
    BatchReply,
    Deferred,
    Done,
    Malformed,
    Opened,
    Replies,
    Reply,
    SessionFull,
    SessionId,
    StaleCommand,
    TooLarge,
    UnknownSession,
    Withheld,
    decode_replies,
    decode_reply,
    encode_reply,
    fit_reply,
)


@pytest.mark.parametrize(
    "reply",
    [
        Done(b"abc"),
        Done(b""),
        Opened(SessionId(bytes(range(16)))),
        StaleCommand(2**64 - 1),
        SessionFull(3),
        UnknownSession(),
        Malformed(),
    ],
)
def test_reply_is_decoded_as_it_was_encoded(reply: Reply) -> None:
    assert decode_reply(encode_reply(reply)) == reply


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x03x", b"\x05x", b"\x02" + bytes(9), b"\x07", b"\x08" + bytes(9), b"\x0ax", b"\x0b"]
)
def test_malformed_reply_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="kind"):
        decode_reply(data)


def test_replies_to_a_batch_are_decoded_as_they_were_encoded() -> None:
    replies: list[BatchReply] = [Done(b"abc"), StaleCommand(4), Malformed(), Deferred(), Done(b"")]

    assert decode_replies(encode_reply(Replies(replies))) == replies
    assert decode_replies(encode_reply(Replies([]))) == []


@pytest.mark.parametrize("data", [b"", encode_reply(Done(b"abc")), encode_reply(Replies([Done(b"a")]))[:-1]])
def test_what_is_no_reply_to_a_batch_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="kind"):
        decode_replies(data)


def test_wire_form_of_each_reply_stays_as_it_is() -> None:
    replies: list[BatchReply | Replies] = [
        Done(b"p"),
        Opened(SessionId(bytes(range(16)))),
        StaleCommand(2),
        UnknownSession(),
        SessionFull(3),
        Malformed(),
        Replies([Done(b"a"), Malformed()]),
        Deferred(),
    ]

    assert [encode_reply(reply).hex() for reply in replies] == [
        "0070",
        "01000102030405060708090a0b0c0d0e0f",
        "020000000000000002",
        "03",
        "040000000000000003",
        "05",
        "0600000002" + "00000002" + "00000001" + "0061" + "05",
        "0a",
    ]
    assert fit_reply(encode_reply(Done(bytes(99))), 8).hex() == "080000006400000008"
    assert fit_reply(encode_reply(Replies([Done(bytes(99))])), 100).hex() == "0600000001" + "00000005" + "0700000064"


# Within a limit.


def test_replies_that_fit_are_sent_as_they_are() -> None:
    replies = Replies([Done(b"abc"), Done(b"d")])
    encoded = encode_reply(replies)

    assert fit_reply(encode_reply(replies), len(encoded)) == encoded


def test_one_reply_beyond_the_limit_is_too_large_whether_alone_or_in_a_batch() -> None:
    large = Done(bytes(200))

    alone = decode_reply(fit_reply(encode_reply(large), 100))
    together = decode_replies(fit_reply(encode_reply(Replies([Done(b"a"), large, Done(b"b")])), 100))

    assert alone == TooLarge(201, 100)
    assert together == [Done(b"a"), TooLarge(201, 100), Done(b"b")]


def test_the_first_replies_that_fit_are_kept_and_markers_stand_for_the_others() -> None:
    replies = Replies([Done(bytes(40)), Done(bytes(50)), Done(b"x"), Done(bytes(20))])

    sent = decode_replies(fit_reply(encode_reply(replies), 119))

    assert sent == [Done(bytes(40)), Withheld(51), Done(b"x"), Done(bytes(20))]


def test_a_reply_for_which_there_is_no_room_now_is_withheld_and_not_called_too_large() -> None:
    alone = decode_reply(fit_reply(encode_reply(Done(bytes(80))), 100, 50))
    replies = Replies([Done(b"a"), Done(bytes(80)), Done(bytes(200))])
    together = decode_replies(fit_reply(encode_reply(replies), 100, 50))

    assert alone == Withheld(81)
    assert together == [Done(b"a"), Withheld(81), TooLarge(201, 100)]


def test_a_reply_that_does_not_show_an_execution_is_never_replaced_by_a_marker_that_does() -> None:
    replies = Replies([StaleCommand(1), SessionFull(2), UnknownSession(), Malformed(), Deferred(), Done(bytes(99))])

    sent = decode_replies(fit_reply(encode_reply(replies), 1))

    assert sent == [StaleCommand(1), SessionFull(2), UnknownSession(), Malformed(), Deferred(), TooLarge(100, 1)]


@pytest.mark.parametrize("seed", range(20))
def test_every_command_of_a_batch_gets_its_reply_or_the_true_marker_within_the_limit(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        kinds: list[Reply] = [Done(rng.randbytes(rng.randrange(80))), StaleCommand(7), UnknownSession()]
        replies = [rng.choice(kinds) for _ in range(rng.randrange(1, 12))]
        max_bytes = rng.randrange(5 + 13 * len(replies), 600)

        encoded = fit_reply(encode_reply(Replies(list(replies))), max_bytes)

        assert len(encoded) <= max_bytes
        for reply, sent in zip(replies, decode_replies(encoded), strict=True):
            size = len(encode_reply(reply))
            assert sent == reply or sent == (Withheld(size) if size <= max_bytes else TooLarge(size, max_bytes))
