"""`ReadRounds`: gives a leader the index that a read must see, once a quorum has answered a round begun after the read.

Dissertation §6.4: the leader notes its commit index (once an entry of its own term is committed), and waits until a
quorum has answered a heartbeat that it sent *after* that: so nobody else had been elected by then, and no write had
been acknowledged that the index does not cover. Answers to messages that were sent before show nothing.

All reads that came before a round began share it, and one such round is open at a time: the more reads there are, the
less each costs.
"""

from __future__ import annotations

from typing import NamedTuple

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import Round
from coterie.protocols.replicated_log import LogIndex

__all__ = ["ConfirmedRead", "ReadRounds"]


class ConfirmedRead(NamedTuple):
    """The answer to question `number` of the member `asker`: what was written before is in the entries up to `upto`."""

    asker: NodeId
    number: int
    upto: LogIndex


class ReadRounds:
    """The questions that one leadership has not answered yet: of each member at most its last one.

    Args:
        leadership: what counts its rounds.
        log: this node's.
    """

    __slots__ = ("_index", "_leadership", "_log", "_open", "_round", "_waiting")

    def __init__(self, leadership: Leadership, log: RaftLog) -> None:
        self._leadership = leadership
        self._log = log
        self._waiting: dict[NodeId, int] = {}
        self._open: dict[NodeId, int] = {}
        self._round = Round(0)
        self._index = LogIndex(0)

    def is_of(self, leadership: Leadership) -> bool:
        """Return whether these are the reads of that leadership."""
        return self._leadership is leadership

    def add(self, asker: NodeId, number: int) -> None:
        """Take question `number` of a member, which asks again if it hears nothing."""
        if self._open.get(asker) != number:
            self._waiting[asker] = number

    def advance(self, now: float) -> list[ConfirmedRead]:
        """Begin the next round if one is due; return what is confirmed."""
        confirmed: list[ConfirmedRead] = []
        while self._open or self._may_begin():
            if not self._open:
                self._begin(now)
            if self._leadership.highest_answered_round() < self._round:
                break
            confirmed += [ConfirmedRead(asker, number, self._index) for asker, number in self._open.items()]
            self._open = {}
        return confirmed

    def _may_begin(self) -> bool:
        """Return whether reads wait, and the commit index covers all that earlier leaders have acknowledged."""
        return bool(self._waiting) and self._leadership.may_commit(self._log.commit_index)

    def _begin(self, now: float) -> None:
        self._open, self._waiting = self._waiting, {}
        self._index = self._log.commit_index
        self._leadership.heartbeat(now)
        self._round = self._leadership.round
