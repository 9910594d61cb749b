"""Commands that a leader leaves out of a batch: which they are, and where their refusals go in the answer."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.sessions import (
    Done,
    Malformed,
    NotActive,
    Replies,
    SessionId,
    decode_replies,
    decode_reply,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_reply,
    encode_session_command,
    is_batch,
    machine_commands,
    with_refusals,
    without_commands,
)

SESSION = SessionId(bytes(16))
PLAIN, OPENING = encode_plain(b"read"), encode_open_session(bytes(16))
COMMAND = encode_session_command(SESSION, 1, 1, b"write")


def payloads(command: bytes) -> list[bytes | None]:
    return [command[start:end] if end else None for start, end in machine_commands(command)]


@pytest.mark.parametrize(
    ("command", "found"),
    [
        (PLAIN, [b"read"]),
        (COMMAND, [b"write"]),
        (OPENING, [None]),
        (COMMAND[:20], [None]),
        (b"", [None]),
        (b"\x63garbage", [None]),
        (encode_batch([PLAIN, OPENING, COMMAND, b""]), [b"read", None, b"write", None]),
        (encode_batch([PLAIN])[:-1], [None]),
        (encode_batch([]), []),
    ],
)
def test_the_commands_of_the_machine_are_found_in_every_frame(command: bytes, found: list[bytes | None]) -> None:
    assert payloads(command) == found


def test_a_batch_of_one_is_a_batch() -> None:
    assert [is_batch(each) for each in (PLAIN, COMMAND, b"", encode_batch([PLAIN]))] == [False, False, False, True]


def test_a_lone_refusal_is_the_whole_answer() -> None:
    refusal = NotActive("'shop.Bönus' is not active")
    assert decode_reply(with_refusals(None, {0: refusal}, is_batch=False)) == refusal


def test_every_caller_of_a_batch_gets_its_own_answer_whatever_is_left_out() -> None:
    rng = random.Random(1)
    for _ in range(300):
        parts = [encode_session_command(SESSION, at + 1, 1, b"%d" % at) for at in range(rng.randint(1, 9))]
        refusals = {at: NotActive(f"no {at}") for at in range(len(parts)) if rng.random() < 0.5}
        left = without_commands(encode_batch(parts), refusals)
        kept = [] if left is None else payloads(left)
        answer = encode_reply(Replies([Done(payload or b"") for payload in kept])) if kept else None

        whole = decode_replies(with_refusals(answer, refusals, is_batch=True))

        assert whole == [refusals.get(at) or Done(b"%d" % at) for at in range(len(parts))]


def test_other_replies_stay_what_they_are() -> None:
    answer = encode_reply(Replies([Malformed()]))
    assert decode_replies(with_refusals(answer, {}, is_batch=True)) == [Malformed()]
