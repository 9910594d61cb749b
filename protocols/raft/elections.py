"""Elections (Raft §5.2, §5.4.1, §6; dissertation §9.6): who asks, who grants, who is ignored."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_messages import PreVote, PreVoteReply, RequestVote, RequestVoteReply
from coterie.protocols.raft.raft_observations import VOTE_GRANTED
from coterie.protocols.raft.role import Role, Standing
from coterie.protocols.replicated_log import Term

__all__ = ["Elections"]


class Elections:
    """The rules of voting, on one node."""

    __slots__ = ("_journal", "_log", "_outbox", "_peers", "_standing")

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._log = standing.log
        self._journal = standing.journal
        self._outbox = standing.outbox
        self._peers = tuple(node for node in standing.config.voters if node != standing.node_id)

    # Standing for election.

    def timed_out(self) -> None:
        """Nobody led for an election time-out: ask whether an election could be won (dissertation §9.6)."""
        standing = self._standing
        standing.become_pre_candidate()
        asked = PreVote(Term(standing.term + 1), self._log.last_index, self._log.last_term)
        for peer in self._peers:
            self._outbox.send(peer, asked, self._journal.after_register())
        self._count_pre_vote(standing.node_id)

    def pre_vote_answered(self, voter: NodeId, reply: PreVoteReply) -> None:
        """Count a pre-vote; a refusal with a newer term is the news that this node missed."""
        standing = self._standing
        if not reply.granted:
            if reply.term > standing.term:
                standing.adopt_term(reply.term)
        elif standing.role is Role.PRE_CANDIDATE and reply.term == standing.term + 1:
            self._count_pre_vote(voter)

    def vote_answered(self, voter: NodeId, reply: RequestVoteReply) -> None:
        """Count a vote of this very candidacy; others are too late (Raft §5.2)."""
        standing = self._standing
        if reply.term > standing.term:
            standing.adopt_term(reply.term)
        elif reply.granted and reply.term == standing.term and standing.role is Role.CANDIDATE:
            self._count_vote(voter)

    def count_own_vote_if_durable(self) -> None:
        """Count this candidate's own vote, once a crash could not make it forget it."""
        standing = self._standing
        if standing.role is Role.CANDIDATE and self._journal.is_register_durable:
            self._count_vote(standing.node_id)

    # Voting.

    def pre_vote_asked(self, candidate: NodeId, asked: PreVote) -> None:
        """Answer whether this node would vote so. Changes nothing here (dissertation §9.6)."""
        standing = self._standing
        is_granted = self.would_vote(asked)
        term = asked.term if is_granted else standing.term
        self._outbox.send(candidate, PreVoteReply(term, is_granted), self._journal.after_register())

    def vote_asked(self, candidate: NodeId, asked: RequestVote) -> None:
        """Vote, refuse, or ignore (Raft §5.2, §5.4.1, §6)."""
        standing = self._standing
        if asked.term < standing.term:
            self._answer_vote(candidate, is_granted=False)
        elif not standing.hears_leader:
            # Raft §6: whoever hears a leader ignores the rest, its term included, so that a node that was cut off
            # cannot depose it.
            self._answer_vote(candidate, is_granted=self._vote(candidate, asked))

    def would_vote(self, asked: PreVote) -> bool:
        """Return whether a RequestVote like `asked` would be granted now (dissertation §9.6)."""
        standing = self._standing
        if asked.term <= standing.term or standing.hears_leader:
            return False
        return self._log.is_up_to_date(asked.last_log_index, asked.last_log_term)

    def may_vote_for(self, candidate: NodeId) -> bool:
        """Return whether the one vote of the present term is free or already the candidate's (Raft §5.2)."""
        return self._journal.register.voted_for in (None, candidate)

    # Inside.

    def _vote(self, candidate: NodeId, asked: RequestVote) -> bool:
        """Adopt the term and decide; term and vote change in one write."""
        standing = self._standing
        is_granted = self._log.is_up_to_date(asked.last_log_index, asked.last_log_term)
        if asked.term > standing.term:
            standing.adopt_term(asked.term, voted_for=candidate if is_granted else None)
        else:
            is_granted = is_granted and self.may_vote_for(candidate)
            if is_granted and self._journal.register.voted_for is None:
                self._journal.set_register(asked.term, candidate)
        if is_granted:
            standing.support_other()
            self._outbox.observe(VOTE_GRANTED, term=asked.term, candidate=candidate)
        return is_granted

    def _answer_vote(self, candidate: NodeId, *, is_granted: bool) -> None:
        reply = RequestVoteReply(self._standing.term, is_granted)
        self._outbox.send(candidate, reply, self._journal.after_register())

    def _count_pre_vote(self, voter: NodeId) -> None:
        if self._standing.count_vote(voter):
            self._stand()

    def _count_vote(self, voter: NodeId) -> None:
        if self._standing.count_vote(voter):
            self._standing.become_leader()

    def _stand(self) -> None:
        standing = self._standing
        standing.become_candidate()
        request = RequestVote(standing.term, self._log.last_index, self._log.last_term)
        for peer in self._peers:
            self._outbox.send(peer, request, self._journal.after_register())
