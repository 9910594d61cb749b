"""`Elections`: starts elections, grants votes and counts received ones (Raft §5.2, §5.4.1, §6; dissertation §9.6)."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.membership.group_facts import KEPT
from coterie.protocols.raft.membership.removal_notices import RemovalNotices
from coterie.protocols.raft.raft_messages import PreVote, PreVoteReply, RequestVote, RequestVoteReply, TimeoutNow
from coterie.protocols.raft.raft_observations import VOTE_GRANTED
from coterie.protocols.raft.role import RaftRole, RoleState
from coterie.protocols.replicated_log import LogPosition, Term

__all__ = ["Elections"]


class Elections:
    """The rules of voting, on one node, and the votes that it has received."""

    __slots__ = (
        "_durability",
        "_electorate",
        "_granted_by",
        "_log",
        "_log_end_by_voter",
        "_outbox",
        "_role_state",
        "notices",
    )

    def __init__(self, role_state: RoleState) -> None:
        self._role_state = role_state
        self.notices = RemovalNotices(role_state)
        self._log = role_state.log
        self._durability = role_state.durability
        self._outbox = role_state.outbox
        self._electorate = role_state.electorate
        self._granted_by: dict[NodeId, None] = {}
        self._log_end_by_voter: dict[NodeId, LogPosition] = {}

    # Candidacy.

    def start_pre_vote(self) -> None:
        """No leader was active for an election time-out: ask whether an election can be won (dissertation §9.6)."""
        role_state = self._role_state
        if not self.may_stand():
            role_state.forget_leader()  # a learner, a removed node, or one that is about to join
            self.notices.ask()
            return
        if role_state.is_quarantined:
            role_state.reset_election_timer()
            return
        role_state.become_pre_candidate()
        self._granted_by, self._log_end_by_voter = {}, {}
        request = PreVote(Term(role_state.term + 1), self._log.last_index, self._log.last_term)
        for peer in self._electorate.voting_peers:
            self._outbox.send(peer, request, self._durability.after_hard_state())
        self._count_pre_vote(role_state.node_id)

    def handle_timeout_now(self, leader: NodeId, message: TimeoutNow) -> None:
        """Become a candidate at once, since the leader of the present term wants to hand over (dissertation §3.10)."""
        role_state = self._role_state
        is_asked = message.term == role_state.term and leader == role_state.leader
        if is_asked and not role_state.is_quarantined and self.may_stand():
            self._start_election(is_transfer=True)

    def handle_pre_vote_reply(self, voter: NodeId, reply: PreVoteReply) -> None:
        """Count a pre-vote; a refusal with a newer term shows that this node missed it."""
        role_state = self._role_state
        if not reply.granted:
            if reply.term > role_state.term:
                role_state.adopt_term(reply.term)
            elif reply.last_log_index and role_state.role is RaftRole.PRE_CANDIDATE:
                self._log_end_by_voter[voter] = LogPosition(reply.last_log_index, reply.last_log_term)
        elif role_state.role is RaftRole.PRE_CANDIDATE and reply.term == role_state.term + 1:
            self._count_pre_vote(voter)

    def handle_request_vote_reply(self, voter: NodeId, reply: RequestVoteReply) -> None:
        """Count a vote of the present candidacy; other votes are too late (Raft §5.2)."""
        role_state = self._role_state
        if reply.term > role_state.term:
            role_state.adopt_term(reply.term)
        elif reply.granted and reply.term == role_state.term and role_state.role is RaftRole.CANDIDATE:
            self._count_vote(voter)

    def count_own_vote_if_durable(self) -> None:
        """Count this candidate's own vote, once it would survive a crash."""
        role_state = self._role_state
        if role_state.role is RaftRole.CANDIDATE and self._durability.is_hard_state_durable:
            self._count_vote(role_state.node_id)

    def voter_with_newest_log(self) -> NodeId | None:
        """Return the voter with the newest log, if a quorum would vote for this pre-candidate but for its log.

        None: there is no such quorum, or nobody has refused for that reason.
        """
        if self._role_state.role is not RaftRole.PRE_CANDIDATE or not self._log_end_by_voter:
            return None
        if not self._electorate.quorum.is_quorum({**self._granted_by, **dict.fromkeys(self._log_end_by_voter)}):
            return None
        return max(self._log_end_by_voter, key=lambda voter: self._log_end_by_voter[voter][::-1])

    # Voting.

    def handle_pre_vote(self, candidate: NodeId, request: PreVote) -> None:
        """Answer whether this node would grant such a vote; no state changes (dissertation §9.6)."""
        term, log = self._role_state.term, self._log
        if self.would_vote(request):
            reply = PreVoteReply(request.term, True)
        elif request.term <= term or self._role_state.has_active_leader:
            reply = PreVoteReply(term, False)
        else:
            reply = PreVoteReply(term, False, log.last_index, log.last_term)
        self._outbox.send(candidate, reply, self._durability.after_hard_state())
        if self._role_state.leadership is not None:
            self._role_state.leadership.bid_farewell(candidate)
        else:
            self.notices.answer(candidate)

    def handle_request_vote(self, candidate: NodeId, request: RequestVote) -> None:
        """Vote, refuse, or ignore (Raft Figure 2, "RequestVote RPC": receiver; §5.2, §5.4.1, §6)."""
        role_state = self._role_state
        if request.term < role_state.term:
            # Rule 1: reply false if term < currentTerm.
            self._reply_to_vote(candidate, is_granted=False)
        elif request.is_transfer or not role_state.has_active_leader:
            # Raft §6: a node with an active leader ignores other requests, their terms included, so that a node that
            # was cut off cannot depose that leader. It is no threat if the leader itself asked for it.
            self._reply_to_vote(candidate, is_granted=self._vote(candidate, request))

    def would_vote(self, request: PreVote) -> bool:
        """Return whether a RequestVote like `request` would be granted now (dissertation §9.6)."""
        role_state = self._role_state
        if request.term <= role_state.term or role_state.has_active_leader:
            return False
        return self._log.is_up_to_date(request.last_log_index, request.last_log_term)

    def may_vote_for(self, candidate: NodeId) -> bool:
        """Return whether the one vote of the present term is free or already the candidate's (Raft §5.2)."""
        return self._durability.hard_state.voted_for in (None, candidate)

    def may_stand(self) -> bool:
        """Return whether this node may become a candidate: a voter, or one whose removal is not known to be committed.

        Such a one may have the longest log, and get no entry from anybody else: without it no leader might be elected
        (dissertation §4.2.2). It does not count its own vote, and leaves once its removal is committed.
        """
        if self._electorate.is_expelled:
            return False
        if self._electorate.is_voter:
            return True
        facts = self._durability.hard_state.facts
        if facts.membership_index <= self._log.commit_index or len(facts.memberships) < KEPT:
            return False
        return self._role_state.node_id in self._electorate.quorum_of(facts.memberships[0][1]).members

    # Votes.

    def count_vote(self, voter: NodeId) -> bool:
        """Count `voter` once, however often it answers; return whether a quorum has granted."""
        self._granted_by[voter] = None
        return self._electorate.quorum.is_quorum(self._granted_by)

    # Inside.

    def _vote(self, candidate: NodeId, request: RequestVote) -> bool:
        """Adopt the term and decide (Figure 2, rule 2); term and vote change in one write."""
        role_state = self._role_state
        is_granted = self._log.is_up_to_date(request.last_log_index, request.last_log_term)
        if request.term > role_state.term:
            role_state.adopt_term(request.term, voted_for=candidate if is_granted else None)
        else:
            is_granted = is_granted and self.may_vote_for(candidate)
            if is_granted and self._durability.hard_state.voted_for is None:
                self._durability.set_hard_state(request.term, candidate)
        if is_granted:
            role_state.support_other()
            self._outbox.observe(VOTE_GRANTED, term=request.term, candidate=candidate)
        return is_granted

    def _reply_to_vote(self, candidate: NodeId, *, is_granted: bool) -> None:
        reply = RequestVoteReply(self._role_state.term, is_granted)
        self._outbox.send(candidate, reply, self._durability.after_hard_state())

    def _count_pre_vote(self, voter: NodeId) -> None:
        if self.count_vote(voter):
            self._start_election()

    def _count_vote(self, voter: NodeId) -> None:
        if self.count_vote(voter):
            self._role_state.become_leader()

    def _start_election(self, *, is_transfer: bool = False) -> None:
        role_state = self._role_state
        role_state.become_candidate()
        self._granted_by = {}
        request = RequestVote(role_state.term, self._log.last_index, self._log.last_term, is_transfer)
        for peer in self._electorate.voting_peers:
            self._outbox.send(peer, request, self._durability.after_hard_state())
