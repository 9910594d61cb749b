"""`Farewells`: let a leader send to removed members until they know that they are none (dissertation §4.2.3).

A member that never learns of its removal goes on to ask for votes. It gets none, but it is better told: it is sent the
membership entry, and word that this is committed, until it has answered, or for an election time-out. One that was away
is told when it asks the leader for a vote.
"""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_messages import Round
from coterie.protocols.raft.replication.progress import Progress
from coterie.protocols.replicated_log import LogIndex

__all__ = ["Farewells"]


@dataclass(slots=True)
class _Farewell:
    """`told_in`: the first round whose messages say that the removal is committed; None: it is not."""

    removal_index: LogIndex
    told_in: Round | None = None
    deadline: float = 0.0


class Farewells:
    """The removed members of one leadership.

    Args:
        timeout_s: for how long a removed member is sent to, once its removal is committed (s).
    """

    __slots__ = ("_by_peer", "_timeout_s")

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._by_peer: dict[NodeId, _Farewell] = {}

    def __contains__(self, peer: NodeId) -> bool:
        return peer in self._by_peer

    def begin(self, peer: NodeId, removal_index: LogIndex) -> None:
        """Note that the membership entry at `removal_index` has `peer` no more."""
        self._by_peer.setdefault(peer, _Farewell(removal_index))

    def forget(self, peer: NodeId) -> None:
        """Note that `peer` is a member again."""
        self._by_peer.pop(peer, None)

    def take_ended(
        self, progress_by_peer: dict[NodeId, Progress], commit_index: LogIndex, next_round: Round, now: float
    ) -> list[NodeId]:
        """Return the peers that need no more messages, and forget them; `next_round` is about to begin."""
        ended = []
        for peer, farewell in self._by_peer.items():
            if farewell.told_in is None:
                if commit_index >= farewell.removal_index:
                    farewell.told_in, farewell.deadline = next_round, now + self._timeout_s
            elif now >= farewell.deadline or self._knows(progress_by_peer[peer], farewell, farewell.told_in):
                ended.append(peer)
        for peer in ended:
            del self._by_peer[peer]
        return ended

    def _knows(self, progress: Progress, farewell: _Farewell, told_in: Round) -> bool:
        return progress.match_index >= farewell.removal_index and progress.answered_round >= told_in
