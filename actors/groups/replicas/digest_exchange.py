"""`DigestExchange`: lets the replicas of a group compare their digests, and the leader log what a quorum agrees on.

The leader sends `DigestRequest` every few seconds if commands were applied, and soon if a snapshot waits for it; each
replica sends `DigestReport` once it has applied the entry in question. What a quorum reports becomes a log entry, with
which `Replica` compares itself. A replica whose snapshot waits tells the leader so by a `DigestRequest` of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.actors.groups.replicas.replica import Replica
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints import (
    Checkpoint,
    CheckpointRounds,
    DigestReport,
    DigestRequest,
    DigestsAgree,
    DigestsDiffer,
)
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.replicated_log import LogIndex, Term

__all__ = ["DigestExchange"]

DigestMessage = DigestRequest | DigestReport


class DigestExchange:
    """One replica's part, for one life of its actor.

    Args:
        raft: the node of this replica.
        replica: whose digests are compared.
        send: sends a message to the member with a key.
        propose: puts a checkpoint into the log of this leader.
        log: the actor's log.
    """

    def __init__(
        self,
        raft: Raft,
        replica: Replica,
        *,
        send: Callable[[NodeId, DigestMessage], None],
        propose: Callable[[Checkpoint], None],
        log: Any,
    ) -> None:
        self._raft = raft
        self._replica = replica
        self._send = send
        self._propose = propose
        self._log = log
        self._term = Term(0)
        self._rounds: CheckpointRounds | None = None
        self._asked: tuple[NodeId, DigestRequest] | None = None
        self._wanted_index = LogIndex(0)  # of the others, which this leader has heard in its term
        self._told: tuple[NodeId | None, Term, LogIndex] | None = None  # to which leader, and what
        self.trouble: str | None = None
        """What this leader has found: no quorum of the replicas has the same state; None: nothing."""

    def receive(self, sender: NodeId, message: DigestMessage, *, now: float) -> None:
        """Take a message of a member: the latest request of the present leader is kept until it can be answered."""
        if isinstance(message, DigestReport):
            self._take(sender, message)
        elif message.term == self._raft.term and self._raft.role is RaftRole.LEADER:
            self._wanted_index = max(self._wanted_index, min(message.index, self._raft.commit_index))
            self.advance(now=now)
        elif message.term == self._raft.term:
            self._asked = (sender, message)
            self.advance(now=now)

    def advance(self, *, now: float, wanted_index: LogIndex = LogIndex(0)) -> None:
        """Ask if this node leads and it is time, and answer what can be answered now.

        Args:
            now: monotonic time (s).
            wanted_index: the last entry that changed the state in a snapshot which waits for a checkpoint; 0: none.
        """
        if self._asked is not None:
            self._answer(*self._asked)
        if self._raft.role is not RaftRole.LEADER:
            self._rounds = None
            self._tell_leader(wanted_index)
            return
        if self._rounds is None or self._term != self._raft.term:
            self._term = self._raft.term
            self._rounds, self._wanted_index = CheckpointRounds(self._term, now=now), LogIndex(0)
        wanted_index = max(wanted_index, self._wanted_index)
        if self._rounds.is_waiting(now=now, wanted_index=wanted_index):
            return  # as mostly
        differing = self._rounds.differing(now=now)
        if differing is not None:
            self._report(differing)
        request = self._rounds.next_request(
            self._raft.quorum,
            applied_index=self._raft.applied_index,
            changed_index=self._replica.changed_index,
            now=now,
            wanted_index=wanted_index,
        )
        if request is not None:
            self._ask(request)

    def _tell_leader(self, wanted_index: LogIndex) -> None:
        """Tell the leader once what a snapshot here waits for. If that is lost, its next request comes soon anyway."""
        leader, term = self._raft.leader, self._raft.term
        if not wanted_index or leader is None or self._told == (leader, term, wanted_index):
            return
        self._told = (leader, term, wanted_index)
        for member in self._raft.quorum.members:
            if self._raft.node_of(member) == leader:
                self._send(member, DigestRequest(term, wanted_index))

    def _ask(self, request: DigestRequest) -> None:
        for member in self._raft.quorum.members:
            if member != self._raft.node_id:
                self._send(member, request)
        own = self._replica.digest_at(request.index)
        if own is not None:
            self._take(self._raft.node_id, DigestReport(request.term, request.index, own))

    def _answer(self, leader: NodeId, request: DigestRequest) -> None:
        if request.term != self._raft.term:
            self._asked = None
            return
        if self._raft.applied_index < request.index:
            return  # later
        self._asked = None
        digest = self._replica.digest_at(request.index)
        if digest is not None:
            self._send(leader, DigestReport(request.term, request.index, digest))

    def _take(self, member: NodeId, report: DigestReport) -> None:
        if self._rounds is None or self._raft.role is not RaftRole.LEADER:
            return
        match self._rounds.take(member, report):
            case DigestsAgree(index, digest, apart):
                self.trouble = None
                if apart:
                    nodes = ", ".join(str(self._raft.node_of(each) or each) for each in apart)
                    self._log.error("group.replica_apart", nodes=nodes, index=index)
                self._propose(Checkpoint(index, digest))
            case DigestsDiffer() as differing:
                self._report(differing)
            case None:
                pass

    def _report(self, found: DigestsDiffer) -> None:
        digests = {
            str(self._raft.node_of(each) or each): digest.hex() for each, digest in found.digest_by_member.items()
        }
        if found.is_final:
            self.trouble = f"no quorum of the replicas has the same state at entry {found.index}"
            what = "no majority has the same state"
        else:
            nodes = " and ".join(sorted(digests))
            self.trouble = f"{nodes} do not have the same state at entry {found.index}, and too few others report"
            what = "too few nodes report to say which of them is right: start the others"
        advice = f"{what}: find the cause in apply; no replica was stopped"
        self._log.error("group.digests_differ", index=found.index, digests=digests, advice=advice)
