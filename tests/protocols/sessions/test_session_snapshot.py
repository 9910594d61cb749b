"""Sessions restored from a snapshot answer as those that were never stopped, whatever comes before and after."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

import pytest

from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions import (
    Deduplication,
    Done,
    KeptLimits,
    Opened,
    SessionId,
    encode_batch,
    encode_open_session,
    encode_session_command,
)
from coterie.protocols.sessions.kept_sessions import KEPT_REPLY_BYTES
from coterie.protocols.sessions.session_snapshot import PIECE_BYTES, PIECE_RECORDS

LIMITS = KeptLimits(sessions=8, session_window=8, session_bytes=1_000, all_bytes=8_000)
OWNERS = (b"", b"shop", b"bank", b"o" * 512)


class Sized:
    """A machine that replies with as many bytes as the command says, and counts its executions."""

    def __init__(self) -> None:
        self.executed = 0

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        self.executed += 1
        return index.to_bytes(8, "big") + bytes(int(command))


def sessions_of(machine: Sized, limits: KeptLimits = LIMITS) -> Deduplication:
    return Deduplication(machine, incarnation=b"i" * INCARNATION_BYTES, limits=limits)


def restored(pieces: Iterator[bytes] | list[bytes], machine: Sized, limits: KeptLimits = LIMITS) -> Deduplication:
    into = sessions_of(machine, limits)
    restore_all(into, pieces)
    return into


def restore_all(into: Deduplication, pieces: Iterator[bytes] | list[bytes]) -> None:
    for piece in pieces:
        into.restore(piece)
    into.end_restore()


def nonce(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Commands:
    """Draws commands of clients that open sessions, repeat commands, skip some, and raise their marks at will."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sessions: list[SessionId] = []
        self.sequences: dict[SessionId, int] = {}

    def draw(self) -> bytes:
        rng = self.rng
        if not self.sessions or rng.random() < 0.08:
            return encode_open_session(nonce(rng.randrange(40)), rng.choice(OWNERS))
        if rng.random() < 0.1:
            return encode_batch([self._command() for _ in range(rng.randrange(1, 6))])
        return self._command()

    def _command(self) -> bytes:
        rng = self.rng
        session = rng.choice(self.sessions[-12:])
        last = self.sequences.get(session, 0)
        sequence = rng.choice((last + 1, last + 1, last + 2, max(1, last - rng.randrange(4))))
        self.sequences[session] = max(last, sequence)
        low_water = max(0, sequence - rng.randrange(8))
        size = rng.choice((0, 10, 200, 700)) if rng.random() < 0.999 else KEPT_REPLY_BYTES + 1
        return encode_session_command(session, sequence, low_water, b"%d" % size)

    def learn(self, reply: object) -> None:
        if isinstance(reply, Opened) and reply.session not in self.sessions:
            self.sessions.append(reply.session)


@pytest.mark.parametrize("seed", range(8))
def test_replica_that_restarts_from_snapshots_answers_as_one_that_never_stopped(seed: int) -> None:
    rng = random.Random(seed)
    commands = Commands(rng)
    steady_machine, machine = Sized(), Sized()
    steady, restarting = sessions_of(steady_machine), sessions_of(machine)
    pieces: Iterator[bytes] | None = None
    missed: list[tuple[LogIndex, bytes]] = []
    executed = 0
    restarts = 0

    for number in range(1, 2_500):
        index, command = LogIndex(number), commands.draw()
        reply = steady.apply(index, command)
        assert restarting.apply(index, command) == reply
        assert restarting.kept_bytes == steady.kept_bytes
        commands.learn(reply)
        if pieces is not None:
            missed.append((index, command))
        if pieces is None and rng.random() < 0.05:
            pieces, missed, executed = restarting.snapshot(), [], machine.executed
        elif pieces is not None and rng.random() < 0.1:
            again = Sized()
            restarting = restored(pieces, again)
            again.executed = executed
            for late_index, late in missed:
                restarting.apply(late_index, late)
            machine, pieces = again, None
            restarts += 1
        assert machine.executed == steady_machine.executed

    assert restarts > 20
    assert list(restarting.snapshot()) == list(steady.snapshot())


def test_pieces_show_the_moment_of_the_call_whatever_is_applied_while_they_are_taken() -> None:
    limits = KeptLimits(session_window=PIECE_RECORDS)
    sessions = sessions_of(Sized(), limits)
    opened = []
    for number in range(1, 9):
        reply = sessions.apply(LogIndex(number), encode_open_session(nonce(number), b"o"))
        assert isinstance(reply, Opened)
        opened.append(reply.session)
        for sequence in range(1, 1_500):
            sessions.apply(LogIndex(number), encode_session_command(reply.session, sequence, 1, b"3"))
    expected = list(sessions.snapshot())
    assert len(expected) > 2

    pieces, taken = sessions.snapshot(), []
    for number, piece in enumerate(pieces):
        taken.append(piece)
        for session in opened:
            sessions.apply(LogIndex(99), encode_session_command(session, 1_500 + number, 400 * number, b"5"))
        sessions.apply(LogIndex(100 + number), encode_open_session(nonce(1_000 + number), b"late"))

    assert taken == expected


def test_pieces_are_bounded_except_for_a_reply_that_is_longer() -> None:
    limits = KeptLimits(session_bytes=64 * 1024 * 1024)
    sessions = sessions_of(Sized(), limits)
    opened = sessions.apply(LogIndex(1), encode_open_session(nonce(1)))
    assert isinstance(opened, Opened)
    for sequence, size in enumerate(
        (KEPT_REPLY_BYTES - 8, *(100_000 for _ in range(20)), *(0 for _ in range(4_000))), 1
    ):
        sessions.apply(LogIndex(2), encode_session_command(opened.session, sequence, 1, b"%d" % size))

    sizes = [len(piece) for piece in sessions.snapshot()]

    assert [size > PIECE_BYTES for size in sizes].count(True) == 1
    assert max(sizes) < KEPT_REPLY_BYTES + 100
    assert len(sizes) < 30


def test_reply_that_was_too_large_to_keep_is_told_so_after_a_restore() -> None:
    sessions = sessions_of(Sized())
    opened = sessions.apply(LogIndex(1), encode_open_session(nonce(1)))
    assert isinstance(opened, Opened)
    command = encode_session_command(opened.session, 1, 1, b"%d" % (KEPT_REPLY_BYTES + 1))
    assert isinstance(sessions.apply(LogIndex(2), command), Done)
    expected = sessions.apply(LogIndex(3), command)

    assert restored(sessions.snapshot(), Sized()).apply(LogIndex(3), command) == expected


def test_opening_that_is_repeated_after_a_restore_gives_the_same_session() -> None:
    sessions = sessions_of(Sized())
    opened = sessions.apply(LogIndex(1), encode_open_session(nonce(1), b"shop"))

    again = restored(sessions.snapshot(), Sized())

    assert again.apply(LogIndex(9), encode_open_session(nonce(1), b"shop")) == opened
    assert len(again) == 1


def test_abandoned_snapshot_leaves_one_copy_of_a_session_that_changes() -> None:
    sessions = sessions_of(Sized())
    opened = sessions.apply(LogIndex(1), encode_open_session(nonce(1)))
    assert isinstance(opened, Opened)
    sessions.snapshot()
    kept = sessions._sessions.by_id[opened.session]
    before = kept.reply_by_sequence

    sessions.apply(LogIndex(2), encode_session_command(opened.session, 1, 1, b"1"))
    copied = kept.reply_by_sequence
    sessions.apply(LogIndex(3), encode_session_command(opened.session, 2, 1, b"1"))

    assert before == {}
    assert kept.reply_by_sequence is copied is not before


# Malformed pieces.


def some_pieces() -> list[bytes]:
    sessions = sessions_of(Sized())
    for number in range(1, 4):
        opened = sessions.apply(LogIndex(number), encode_open_session(nonce(number), b"owner %d" % (number % 2)))
        assert isinstance(opened, Opened)
        for sequence in (1, 2):
            size = 20 if sequence == 1 else KEPT_REPLY_BYTES + 1
            sessions.apply(LogIndex(9), encode_session_command(opened.session, sequence, 1, b"%d" % size))
    return list(sessions.snapshot())


def test_snapshot_cut_anywhere_is_refused_and_changes_nothing() -> None:
    (piece,) = some_pieces()
    for end in range(len(piece)):
        into = sessions_of(Sized())
        opened = into.apply(LogIndex(1), encode_open_session(nonce(7)))
        with pytest.raises(ValueError, match=r"sessions|owner|reply|session"):
            restore_all(into, [piece[:end]])
        assert into.apply(LogIndex(2), encode_open_session(nonce(7))) == opened


def test_altered_snapshot_is_refused_or_is_another_valid_one() -> None:
    (piece,) = some_pieces()
    rng = random.Random(1)
    refused = 0
    for _ in range(3_000):
        altered = bytearray(piece)
        altered[rng.randrange(len(altered))] = rng.randrange(256)
        try:
            again = restored([bytes(altered)], Sized())
        except ValueError:
            refused += 1
        else:
            assert next(again.snapshot())[:1] == piece[:1]
    assert refused > 500


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([], "no head"),
        ([b""], "begins with version"),
        ([b"\2"], "begins with version"),
        ([b"\1\0" + struct.pack(">II?", 0, 0, False)] * 2, "one head"),
        ([b"\1\7"], "one head"),
        ([b"\1\0" + struct.pack(">II?", 0, 0, False) + b"\7"], "has the tag 7"),
        ([b"\1\0" + struct.pack(">II?", 1, 0, False)], "1 sessions and 0 replies are missing"),
        ([b"\1\0" + struct.pack(">II?", 0, 1, False) + b"\2" + struct.pack(">QI", 1, 0)], "belongs to no session"),
    ],
)
def test_malformed_pieces_are_refused(pieces: list[bytes], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        restored(pieces, Sized())


def test_sessions_of_an_owner_that_do_not_stand_together_are_refused() -> None:
    head = b"\1\0" + struct.pack(">II?", 3, 0, False)
    session = [
        b"\1" + struct.pack(">16s16sQIH", nonce(number), nonce(number), 1, 0, 1) + owner
        for number, owner in enumerate((b"a", b"b", b"a"))
    ]
    with pytest.raises(ValueError, match="does not stand with those of its owner"):
        restored([head + b"".join(session)], Sized())
    with pytest.raises(ValueError, match="is open already"):
        restored([head + session[0] * 2], Sized())
