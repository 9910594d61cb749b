"""What a group keeps for its clients: within its limits, whatever they send, and no client at the cost of another."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest

from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions import (
    Deduplication,
    Done,
    KeptLimits,
    Opened,
    OpenSession,
    Reply,
    SessionFull,
    SessionId,
    TooLarge,
    UnknownSession,
    encode_open_session,
    encode_session_command,
    opening_of,
)
from coterie.protocols.sessions.kept_sessions import KEPT_OVERHEAD_BYTES, KEPT_REPLY_BYTES, KeptSession, weight_by_bytes

SMALL = KeptLimits(sessions=6, session_window=16, session_bytes=2_000, all_bytes=20_000)


class Group:
    """The sessions of one replica; a command is the number of bytes of its reply."""

    def __init__(self, limits: KeptLimits = SMALL) -> None:
        self.executed: list[tuple[SessionId, int]] = []
        self.sessions = Deduplication(self, incarnation=bytes(INCARNATION_BYTES), limits=limits)
        self._index = 0
        self._current: tuple[SessionId, int] = (SessionId(b""), 0)

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        self.executed.append(self._current)
        return bytes(int(command))

    def open(self, owner: str) -> SessionId:
        self._index += 1
        opening = encode_open_session(self._index.to_bytes(16, "big"), owner.encode())
        reply = self.sessions.apply(LogIndex(self._index), opening)
        assert isinstance(reply, Opened)
        return reply.session

    def ask(self, session: SessionId, sequence: int, low_water: int, reply_bytes: int) -> Reply:
        self._index += 1
        self._current = (session, sequence)
        command = encode_session_command(session, sequence, low_water, b"%d" % reply_bytes)
        reply = self.sessions.apply(LogIndex(self._index), command)
        assert isinstance(reply, Reply)
        return reply

    def is_open(self, session: SessionId) -> bool:
        """Whether the group knows the session: asked by a command that is stale in any case."""
        return self.ask(session, 0, 0, 0) != UnknownSession()


def in_memory(group: Group) -> int:
    """Return what is really kept, counted anew."""
    replies = [reply for each in group.sessions._sessions.by_id.values() for reply in each.reply_by_sequence.values()]
    return sum(KEPT_OVERHEAD_BYTES + (len(reply) if isinstance(reply, bytes) else 0) for reply in replies)


# Number of sessions.


def test_openings_of_one_client_do_not_end_the_sessions_of_others() -> None:
    group = Group()
    honest = [group.open("shop"), group.open("bank")]

    for _ in range(100):
        group.open("hostile")

    assert [group.is_open(session) for session in honest] == [True, True]
    assert len(group.sessions) == SMALL.sessions


def test_one_session_each_is_ended_in_the_order_of_use() -> None:
    group = Group(KeptLimits(sessions=3))
    first, second, third = (group.open(owner) for owner in ("a", "b", "c"))
    group.ask(first, 1, 1, 10)

    fourth = group.open("d")

    assert [group.is_open(session) for session in (first, second, third, fourth)] == [True, False, True, True]


def test_owner_with_most_sessions_makes_room_whoever_opens() -> None:
    group = Group(KeptLimits(sessions=4))
    crowd = [group.open("crowd") for _ in range(3)]
    lone = group.open("lone")

    newcomer = group.open("newcomer")

    assert [group.is_open(session) for session in (*crowd, lone, newcomer)] == [False, True, True, True, True]


# Bytes of replies.


def test_replies_of_one_client_do_not_end_the_sessions_of_others() -> None:
    """A client may keep as much as is free; who keeps most makes room for the others."""
    group = Group()
    honest = group.open("shop")
    assert isinstance(group.ask(honest, 1, 1, 500), Done)

    hostile = [group.open("hostile") for _ in range(4)]
    for sequence in range(1, 10):
        for session in hostile:
            group.ask(session, sequence, 1, 3_000)
            assert group.sessions.kept_bytes <= SMALL.all_bytes
    for sequence in range(2, 8):  # within `session_bytes`, so it is never refused
        assert isinstance(group.ask(honest, sequence, sequence, 500), Done)

    assert group.is_open(honest)


def test_many_sessions_of_one_client_do_not_end_the_only_one_of_another_that_keeps_more() -> None:
    """A hostile client stays below the honest one, and uses up the rest: by the oldest command of many sessions."""
    group = Group(KeptLimits(sessions=64, session_bytes=2_000, all_bytes=20_000))
    honest = group.open("shop")
    for sequence in range(1, 30):
        group.ask(honest, sequence, 1, 500)
    assert group.sessions.kept_bytes > 10_000  # as much as is free then

    for _ in range(60):
        session = group.open("hostile")
        for sequence in (1, 2, 3):
            group.ask(session, sequence, 1, 400)

    assert group.is_open(honest)


def test_idle_sessions_of_one_client_make_room_one_after_another() -> None:
    """The owner is looked for once, not for each session: 4,000 of them would hold every replica for a second."""
    group = Group(KeptLimits(sessions=64, session_bytes=2_000, all_bytes=20_000))
    idle = [group.open("hostile") for _ in range(50)]
    for session in idle:
        group.ask(session, 1, 1, 200)
    weighed: list[int] = []

    def weight(sessions: dict[SessionId, KeptSession]) -> tuple[int, ...]:
        weighed.append(len(sessions))
        return weight_by_bytes(sessions)

    freed = group.sessions._sessions.evict(weight, 10_000)

    assert (freed, weighed, len(group.sessions)) == (31 * 328, [50], 19)


def test_a_session_that_keeps_much_executes_no_more_than_its_oldest_command() -> None:
    group = Group()
    session = group.open("shop")
    outcomes = [type(group.ask(session, sequence, 1, 3_000)) for sequence in range(1, 8)]

    # Three replies are 9,384 bytes, less than what is free (10,616); four are more.
    assert outcomes == [Done, Done, Done, Done, SessionFull, SessionFull, SessionFull]
    assert group.ask(session, 2, 1, 3_000) == Done(bytes(3_000))  # a copy
    assert group.ask(session, 7, 5, 3_000) == Done(bytes(3_000))  # it has the first four replies


def test_the_oldest_command_of_a_session_is_executed_however_much_others_keep() -> None:
    group = Group(KeptLimits(session_bytes=1, all_bytes=100_000))
    greedy, modest = group.open("greedy"), group.open("modest")
    for sequence in range(1, 50):
        group.ask(greedy, sequence, 1, 3_000)

    for sequence in range(1, 50):
        assert isinstance(group.ask(modest, sequence, sequence, 1_000), Done)


def test_of_a_reply_that_is_too_long_to_keep_the_marker_counts() -> None:
    group = Group(KeptLimits())
    group.ask(group.open("shop"), 1, 1, KEPT_REPLY_BYTES + 1)

    assert group.sessions.kept_bytes == KEPT_OVERHEAD_BYTES == in_memory(group)


def test_a_mark_that_is_raised_by_any_number_costs_no_more_than_the_kept_replies() -> None:
    """A batch may raise it 1,024 times; a visit of each number in between would hold every replica for a second."""

    class Counted(dict[int, bytes | TooLarge]):
        visits = 0

        def pop(self, *args: Any) -> Any:
            self.visits += 1
            return super().pop(*args)

    session = KeptSession(OpenSession(b"n" * 16))
    session.reply_by_sequence = kept = Counted()
    for sequence in (1, 3, 4_000):
        session.keep(sequence, b"r")

    assert session.raise_low_water(3_999) == 2 * (KEPT_OVERHEAD_BYTES + 1)
    assert (kept.visits, list(kept)) == (2, [4_000])
    assert session.raise_low_water(2**64 - 1) == KEPT_OVERHEAD_BYTES + 1
    assert (kept.visits, session.kept_bytes, session.low_water) == (3, 0, 2**64 - 1)


@pytest.mark.parametrize("seed", range(30))
def test_limits_hold_and_no_command_is_executed_twice_whatever_clients_send(seed: int) -> None:
    rng = random.Random(seed)
    group, other = Group(), Group()
    owners, sessions = ["a", "b", "c"], deque([group.open("a")], maxlen=12)
    assert other.open("a") == sessions[0]
    for _ in range(1_500):
        if rng.random() < 0.05:
            owner = rng.choice(owners)
            sessions.append(group.open(owner))
            assert other.open(owner) == sessions[-1]
        session, sequence = rng.choice(sessions), rng.randint(1, 30)
        low_water = max(0, sequence - rng.choice((0, 0, 1, 5, 15)))
        size = rng.choice((0, 10, 1_000, 9_000))
        assert group.ask(session, sequence, low_water, size) == other.ask(session, sequence, low_water, size)
        assert group.sessions.kept_bytes == in_memory(group) <= SMALL.all_bytes
        assert len(group.sessions) <= SMALL.sessions
    assert len(group.executed) == len(set(group.executed)) > 100
    assert group.executed == other.executed


@pytest.mark.parametrize("seed", range(10))
def test_clients_that_send_refused_commands_again_get_every_reply(seed: int) -> None:
    """Commands in flight in any order, marks as late as can be: no session stands still, and none ends."""
    rng = random.Random(seed)
    group = Group()
    unsettled = {group.open(owner): list(range(1, 41)) for owner in ("a", "b")}
    answered = 0
    for _ in range(2_000):
        session = rng.choice(list(unsettled))
        waiting = unsettled[session]
        if not waiting:
            continue
        sequence = rng.choice([each for each in waiting if each < waiting[0] + SMALL.session_window])
        reply = group.ask(session, sequence, waiting[0], 1_000)
        assert isinstance(reply, Done | SessionFull)
        if isinstance(reply, Done):
            waiting.remove(sequence)
            answered += 1
    assert answered == 80 == len(set(group.executed)) == len(group.executed)


# Owners.


def test_the_owner_that_an_opener_sent_is_replaced() -> None:
    forged = encode_open_session(b"n" * 16, b"another")

    assert opening_of(b"me", forged) == encode_open_session(b"n" * 16, b"me")
    assert opening_of(b"me", encode_open_session(b"n" * 16)) == encode_open_session(b"n" * 16, b"me")


def test_other_commands_have_no_owner() -> None:
    command = encode_session_command(SessionId(b"s" * 16), 1, 1, b"pay")

    assert opening_of(b"me", command) is command
    assert [opening_of(b"me", cut) for cut in (b"", b"\x01", b"\x01" + bytes(15))] == [
        b"",
        b"\x01",
        b"\x01" + bytes(15),
    ]


def test_an_owner_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="the owner of a session has at most 512 bytes, this one has 513"):
        encode_open_session(b"n" * 16, bytes(513))
