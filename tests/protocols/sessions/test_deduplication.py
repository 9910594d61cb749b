"""Deduplication: exactly once, whatever is repeated, reordered, dropped or forged."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions import (
    Deduplication,
    Done,
    KeptLimits,
    Malformed,
    Opened,
    Replies,
    Reply,
    SessionFull,
    SessionId,
    StaleCommand,
    TooLarge,
    UnknownSession,
    decode_command,
    decode_reply,
    encode_batch,
    encode_open_session,
    encode_plain,
    encode_reply,
    encode_session_command,
)
from coterie.protocols.sessions.kept_sessions import KEPT_REPLY_BYTES, STANDARD_LIMITS

INCARNATION = b"i" * INCARNATION_BYTES
NOBODYS = SessionId(b"?" * 16)
NONCE = b"n" * 16


class Recorder:
    """Records every execution; the reply contains its number."""

    def __init__(self) -> None:
        self.executed: list[tuple[int, bytes]] = []

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        self.executed.append((index, command))
        return b"%d:%s" % (len(self.executed), command)


class Log:
    """Applies commands at ascending indexes."""

    def __init__(self, limits: KeptLimits = STANDARD_LIMITS) -> None:
        self.machine = Recorder()
        self.sessions = Deduplication(self.machine, incarnation=INCARNATION, limits=limits)
        self.index = 0

    def apply(self, command: bytes) -> Reply:
        reply = self.apply_any(command)
        assert not isinstance(reply, Replies)
        return reply

    def apply_any(self, command: bytes) -> Reply | Replies:
        self.index += 1
        return self.sessions.apply(LogIndex(self.index), command)

    def open(self, nonce: bytes | None = None) -> SessionId:
        """Open a session; each has another nonce, unless one is given."""
        reply = self.apply(encode_open_session(nonce or self.index.to_bytes(16, "big")))
        assert isinstance(reply, Opened)
        return reply.session

    def do(self, session: SessionId, sequence: int, low_water: int = 1, payload: bytes = b"x") -> Reply:
        return self.apply(encode_session_command(session, sequence, low_water, payload))


# Ids.


def test_id_of_a_session_is_the_same_on_all_replicas_and_stays_as_it_is() -> None:
    one, other = Log(), Log()

    assert one.open(NONCE) == other.open(NONCE) == bytes.fromhex("4eb981083b84a7331c81a84ed409e83a")


def test_no_two_sessions_have_one_id() -> None:
    log = Log(KeptLimits(sessions=2))
    ids = [log.open() for _ in range(500)] + [log.open(NONCE[:15] + bytes((at,))) for at in range(256)]

    assert len(set(ids)) == len(ids)
    assert {len(session) for session in ids} == {16}


def test_opening_that_is_retried_costs_one_session() -> None:
    log = Log()
    session = log.open(NONCE)
    log.do(session, 1)

    assert [log.open(NONCE) for _ in range(3)] == [session] * 3
    assert len(log.sessions) == 1
    assert log.do(session, 1) == Done(b"1:x")


def test_retried_opening_counts_as_use() -> None:
    log = Log(KeptLimits(sessions=2))
    session, other = log.open(NONCE), log.open()
    log.open(NONCE)

    log.open()

    assert log.do(session, 1) == Done(b"1:x")
    assert log.do(other, 1) == UnknownSession()


def test_opening_that_is_late_does_not_bring_an_evicted_session_back() -> None:
    log = Log(KeptLimits(sessions=1))
    evicted = log.open(NONCE)
    log.do(evicted, 1)
    log.open()

    assert log.open(NONCE) != evicted
    assert log.do(evicted, 1) == UnknownSession()
    assert len(log.machine.executed) == 1


def test_nonce_of_an_evicted_session_is_forgotten() -> None:
    log = Log(KeptLimits(sessions=2))
    for _ in range(50):
        log.open()

    assert len(log.sessions._sessions.id_by_nonce) == 2


def test_another_incarnation_of_the_group_gives_other_ids() -> None:
    renewed = Deduplication(Recorder(), incarnation=b"j" * INCARNATION_BYTES)

    assert renewed.apply(LogIndex(1), encode_open_session(NONCE)) != Opened(Log().open(NONCE))


@pytest.mark.parametrize("length", [0, 15, 17])
def test_incarnation_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"an incarnation has 16 bytes, this one has {length}"):
        Deduplication(Recorder(), incarnation=bytes(length))


# Exactly once.


def test_first_copy_is_executed_and_every_other_gets_its_reply() -> None:
    log = Log()
    session = log.open()

    replies = [log.do(session, 1, payload=b"a") for _ in range(3)]

    assert replies == [Done(b"1:a")] * 3
    assert log.machine.executed == [(2, b"a")]


def test_commands_in_flight_may_arrive_in_any_order() -> None:
    log = Log()
    session = log.open()

    replies = [log.do(session, sequence, payload=b"%d" % sequence) for sequence in (3, 1, 2, 3, 1, 2)]

    assert replies == [Done(b"1:3"), Done(b"2:1"), Done(b"3:2")] * 2


def test_sessions_do_not_share_sequences() -> None:
    log = Log()
    one, other = log.open(), log.open()

    assert [log.do(one, 1), log.do(other, 1)] == [Done(b"1:x"), Done(b"2:x")]


def test_copy_below_the_low_water_mark_is_stale_and_not_executed() -> None:
    log = Log()
    session = log.open()
    log.do(session, 1)
    log.do(session, 2, low_water=2)

    assert log.do(session, 1) == StaleCommand(2)
    assert len(log.machine.executed) == 2


def test_command_below_the_mark_that_was_never_executed_is_stale_too() -> None:
    log = Log()
    session = log.open()
    log.do(session, 5, low_water=4)

    assert log.do(session, 2, low_water=1) == StaleCommand(4)
    assert len(log.machine.executed) == 1


def test_command_below_its_own_mark_is_stale() -> None:
    log = Log()

    assert log.do(log.open(), 1, low_water=3) == StaleCommand(3)
    assert log.machine.executed == []


def test_low_water_mark_never_falls() -> None:
    log = Log()
    session = log.open()
    log.do(session, 9, low_water=9)
    log.do(session, 10, low_water=1)

    assert log.do(session, 8, low_water=1) == StaleCommand(9)


def test_replies_above_the_mark_are_kept_when_it_rises() -> None:
    log = Log()
    session = log.open()
    for sequence in (1, 2, 3):
        log.do(session, sequence)
    log.do(session, 4, low_water=3)

    assert log.do(session, 3, low_water=3) == Done(b"3:x")
    assert len(log.machine.executed) == 4


def test_unknown_session_is_an_error_and_nothing_is_executed() -> None:
    log = Log()

    assert log.do(NOBODYS, 1) == UnknownSession()
    assert log.machine.executed == []


def test_sequence_beyond_the_window_is_refused_until_the_mark_rises() -> None:
    log = Log(KeptLimits(session_window=4))
    session = log.open()

    assert log.do(session, 4) == Done(b"1:x")
    assert log.do(session, 5) == SessionFull(1)
    assert log.do(session, 5, low_water=2) == Done(b"2:x")


def test_kept_replies_are_bounded_by_the_window() -> None:
    log = Log(KeptLimits(session_window=8))
    session = log.open()
    rng = random.Random(3)
    low_water = 1
    for _ in range(500):
        low_water += rng.choice((0, 0, 1, 5))
        log.do(session, low_water + rng.randint(0, 12), low_water)
        assert len(log.sessions._sessions.by_id[session].reply_by_sequence) <= 8


def test_mark_may_jump_far_at_once() -> None:
    log = Log(KeptLimits(session_window=8))
    session = log.open()
    log.do(session, 3)

    assert log.do(session, 2**64 - 1, low_water=2**64 - 1) == Done(b"2:x")
    assert list(log.sessions._sessions.by_id[session].reply_by_sequence) == [2**64 - 1]


def test_session_used_longest_ago_is_evicted() -> None:
    log = Log(KeptLimits(sessions=2))
    one, other = log.open(), log.open()
    log.do(one, 1)

    third = log.open()

    assert len(log.sessions) == 2
    assert log.do(other, 1) == UnknownSession()
    assert log.do(one, 1) == Done(b"1:x")
    assert log.do(third, 1) == Done(b"2:x")


def test_retry_counts_as_use() -> None:
    log = Log(KeptLimits(sessions=2))
    one, other = log.open(), log.open()
    log.do(one, 1)
    log.do(other, 1)
    log.do(one, 1)

    log.open()

    assert log.do(other, 1) == UnknownSession()


def test_evicted_session_never_executes_its_retry() -> None:
    log = Log(KeptLimits(sessions=1))
    session = log.open()
    log.do(session, 1)
    log.open()

    assert log.do(session, 1) == UnknownSession()
    assert len(log.machine.executed) == 1


def test_plain_commands_are_executed_each_time() -> None:
    log = Log()

    assert [log.apply(encode_plain(b"a")), log.apply(encode_plain(b"a"))] == [Done(b"1:a"), Done(b"2:a")]


@pytest.mark.parametrize(
    "command",
    [b"", b"\x01", b"\x01" + bytes(16 + 513), b"\x02", b"\x02" + bytes(31), b"\x03abc", b"\xff"],
    ids=["empty", "open cut", "open long", "command without numbers", "command cut", "kind 3", "kind 255"],
)
def test_malformed_command_is_answered_and_not_executed(command: bytes) -> None:
    log = Log()

    assert log.apply(command) == Malformed()
    assert log.machine.executed == []
    with pytest.raises(ValueError, match="kind"):
        decode_command(command)


def test_random_bytes_never_raise() -> None:
    log = Log()
    rng = random.Random(5)
    for _ in range(2000):
        log.apply_any(bytes([rng.choice((0, 1, 2, 3, 4))]) + rng.randbytes(rng.randint(0, 40)))


def test_failure_of_the_machine_is_not_swallowed() -> None:
    class Broken:
        def apply(self, index: LogIndex, command: bytes, /) -> bytes:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        Deduplication(Broken(), incarnation=INCARNATION).apply(LogIndex(1), encode_plain(b"a"))


@pytest.mark.parametrize("name", ["sessions", "session_window", "session_bytes", "all_bytes"])
def test_bounds_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0: it must be at least 1"):
        KeptLimits(**{name: 0})


# Batches.


def test_commands_of_a_batch_are_executed_in_order_and_answered_each() -> None:
    log = Log()
    session = log.open()

    replies = log.apply_any(
        encode_batch(
            [
                encode_session_command(session, 2, 1, b"b"),
                encode_plain(b"p"),
                encode_session_command(session, 1, 1, b"a"),
            ]
        )
    )

    assert replies == Replies([Done(b"1:b"), Done(b"2:p"), Done(b"3:a")])
    assert log.machine.executed == [(2, b"b"), (2, b"p"), (2, b"a")]


def test_copies_within_and_across_batches_are_executed_once() -> None:
    log = Log()
    command = encode_session_command(log.open(), 1, 1, b"a")

    assert log.apply_any(encode_batch([command, command])) == Replies([Done(b"1:a")] * 2)
    assert log.apply_any(encode_batch([command])) == Replies([Done(b"1:a")])
    assert log.apply(command) == Done(b"1:a")


@pytest.mark.parametrize(
    "bad",
    [encode_open_session(NONCE), encode_batch([encode_plain(b"x")]), b"", b"\xff"],
    ids=["open", "batch", "empty", "no kind"],
)
def test_what_may_not_be_in_a_batch_is_malformed_and_the_rest_is_executed(bad: bytes) -> None:
    log = Log()

    replies = log.apply_any(encode_batch([encode_plain(b"a"), bad, encode_plain(b"b")]))

    assert replies == Replies([Done(b"1:a"), Malformed(), Done(b"2:b")])
    assert len(log.sessions) == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_batch_does_what_its_commands_do_alone(seed: int) -> None:
    rng = random.Random(seed)
    together, alone = (Log(KeptLimits(sessions=2, session_window=5)) for _ in range(2))
    sessions = [together.open() for _ in range(3)]
    assert [alone.open() for _ in range(3)] == sessions
    for _ in range(60):
        commands = [
            encode_session_command(rng.choice(sessions), rng.randint(1, 9), rng.randint(1, 4), rng.randbytes(2))
            for _ in range(rng.randint(0, 6))
        ]
        assert together.apply_any(encode_batch(commands)) == Replies([alone.apply(command) for command in commands])
    executed = [[payload for _, payload in log.machine.executed] for log in (together, alone)]
    assert executed[0] == executed[1]


@pytest.mark.parametrize("seed", range(20))
def test_no_command_is_ever_executed_twice_and_replicas_agree(seed: int) -> None:
    """Clients repeat and reorder at will; two replicas see the same log."""
    rng = random.Random(seed)
    one, other = (Log(KeptLimits(sessions=3, session_window=6)) for _ in range(2))
    opened = [one.open() for _ in range(2)]
    assert [other.open() for _ in range(2)] == opened
    low_water = dict.fromkeys(opened, 1)
    first_reply: dict[bytes, Reply] = {}
    for _ in range(600):
        if rng.random() < 0.02:
            opened.append(one.open())
            assert other.open() == opened[-1]
            low_water[opened[-1]] = 1
        session = rng.choice(opened[-4:])
        if rng.random() < 0.2:
            low_water[session] += 1
        sequence = max(1, low_water[session] + rng.randint(-3, 7))
        payload = session + b"/%d" % sequence
        reply = one.do(session, sequence, low_water[session], payload)
        assert other.do(session, sequence, low_water[session], payload) == reply
        if isinstance(reply, Done):
            assert first_reply.setdefault(payload, reply) == reply
    payloads = [payload for _, payload in one.machine.executed]
    assert len(payloads) == len(set(payloads))
    assert len(payloads) > 50


def test_of_a_reply_that_is_too_long_to_keep_only_the_size_is_kept() -> None:
    """Else the memory of a group would grow by megabytes for each client that asks once."""

    class Long:
        executed = 0

        def apply(self, index: LogIndex, command: bytes) -> bytes:
            self.executed += 1
            return bytes(int(command))

    machine = Long()
    sessions = Deduplication(machine, incarnation=bytes(INCARNATION_BYTES))
    opened = sessions.apply(LogIndex(1), encode_open_session(bytes(16)))
    assert isinstance(opened, Opened)
    for sequence, size in enumerate((KEPT_REPLY_BYTES, KEPT_REPLY_BYTES + 1), 1):
        command = encode_session_command(opened.session, sequence, 1, b"%d" % size)

        assert sessions.apply(LogIndex(2), command) == Done(bytes(size))
        again = sessions.apply(LogIndex(3), command)

        assert again == (Done(bytes(size)) if sequence == 1 else TooLarge(size, KEPT_REPLY_BYTES))
        assert decode_reply(encode_reply(again)) == again
    assert machine.executed == 2
