"""Schedules of client sessions: repeat commands, open and keep too much; raise `Violation` if a promise breaks."""

from __future__ import annotations

from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions.deduplication import Deduplication
from coterie.protocols.sessions.kept_sessions import KeptLimits
from coterie.protocols.sessions.session_commands import (
    SESSION_ID_BYTES,
    SessionId,
    encode_open_session,
    encode_session_command,
)
from coterie.protocols.sessions.session_replies import Done, Opened, UnknownSession

__all__ = [
    "crowding_owner",
    "evicted_session",
    "full_session",
    "greedy_owner",
    "late_opening",
    "restored_order",
    "restored_session",
    "retried_opening",
]

NODE: Final = NodeId("n1")
OURS: Final = encode_open_session(b"o" * SESSION_ID_BYTES)
ANOTHER: Final = encode_open_session(b"a" * SESSION_ID_BYTES)

FEW: Final = KeptLimits(sessions=4, session_bytes=2_000, all_bytes=20_000)
REPLY_BYTES: Final = 1_000


class _Replica:
    """The sessions of one replica, and the state machine below them, which reports its executions to the checker."""

    def __init__(self, limits: KeptLimits, *, reply_bytes: int = 0) -> None:
        self._limits = limits
        self._context = ViolationContext()
        self._checker = SessionsChecker(self._context)
        self._checker.started(NODE)
        self.sessions = Deduplication(self, incarnation=bytes(INCARNATION_BYTES), limits=limits)
        self._reply = bytes(reply_bytes)
        self._index = 0

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command`, as its state machine."""
        self._checker.executed(NODE, index, command)
        return self._reply

    def take(self, command: bytes) -> object:
        """Apply the next entry of the log."""
        self._index += 1
        return self.sessions.apply(LogIndex(self._index), command)

    def open(self, opening: bytes) -> SessionId:
        """Apply an opening; return the session."""
        opened = self.take(opening)
        if not isinstance(opened, Opened):
            raise TypeError(f"an opening was answered with {opened}")
        return opened.session

    def restart_from_snapshot(self) -> None:
        """Put the sessions of a new life, which are restored from a snapshot, in place of the present ones.

        The state machine goes on: what it has executed must not be executed again.
        """
        pieces = self.sessions.snapshot()
        self.sessions = Deduplication(self, incarnation=bytes(INCARNATION_BYTES), limits=self._limits)
        for piece in pieces:
            self.sessions.restore(piece)
        self.sessions.end_restore()

    def fail(self, invariant: str, detail: str) -> None:
        """Report that a promise is broken."""
        self._context.fail(invariant, NODE, detail)

    def check_ours(self, ours: SessionId, sequence: int) -> None:
        """Send the next command of a session that must not have ended because of another owner."""
        reply = self.take(encode_session_command(ours, sequence, sequence, b"ours %d" % sequence))
        if not isinstance(reply, Done):
            self.fail("sessions.ended_for_another", f"command {sequence} of our session was answered with {reply}")


def evicted_session() -> None:
    """Evict a client's session between two copies of one command, which must take effect once.

    Raises:
        Violation: `sessions.executed_twice`, if it takes effect twice.
    """
    replica = _Replica(KeptLimits(sessions=1))
    command = encode_session_command(replica.open(OURS), 1, 1, b"pay once")
    replica.take(command)
    replica.open(ANOTHER)
    replica.take(command)


def late_opening() -> None:
    """Evict a client's session, and repeat its opening and its command, late: the command must take effect once.

    Raises:
        Violation: `sessions.executed_twice`, if it takes effect twice.
    """
    replica = _Replica(KeptLimits(sessions=1))
    command = encode_session_command(replica.open(OURS), 1, 1, b"pay once")
    replica.take(command)
    replica.open(ANOTHER)
    replica.open(OURS)
    replica.take(command)


def retried_opening() -> None:
    """Repeat an opening whose session is open: the client must get that session, and no other may be opened.

    Raises:
        Violation: `sessions.opened_twice`, if there are two sessions then.
    """
    replica = _Replica(KeptLimits(sessions=2))
    first, second = replica.open(OURS), replica.open(OURS)
    if first != second or len(replica.sessions) != 1:
        detail = f"one opening gave {first.hex()}, and {second.hex()} when it was repeated"
        replica.fail("sessions.opened_twice", detail)


def crowding_owner() -> None:
    """Let one owner open more sessions than a group keeps: the session of another must stay.

    Raises:
        Violation: `sessions.ended_for_another`, if it ends.
    """
    replica = _Replica(FEW)
    ours = replica.open(_opening(b"us", 0))
    for number in range(1, 2 * FEW.sessions):
        replica.open(_opening(b"them", number))
    replica.check_ours(ours, 1)


def greedy_owner() -> None:
    """Let one owner keep as many replies as it can, in several sessions: the limit holds, our session stays.

    Raises:
        Violation: `sessions.kept_too_much` or `sessions.ended_for_another`.
    """
    replica = _Replica(FEW, reply_bytes=REPLY_BYTES)
    ours = replica.open(_opening(b"us", 0))
    replica.check_ours(ours, 1)
    theirs = [replica.open(_opening(b"them", number)) for number in range(1, FEW.sessions)]
    for sequence in range(1, FEW.all_bytes // REPLY_BYTES):
        for number, session in enumerate(theirs):
            replica.take(encode_session_command(session, sequence, 1, b"theirs %d.%d" % (number, sequence)))
        kept = replica.sessions.kept_bytes
        if kept > FEW.all_bytes or (sequence > 1 and not kept):
            replica.fail("sessions.kept_too_much", f"replies of {kept} bytes are kept, {FEW.all_bytes} may be")
    replica.check_ours(ours, 2)


def full_session() -> None:
    """Fill a session with replies that its client has not had yet: the session must advance nevertheless.

    Raises:
        Violation: `sessions.stands_still`, if its oldest command is refused.
    """
    replica = _Replica(FEW, reply_bytes=REPLY_BYTES)
    ours = replica.open(_opening(b"us", 0))
    oldest = encode_session_command(ours, 1, 1, b"oldest")
    for sequence in range(2, FEW.all_bytes // REPLY_BYTES):
        replica.take(encode_session_command(ours, sequence, 1, b"%d" % sequence))
    reply = replica.take(oldest)
    if not isinstance(reply, Done):
        replica.fail("sessions.stands_still", f"the oldest command of a session was answered with {reply}")


def restored_session() -> None:
    """Restart a replica from a snapshot between two copies of a command: the second gets the stored reply.

    Raises:
        Violation: `sessions.lost_in_snapshot`, if it does not; `sessions.executed_twice`, if it takes effect twice.
    """
    replica = _Replica(FEW, reply_bytes=REPLY_BYTES)
    command = encode_session_command(replica.open(OURS), 1, 1, b"pay once")
    before = replica.take(command)
    replica.restart_from_snapshot()
    after = replica.take(command)
    if after != before:
        replica.fail("sessions.lost_in_snapshot", f"a copy of a command was answered with {after}, before {before}")


def restored_order() -> None:
    """Restart a replica from a snapshot, then open one session too many: the one used least recently must end.

    Raises:
        Violation: `sessions.order_lost_in_snapshot`, if another one ends.
    """
    replica = _Replica(FEW)
    sessions = [replica.open(_opening(b"owner %d" % number, number)) for number in range(FEW.sessions)]
    replica.take(encode_session_command(sessions[0], 1, 1, b"in use"))
    replica.restart_from_snapshot()
    replica.open(_opening(b"newcomer", FEW.sessions))
    replies = [replica.take(encode_session_command(each, 0, 0, b"stale")) for each in sessions]
    ended = [number for number, reply in enumerate(replies) if isinstance(reply, UnknownSession)]
    if ended != [1]:
        replica.fail("sessions.order_lost_in_snapshot", f"the sessions {ended} ended, it must be the second alone")


def _opening(owner: bytes, number: int) -> bytes:
    return encode_open_session(number.to_bytes(SESSION_ID_BYTES, "big"), owner)
