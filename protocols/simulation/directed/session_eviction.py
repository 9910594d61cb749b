"""`evicted_session`: repeats a command after its session was evicted; raises `Violation` if it is executed twice."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions.deduplication import Deduplication
from coterie.protocols.sessions.session_commands import SessionId, encode_open_session, encode_session_command

__all__ = ["evicted_session"]

NODE = NodeId("n1")


class _CheckedMachine:
    """A state machine that reports its executions to the checker."""

    def __init__(self, checker: SessionsChecker) -> None:
        self._checker = checker

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command`."""
        self._checker.executed(NODE, index, command)
        return b""


def evicted_session() -> None:
    """Evict a client's session between two copies of one command, which must take effect once.

    Raises:
        Violation: `sessions.executed_twice`, if it takes effect twice.
    """
    checker = SessionsChecker(ViolationContext())
    checker.started(NODE)
    sessions = Deduplication(_CheckedMachine(checker), max_sessions=1)
    command = encode_session_command(SessionId(1), 1, 1, b"pay once")
    for index, entry in enumerate((encode_open_session(1), command, encode_open_session(2), command), 1):
        sessions.apply(LogIndex(index), entry)
