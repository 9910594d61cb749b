"""Raft (Ongaro and Ousterhout, 2014; Ongaro's dissertation, 2014): one node of a group, pure.

    handle(events) ──┬─ Received ── elections.py   who leads (§5.2, §5.4.1, §6, dissertation §9.6)
                     │           ── following.py   a follower's log (§5.3)
                     │           ── leadership.py  a leader's followers (§5.3, §5.4.2)
                     ├─ Propose ─── proposals.py   what the clients of this leader wait for
                     ├─ Persisted ─ journal.py     what is durable, and which message waits for what
                     ├─ Loaded ──── loading.py     old entries come from the disk
                     └─ Applied ─── applying.py    committed entries go to the state machine

What one call changes is settled at its end: one write for all its entries, then what may be sent and applied.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import assert_never

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Persisted, Received
from coterie.protocols.raft.applier import Applier
from coterie.protocols.raft.durability import Journal
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.entry_loading import Loading
from coterie.protocols.raft.follower import LogFollower, is_well_formed
from coterie.protocols.raft.pending_proposals import Proposals
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import Outbox, RaftEffect, RaftEvent
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    PreVote,
    PreVoteReply,
    RaftMessage,
    RequestVote,
    RequestVoteReply,
    Restored,
)
from coterie.protocols.raft.raft_observations import MESSAGE_DISCARDED
from coterie.protocols.raft.role import Role, Standing
from coterie.protocols.replicated_log import Applied, EntryKind, Loaded, LogIndex, Propose, Refusal, Reject, Term

__all__ = ["Raft"]


class Raft:
    """One node of a Raft group, as an `Algorithm` of `coterie.protocols.algorithm`.

    A new life begins as a follower with what the disk held, and with an empty state machine: committed entries are
    loaded and applied again from the first. The first call of either method only arms the timers (and handles what it
    was given).

    Args:
        node_id: this node's name, one of the voters.
        config: the same on every node.
        restored: what the disk held.
        rng: where election time-outs are drawn from; its own for each node.

    Raises:
        ValueError: `node_id` is no voter, or `restored` is no log.
        InvariantViolated: from the start: the restored log has a newer term than the restored register.
    """

    def __init__(self, node_id: NodeId, config: RaftConfig, *, restored: Restored, rng: random.Random) -> None:
        if node_id not in config.voters:
            raise ValueError(f"{node_id} is not among the voters {config.voters}")
        self._node_id = node_id
        self._config = config
        self._peers = tuple(node for node in config.voters if node != node_id)
        self._is_armed = False
        self._outbox = Outbox(node_id)
        self._log = RaftLog(restored.terms, restored.last_index)
        self._journal = Journal(restored)
        if self._log.last_term > self.term:
            raise InvariantViolated(f"the log of {node_id} has term {self._log.last_term}, its register {self.term}")
        self._loading = Loading(self._log, self._outbox)
        self._proposals = Proposals(max_entries=config.max_uncommitted_entries, max_bytes=config.max_uncommitted_bytes)
        self._standing = Standing(
            node_id,
            config,
            log=self._log,
            journal=self._journal,
            loading=self._loading,
            proposals=self._proposals,
            outbox=self._outbox,
            rng=rng,
        )
        self._elections = Elections(self._standing)
        self._follower = LogFollower(self._log, self._journal, self._outbox)
        self._applier = Applier(
            node_id,
            config,
            log=self._log,
            loading=self._loading,
            proposals=self._proposals,
            outbox=self._outbox,
        )

    # What a driver calls.

    def handle(self, events: Sequence[RaftEvent], *, now: float) -> list[RaftEffect]:
        """Take a batch of events in order at `now` (monotonic, s); return what must be done, in order."""
        self._standing.now = now
        if not self._is_armed:
            self._arm()
        for event in events:
            self._take(event)
        return self._settle()

    def tick(self, *, now: float) -> list[RaftEffect]:
        """Do what is due at `now` (monotonic, s): a heartbeat, the check of the quorum, an election."""
        self._standing.now = now
        leadership = self._standing.leadership
        if not self._is_armed:
            self._arm()
        elif leadership is None:
            if now >= self._standing.election_deadline:
                self._elections.timed_out()
        elif now >= leadership.check_quorum_deadline and not leadership.has_quorum_answered(now):
            self._standing.step_down_without_quorum()
        elif now >= leadership.heartbeat_deadline:
            leadership.heartbeat(now)
        return self._settle()

    @property
    def deadline(self) -> float | None:
        """When `tick` is due: monotonic s; 0.0 (at once) before the first call."""
        leadership = self._standing.leadership
        if leadership is None:
            return self._standing.election_deadline
        if leadership.heartbeat_deadline < leadership.check_quorum_deadline:
            return leadership.heartbeat_deadline
        return leadership.check_quorum_deadline

    # What anybody may look at.

    @property
    def node_id(self) -> NodeId:
        """This node's name."""
        return self._node_id

    @property
    def role(self) -> Role:
        """What this node is in its term."""
        return self._standing.role

    @property
    def term(self) -> Term:
        """The present term; it may not be durable yet."""
        return self._journal.register.term

    @property
    def voted_for(self) -> NodeId | None:
        """Who has this node's vote in the present term, if anybody."""
        return self._journal.register.voted_for

    @property
    def leader(self) -> NodeId | None:
        """Who leads the present term, as far as this node knows; itself if it leads."""
        return self._standing.leader

    @property
    def commit_index(self) -> LogIndex:
        """The last entry that this node knows to be committed."""
        return self._log.commit_index

    @property
    def last_index(self) -> LogIndex:
        """The last entry of the log; it may not be durable yet."""
        return self._log.last_index

    @property
    def applied_index(self) -> LogIndex:
        """The last entry that the state machine has applied in this life."""
        return self._applier.applied_index

    def term_at(self, index: LogIndex) -> Term | None:
        """Return the term of entry `index`: 0 for index 0, None beyond the end of the log."""
        return self._log.term_at(index)

    # The two ends of a call.

    def _arm(self) -> None:
        """Begin to wait for a leader: only now is it known what time it is."""
        self._is_armed = True
        self._standing.reset_election_timer()

    def _settle(self) -> list[RaftEffect]:
        leadership = self._standing.leadership
        if leadership is not None:
            leadership.advance_commit()
            leadership.replicate()
        self._applier.advance()
        log, config = self._log, self._config
        if log.last_index - log.window_first >= config.cache_entries or log.entries_bytes > config.cache_bytes:
            log.evict(self._journal.durable_index, max_entries=config.cache_entries, max_bytes=config.cache_bytes)
        return self._outbox.empty(self._journal.seal())

    # Events.

    def _take(self, event: RaftEvent) -> None:
        match event:
            case Received():
                if event.sender in self._peers:
                    self._receive(event.sender, event.message)
            case Persisted():
                self._journal.persisted(event.token)
                self._elections.count_own_vote_if_durable()
            case Applied():
                self._applier.applied(event.index)
            case Propose():
                self._propose(event)
            case Loaded():
                self._loaded(event)
            case _:
                assert_never(event)

    def _propose(self, proposal: Propose) -> None:
        leadership = self._standing.leadership
        size_bytes = len(proposal.command)
        if leadership is None:
            self._outbox.add(Reject(proposal.ref, Refusal.NOT_LEADER, self._standing.leader))
        elif not self._proposals.has_room(size_bytes):
            self._outbox.add(Reject(proposal.ref, Refusal.OVERLOADED, self._node_id))
        else:
            index = leadership.append(EntryKind.COMMAND, proposal.command)
            self._proposals.add(index, proposal.ref, size_bytes)

    def _loaded(self, loaded: Loaded) -> None:
        if not self._loading.answered(loaded):
            return
        if loaded.reader == self._node_id:
            self._applier.loaded(loaded.entries)
        elif self._standing.leadership is not None:
            self._standing.leadership.loaded(loaded.reader, loaded.entries)

    def _receive(self, sender: NodeId, message: RaftMessage) -> None:
        match message:
            case AppendEntriesReply():
                self._append_answered(sender, message)
            case AppendEntries():
                self._append_asked(sender, message)
            case PreVote():
                self._elections.pre_vote_asked(sender, message)
            case PreVoteReply():
                self._elections.pre_vote_answered(sender, message)
            case RequestVote():
                self._elections.vote_asked(sender, message)
            case RequestVoteReply():
                self._elections.vote_answered(sender, message)
            case _:
                assert_never(message)

    def _append_asked(self, sender: NodeId, message: AppendEntries) -> None:
        if not is_well_formed(message):
            self._outbox.observe(MESSAGE_DISCARDED, sender=sender, term=message.term)
            return
        journal, standing = self._journal, self._standing
        term = journal.register.term
        if message.term < term:
            # The nudge: a leader of an older term must hear of the newer one, or a node that went ahead alone stays
            # locked out (etcd #8501).
            self._outbox.send(sender, self._follower.refusal(message, term), journal.after_register())
            return
        if message.term > term:
            standing.adopt_term(message.term, leader=sender)
        standing.follow(sender)
        reply = self._follower.accept(message, message.term)
        after = journal.after_entries(reply.match_index) if reply.success else journal.after_register()
        self._outbox.send(sender, reply, after)

    def _append_answered(self, sender: NodeId, reply: AppendEntriesReply) -> None:
        leadership, term = self._standing.leadership, self._journal.register.term
        if reply.term > term:
            self._standing.adopt_term(reply.term)
        elif leadership is not None and reply.term == term:
            leadership.answered(sender, reply)
