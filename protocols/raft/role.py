"""`RoleState`: holds one node's role, term and leader, and changes its role (Raft Figure 4, dissertation §9.6).

                silence                   a quorum would vote               a quorum voted
┌──────────┐ ──────────▶ ┌───────────────┐ ─────────────────▶ ┌───────────┐ ──────────────▶ ┌────────┐
│ FOLLOWER │             │ PRE_CANDIDATE │ ◀───────────────── │ CANDIDATE │                 │ LEADER │
└──────────┘             └───────────────┘      silence       └───────────┘                 └────────┘
     ▲                           │                                  │                            │
     └───────────────────────────┴── a newer term, or this term's ──┴── a newer term, or no ─────┘
                                     leader speaks                      quorum answers
"""

from __future__ import annotations

import enum
import random
from typing import Final

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.log.log_clock import LogClock
from coterie.protocols.raft.membership.electorate import Electorate
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.pending_proposals import PendingProposals
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_observations import (
    ELECTION_STARTED,
    LEADER_ELECTED,
    LEADER_RECOGNIZED,
    PRE_VOTE_STARTED,
    QUARANTINE_ENTERED,
    STEPPED_DOWN,
    TERM_ADVANCED,
)
from coterie.protocols.replicated_log import EntryKind, LogIndex, Term

__all__ = ["RaftRole", "RoleState"]


PROMPT_TERMS: Final = 2
"""So many terms without a leader may follow each other before the election time-outs become longer: votes split."""

DOUBLINGS_MAX: Final = 5

PATIENCE: Final = 2
"""So many of the longest election time-outs a voter lets go by, whose disk has no room for commands, before its own.

A voter with room, if a quorum would elect one, leads before that. If none would, this one does: reads go on.
"""


class RaftRole(enum.Enum):
    """The role of a node in its term (Raft §5.1); PRE_CANDIDATE is the dissertation's §9.6."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre_candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class RoleState:
    """Role, term, leader and election timer of one node, and every move between roles.

    Args:
        node_id: the key of this node.
        config: the group's configuration.
        electorate: the members of the group, as this node sees them.
        log, log_clock, durability, loading, proposals, outbox: this node's.
        rng: the source of election time-outs.
    """

    def __init__(
        self,
        node_id: NodeId,
        config: RaftConfig,
        *,
        electorate: Electorate,
        log: RaftLog,
        log_clock: LogClock,
        durability: Durability,
        loading: EntryLoading,
        proposals: PendingProposals,
        outbox: Outbox,
        rng: random.Random,
    ) -> None:
        self.node_id = node_id
        self.config = config
        self.electorate = electorate
        self.log = log
        self.log_clock = log_clock
        self.durability = durability
        self.outbox = outbox
        self.role = RaftRole.FOLLOWER
        self.leader: NodeId | None = None
        self.leadership: Leadership | None = None
        self.now = 0.0
        self.election_deadline = 0.0
        self.is_quarantined = False
        """Whether this node must not lead, since its state machine must not be used."""
        self.is_short = False
        """Whether this node should not lead if another one can: its disk has no room for commands."""
        self.waiting_bytes_max: int | None = None
        """The most that a follower takes while it waits for its disk; None: as much as the configuration says."""
        self._loading = loading
        self._proposals = proposals
        self._rng = rng
        self._leader_heard_at_s = 0.0
        self._terms_without_leader = 0  # since one was recognised

    @property
    def term(self) -> Term:
        """The present term; it may not be durable yet."""
        return self.durability.hard_state.term

    @property
    def has_active_leader(self) -> bool:
        """Whether this node leads, or got its leader's message within the shortest election time-out (Raft §6, §4.2.3).

        A leader may count itself because check-quorum deposes it when no quorum answers.
        """
        if self.role is RaftRole.LEADER:
            return True
        return self.leader is not None and self.now < self._leader_heard_at_s + self.config.election_timeout_min_s

    def start(self, now: float) -> None:
        """Begin a life at `now` (monotonic, s): it has heard from nobody yet."""
        self._leader_heard_at_s = now
        self.reset_election_timer()

    def heard_s(self, now: float) -> float:
        """Return how long ago this node heard from a leader (s), or, as a leader, from a quorum: at most.

        A node that has heard from none counts from its start.
        """
        if self.leadership is None:
            return max(0.0, now - self._leader_heard_at_s)
        checked_at_s = self.leadership.check_quorum_deadline - self.config.election_timeout_max_s
        return max(0.0, now - checked_at_s + self.config.election_timeout_max_s)  # a quorum answered before the check

    def reset_election_timer(self) -> None:
        """Draw a new election time-out (Raft §5.2: randomised, so that split votes are rare).

        It is doubled with each term that goes by without a leader, but for the first ones. Raft needs a time-out that
        is long beside a round of votes (§5.6), which are written to disks: on slow ones none would ever be elected.
        A node that is short of space lets the others go first, see `PATIENCE`.
        """
        shortest_s, longest_s = self.config.election_timeout_min_s, self.config.election_timeout_max_s
        doublings = min(max(0, self._terms_without_leader - PROMPT_TERMS), DOUBLINGS_MAX)
        drawn_s = shortest_s + (longest_s - shortest_s) * self._rng.random() + self._patience_s()
        self.election_deadline = self.now + drawn_s * 2**doublings

    def note_room(self, *, is_short: bool, waiting_bytes_max: int | None = None) -> None:
        """Note whether this node's disk has no room for commands; a follower waits anew."""
        self.waiting_bytes_max = waiting_bytes_max if is_short else None
        if is_short != self.is_short:
            self.is_short = is_short
            if self.leadership is None:
                self.reset_election_timer()

    def _patience_s(self) -> float:
        return PATIENCE * self.config.election_timeout_max_s if self.is_short and self.electorate.voting_peers else 0.0

    # Moves.

    def adopt_term(self, term: Term, *, voted_for: NodeId | None = None, leader: NodeId | None = None) -> None:
        """Become a follower in the newer `term` (Raft §5.1), with its vote if it is given at once.

        `leader` leads it, where known: rejected proposals name it.
        """
        if term <= self.term:
            raise InvariantViolated(f"{self.node_id} cannot go from term {self.term} to {term}: terms only grow")
        self.outbox.observe(TERM_ADVANCED, term=term, previous_term=self.term)
        self._terms_without_leader += 1
        self._leave_leadership("newer_term", leader)
        self.durability.set_hard_state(term, voted_for)
        self._become_follower()

    def follow(self, leader: NodeId) -> None:
        """Recognise `leader`, which sent a message as the leader of the present term (Raft §5.2)."""
        known = self.leader
        if self.role is RaftRole.LEADER or (known is not None and known != leader):
            raise InvariantViolated(f"term {self.term} has two leaders, {known} and {leader} (Raft §5.2)")
        self._leader_heard_at_s = self.now
        self._terms_without_leader = 0
        self.reset_election_timer()
        if known is None:
            self._become_follower()
            self.leader = leader
            self.outbox.observe(LEADER_RECOGNIZED, term=self.term, leader=leader)

    def support_other(self) -> None:
        """Wait for the candidate that this node voted for (Raft §5.2)."""
        self._become_follower()
        self.reset_election_timer()

    def forget_leader(self) -> None:
        """Follow nobody, and wait on: this node is no voter, so it cannot ask for votes when its leader is silent."""
        self._become_follower()
        self.reset_election_timer()

    def leave(self) -> None:
        """Stop leading the present term: this node is no voter any more (dissertation §4.2.2)."""
        self._leave_leadership("removed", None)
        self._become_follower()

    def step_down_without_quorum(self) -> None:
        """Stop leading the present term (check-quorum): without a quorum, others may elect a leader unnoticed."""
        self._leave_leadership("no_quorum", None)
        self._become_follower()

    def quarantine(self, reason: str) -> None:
        """Never lead again in this life, see `Quarantine`; a candidacy ends, and so does a leadership."""
        if self.is_quarantined:
            return
        self.is_quarantined = True
        self.outbox.observe(QUARANTINE_ENTERED, term=self.term, reason=reason)
        self._leave_leadership("quarantine", None)
        if self.role is not RaftRole.FOLLOWER:
            self._become_follower()

    def become_pre_candidate(self) -> None:
        """Ask before becoming a candidate (dissertation §9.6): no term, no vote, nothing durable changes."""
        self.role = RaftRole.PRE_CANDIDATE
        self.leader = None
        self.reset_election_timer()
        self.outbox.observe(PRE_VOTE_STARTED, term=self.term)

    def become_candidate(self) -> None:
        """Become a candidate in a new term (Raft §5.2): term and own vote are one write."""
        self.durability.set_hard_state(Term(self.term + 1), self.node_id)
        self._terms_without_leader += 1
        self.role = RaftRole.CANDIDATE
        self.leader = None
        self.reset_election_timer()
        self.outbox.observe(ELECTION_STARTED, term=self.term)

    def become_leader(self) -> None:
        """Lead the present term, and begin with an entry of its own (Raft §8: only that lets older entries commit)."""
        self.role = RaftRole.LEADER
        self.leader = self.node_id
        self._terms_without_leader = 0
        self.outbox.observe(LEADER_ELECTED, term=self.term, last_index=self.log.last_index)
        self.leadership = Leadership(
            self.node_id,
            self.term,
            now=self.now,
            config=self.config,
            electorate=self.electorate,
            log=self.log,
            durability=self.durability,
            loading=self._loading,
            outbox=self.outbox,
        )
        self.leadership.append(EntryKind.NOOP, b"", self.log_clock.stamp(self.now))

    # Members.

    def members_changed(self) -> None:
        """Let the last membership of the log count (dissertation §4.1: as soon as it is appended, or truncated)."""
        self.electorate.adopt(self.durability.hard_state.facts.known_membership)
        if self.leadership is not None:
            self.leadership.follow_members()

    def record_members(self) -> None:
        """Append a membership entry with the stores that this leader knows and the log does not.

        At most one membership entry is not committed: so a truncation drops no more than the last one.
        """
        if self.leadership is None or self.electorate.is_recorded:
            return  # as it mostly is
        if self.durability.hard_state.facts.membership_index <= self.log.commit_index:
            self.append_members(self.leadership, self.electorate.completed_membership())

    def append_members(self, leadership: Leadership, membership: Membership) -> LogIndex:
        """Append `membership`, which counts at once; the last one must be committed. Return its index."""
        index = leadership.append(EntryKind.MEMBERSHIP, membership.encode(), self.log_clock.stamp(self.now))
        self.members_changed()
        return index

    # Inside.

    def _become_follower(self) -> None:
        self.role = RaftRole.FOLLOWER
        self.leader = None

    def _leave_leadership(self, reason: str, leader: NodeId | None) -> None:
        if self.leadership is None:
            return
        self.outbox.observe(STEPPED_DOWN, term=self.leadership.term, reason=reason)
        self._leader_heard_at_s = self.now - self.heard_s(self.now)
        self.leadership = None
        self._proposals.lose(self.outbox, leader)
        self.reset_election_timer()
