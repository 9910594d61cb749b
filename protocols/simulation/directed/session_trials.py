"""Schedules of client sessions: repeat commands and openings at bad moments; raise `Violation` if a promise breaks."""

from __future__ import annotations

from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import INCARNATION_BYTES, LogIndex
from coterie.protocols.sessions.deduplication import Deduplication
from coterie.protocols.sessions.session_commands import (
    SESSION_ID_BYTES,
    SessionId,
    encode_open_session,
    encode_session_command,
)
from coterie.protocols.sessions.session_replies import Opened

__all__ = ["evicted_session", "late_opening", "retried_opening"]

NODE: Final = NodeId("n1")
OURS: Final = encode_open_session(b"o" * SESSION_ID_BYTES)
ANOTHER: Final = encode_open_session(b"a" * SESSION_ID_BYTES)


class _Replica:
    """The sessions of one replica, and the state machine below them, which reports its executions to the checker."""

    def __init__(self, *, max_sessions: int) -> None:
        self._context = ViolationContext()
        self._checker = SessionsChecker(self._context)
        self._checker.started(NODE)
        self.sessions = Deduplication(self, incarnation=bytes(INCARNATION_BYTES), max_sessions=max_sessions)
        self._index = 0

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command`, as its state machine."""
        self._checker.executed(NODE, index, command)
        return b""

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

    def fail(self, detail: str) -> None:
        """Report that a repeated opening opened another session."""
        self._context.fail("sessions.opened_twice", NODE, detail)


def evicted_session() -> None:
    """Evict a client's session between two copies of one command, which must take effect once.

    Raises:
        Violation: `sessions.executed_twice`, if it takes effect twice.
    """
    replica = _Replica(max_sessions=1)
    command = encode_session_command(replica.open(OURS), 1, 1, b"pay once")
    replica.take(command)
    replica.open(ANOTHER)
    replica.take(command)


def late_opening() -> None:
    """Evict a client's session, and repeat its opening and its command, late: the command must take effect once.

    Raises:
        Violation: `sessions.executed_twice`, if it takes effect twice.
    """
    replica = _Replica(max_sessions=1)
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
    replica = _Replica(max_sessions=2)
    first, second = replica.open(OURS), replica.open(OURS)
    if first != second or len(replica.sessions) != 1:
        replica.fail(f"one opening gave {first.hex()}, and {second.hex()} when it was repeated")
