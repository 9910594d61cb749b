"""Reads are answered in slices, in turns between askers, within bounds, and only while somebody waits."""

from __future__ import annotations

from coterie.actors.groups.replicas.read_queue import ALL_READ_BYTES, READING_BYTES, ReadQueue, ReadRoom
from coterie.protocols.sessions import (
    Deferred,
    Done,
    Malformed,
    PlainReads,
    decode_replies,
    decode_reply,
    encode_batch,
    encode_open_session,
    encode_plain,
)
from coterie.protocols.sessions.deduplication import BATCH_COMMANDS_MAX, BATCH_REPLY_BYTES


class Clock:
    """A clock that goes on by `cost_s` with each read."""

    def __init__(self, cost_s: float = 0.0, reply_bytes: int = 1) -> None:
        self.now_s = 0.0
        self.cost_s = cost_s
        self.reply_bytes = reply_bytes
        self.asked: list[bytes] = []

    def read(self, query: bytes) -> bytes:
        self.now_s += self.cost_s
        self.asked.append(query)
        return bytes(self.reply_bytes)

    def monotonic(self) -> float:
        return self.now_s


def batch_of(*queries: bytes) -> bytes:
    return encode_batch(tuple(map(encode_plain, queries)))


def queue_of(clock: Clock) -> tuple[ReadQueue, list[bytes | None]]:
    answers: list[bytes | None] = []
    return ReadQueue(clock.read, clock.monotonic), answers


def add(
    queue: ReadQueue, asker: str | None, command: bytes, answers: list[bytes | None], *, awaited: bool = True
) -> None:
    queue.add(asker, command, is_awaited=lambda: awaited, answer=answers.append)


def test_a_slice_ends_in_the_middle_of_a_batch_and_the_next_one_goes_on() -> None:
    clock = Clock(cost_s=0.0015)
    queue, answers = queue_of(clock)
    add(queue, "c1", batch_of(b"a", b"b", b"c", b"d", b"e"), answers)
    queue.work()
    assert clock.asked == [b"a", b"b"]
    assert not answers
    while not queue.is_empty:
        queue.work()
    (answer,) = answers
    assert answer is not None
    assert decode_replies(answer) == [Done(b"\x00")] * 5
    assert clock.asked == [b"a", b"b", b"c", b"d", b"e"]


def test_many_bytes_of_replies_end_a_slice_too() -> None:
    clock = Clock(reply_bytes=READING_BYTES // 2 + 1)
    queue, answers = queue_of(clock)
    for _ in range(5):
        add(queue, "c1", encode_plain(b"x"), answers)
    queue.work()
    assert len(answers) == 2


def test_askers_take_turns() -> None:
    clock = Clock(cost_s=0.01)
    queue, answers = queue_of(clock)
    for number in range(100):
        add(queue, "busy", encode_plain(b"busy %d" % number), answers)
    add(queue, "other", encode_plain(b"other"), answers)
    add(queue, None, encode_plain(b"own"), answers)
    for _ in range(4):
        queue.work()
    assert clock.asked == [b"busy 0", b"other", b"own", b"busy 1"]


def test_what_nobody_waits_for_is_not_read() -> None:
    clock = Clock()
    queue, answers = queue_of(clock)
    add(queue, "gone", batch_of(b"a", b"b"), answers, awaited=False)
    add(queue, "here", encode_plain(b"c"), answers)
    queue.work()
    assert clock.asked == [b"c"]
    assert answers[0] is None
    assert answers[1] is not None


def test_what_is_dropped_is_not_read_and_every_asker_is_told() -> None:
    clock = Clock()
    queue, answers = queue_of(clock)
    for asker in ("c1", "c1", "c2"):
        add(queue, asker, encode_plain(b"x"), answers)
    queue.drop()
    queue.work()
    assert (answers, clock.asked, queue.is_empty) == ([None] * 3, [], True)


def test_the_limits_of_a_batch_hold_and_what_is_no_query_is_malformed() -> None:
    reads = PlainReads(batch_of(*[b"x"] * (BATCH_COMMANDS_MAX + 5)))
    reads.advance(lambda query: query, lambda: False)
    assert reads.reply is not None
    replies = decode_replies(reads.reply)
    assert replies[BATCH_COMMANDS_MAX:] == [Deferred()] * 5
    assert replies[:BATCH_COMMANDS_MAX] == [Done(b"x")] * BATCH_COMMANDS_MAX

    large = PlainReads(batch_of(b"x", b"y", b"z"))
    large.advance(lambda _: bytes(BATCH_REPLY_BYTES), lambda: False)
    assert large.reply is not None
    assert [type(reply) for reply in decode_replies(large.reply)] == [Done, Done, Deferred]

    for wrong in (encode_open_session(bytes(16)), b"", b"\x09"):
        alone = PlainReads(wrong)
        alone.advance(lambda _: b"", lambda: False)
        assert alone.reply is not None
        assert decode_reply(alone.reply) == Malformed()
    assert PlainReads(encode_batch((b"a",))[:-1]).reply is not None  # no batch at all


def test_nobody_takes_all_the_room_and_one_read_always_has_some() -> None:
    room, large = ReadRoom(), bytes(ALL_READ_BYTES // 8)
    taken = 0
    while room.enter("busy", large):
        taken += 1
    assert 2 <= taken < 8
    assert room.enter("other", large)
    assert room.enter(None, bytes(2 * ALL_READ_BYTES))
    assert not room.enter(None, b"")
    for _ in range(taken):
        room.leave("busy", large)
    room.leave(None, bytes(2 * ALL_READ_BYTES))
    room.leave("other", large)
    assert room.enter("busy", large)
    assert room.enter("busy", large)
