"""Directed schedules of sessions: stories that say what must hold, and raise `Violation` where it does not."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.sessions_checker import SessionsJudge
from coterie.protocols.checking.violation import Bench
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions.deduplication import Sessions
from coterie.protocols.sessions.session_commands import SessionId, open_session, session_command

__all__ = ["evicted_session"]

NODE = NodeId("n1")


class _Judged:
    """A machine that tells the judge what it executes."""

    def __init__(self, judge: SessionsJudge) -> None:
        self._judge = judge

    def apply(self, index: LogIndex, command: bytes, /) -> bytes:
        """Execute `command`."""
        self._judge.executed(NODE, index, command)
        return b""


def evicted_session() -> None:
    """Tell of a client whose session is evicted between two copies of one command: it takes effect once.

    Raises:
        Violation: `sessions.executed_twice`.
    """
    judge = SessionsJudge(Bench())
    judge.started(NODE)
    sessions = Sessions(_Judged(judge), max_sessions=1)
    command = session_command(SessionId(1), 1, 1, b"pay once")
    for index, entry in enumerate((open_session(1), command, open_session(2), command), 1):
        sessions.apply(LogIndex(index), entry)
