"""`Raft`: runs one node of a Raft group without I/O: takes events (such as messages) and returns effects to carry out.

Sources: Ongaro and Ousterhout, 2014; Ongaro's dissertation, 2014.

    handle(events) ──┬─ Received ── elections.py          votes and candidacies (§5.2, §5.4.1, §6, dissertation §9.6)
                     │           ── follower.py           AppendEntries (§5.3)
                     │           ── leadership.py         answers to AppendEntries (§5.3, §5.4.2)
                     │           ── reads/                which index a read must see (dissertation §6.4)
                     │           ── transfer.py           leadership that is handed over (dissertation §3.10)
                     │           ── membership/           members that change (dissertation §4)
                     ├─ Propose ─── pending_proposals.py  commands that this leader has not answered yet
                     ├─ Read ────── reads/                reads that wait for such an index
                     ├─ Persisted ─ durability.py         which writes are durable, which message waits for which
                     ├─ Loaded ──── entry_loading.py      entries that are no longer in memory
                     ├─ Applied ─── applier.py            committed entries on their way to the state machine
                     └─ Snapshot… ─ snapshots/            a state that takes the place of entries (§7)

What one call changes is settled at its end: one write for all its entries, then what may be sent and applied.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import assert_never

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Persisted, Received
from coterie.protocols.plausibility import is_plausible_jump
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.applier import Applier
from coterie.protocols.raft.durability import Durability
from coterie.protocols.raft.elections import Elections
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.follower import Follower
from coterie.protocols.raft.leadership import Leadership
from coterie.protocols.raft.log.log_adoption import LogAdoption
from coterie.protocols.raft.log.log_clock import LogClock
from coterie.protocols.raft.membership.electorate import Electorate
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.reconfiguration import ChangeStatus, Reconfiguration
from coterie.protocols.raft.membership.strangers import is_heard_from_anybody
from coterie.protocols.raft.pending_proposals import PendingProposals
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import (
    ChangeMembers,
    MayPromote,
    Outbox,
    RaftEffect,
    RaftEvent,
    RareEvent,
    SchemaReached,
    ShortOfSpace,
    StoreKnown,
    TransferLeadership,
)
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    LogSuffix,
    NotAMember,
    PreVote,
    PreVoteReply,
    RaftMessage,
    RareMessage,
    ReadIndex,
    ReadIndexReply,
    ReadLog,
    RequestVote,
    RequestVoteReply,
    Restored,
    TimeoutNow,
)
from coterie.protocols.raft.raft_observations import TERM_IMPLAUSIBLE
from coterie.protocols.raft.reads.pending_reads import PendingReads
from coterie.protocols.raft.role import RaftRole, RoleState
from coterie.protocols.raft.snapshots.compaction import Compaction
from coterie.protocols.raft.snapshots.snapshot_fetch import SnapshotFetch
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import (
    Chunk,
    ChunkLoaded,
    ChunkStored,
    InstallSnapshot,
    ReadChunk,
    SnapshotStored,
    SnapshotTaken,
)
from coterie.protocols.raft.transfer import Transfer
from coterie.protocols.replicated_log import (
    Applied,
    EntryKind,
    Loaded,
    LogIndex,
    Propose,
    Quarantine,
    Read,
    Refusal,
    Reject,
    Term,
)

__all__ = ["Raft"]


class Raft:
    """One node of a Raft group, as an `Algorithm` of `coterie.protocols.algorithm`.

    A new life begins as a follower with what the disk held, and with an empty state machine: it is restored from the
    snapshot, if any, and later committed entries are loaded and applied again. The first call only arms the timers.

    Members are those of the log, known by their keys: see `coterie.protocols.raft.membership.electorate`. The receivers
    of `Send` and the senders of `Received` are keys; observations and `leader` name nodes.

    This node need not be a member (yet, or any more): then it stores what a leader sends, and never asks for votes.

    Args:
        node_id: this node's key: the id of its store.
        config: the same on every node; its voters are the founders, and do not count here.
        restored: what the disk held: at least the register of a founded group.
        rng: the source of election time-outs; each node has its own.
        node: this node's name; None: the same as its key.

    Raises:
        ValueError: `restored` is no log of a founded group.
        InvariantViolated: the restored log has a newer term than the restored hard state.
    """

    def __init__(
        self,
        node_id: NodeId,
        config: RaftConfig,
        *,
        restored: Restored,
        rng: random.Random,
        node: NodeId | None = None,
    ) -> None:
        self._node_id = node_id
        self._config = config
        self._is_armed = False
        self._implausible: set[NodeId] = set()  # members that claimed such a term
        self._log = RaftLog(restored.terms, restored.last_index, base=restored.base)
        self._log_clock = LogClock(restored.last_stamp_ms)
        self._durability = Durability(restored, max_write_bytes=config.max_write_bytes)
        if not self._durability.hard_state.facts.is_founded:
            raise ValueError(f"the register of {node or node_id} names no group: found one, or let it join one")
        self._electorate = Electorate(node_id, node or node_id, self._durability.hard_state.facts.known_membership)
        self._outbox = Outbox(self._electorate.own_node, self._electorate.route_of)
        self._check_restored()
        self._loading = EntryLoading(self._log, self._outbox)
        self._proposals = PendingProposals(
            max_entries=config.max_uncommitted_entries, max_bytes=config.max_uncommitted_bytes
        )
        self._role_state = RoleState(
            node_id,
            config,
            electorate=self._electorate,
            log=self._log,
            log_clock=self._log_clock,
            durability=self._durability,
            loading=self._loading,
            proposals=self._proposals,
            outbox=self._outbox,
            rng=rng,
        )
        self._make_services(rng)

    def _make_services(self, rng: random.Random) -> None:
        """Make what stands on the shared state of the role."""
        config = self._config
        self._elections = Elections(self._role_state)
        self._follower = Follower(self._role_state)
        self._adoption = LogAdoption(self._role_state, self._elections, self._follower, self._loading)
        self._applier = Applier(
            self._node_id,
            config,
            log=self._log,
            loading=self._loading,
            proposals=self._proposals,
            outbox=self._outbox,
            snapshot=self.facts.snapshot,
        )
        self._transfer = Transfer(self._role_state)
        self._reconfiguration = Reconfiguration(self._role_state, self._transfer)
        self._reads = PendingReads(self._role_state, self._applier, config, rng)
        self._fetch = SnapshotFetch(self._role_state)
        self._compaction = Compaction(self._role_state, self._applier, self._fetch)

    # What a driver calls.

    def handle(self, events: Sequence[RaftEvent], *, now: float) -> list[RaftEffect]:
        """Take a batch of events in order at `now` (monotonic, s); return what must be done, in order."""
        self._role_state.now = now
        if not self._is_armed:
            self._arm()
        for event in events:
            self._take(event)
        return self._settle()

    def tick(self, *, now: float) -> list[RaftEffect]:
        """Do what is due at `now` (monotonic, s): a heartbeat, the check of the quorum, an election."""
        self._role_state.now = now
        leadership = self._role_state.leadership
        if not self._is_armed:
            self._arm()
        elif leadership is None:
            if now >= self._role_state.election_deadline:
                self._adoption.ask()
                self._elections.start_pre_vote()
        else:
            self._tick_leader(leadership, now)
        return self._settle()

    @property
    def deadline(self) -> float | None:
        """When `tick` is due: monotonic s; 0.0 (at once) before the first call."""
        leadership = self._role_state.leadership
        if leadership is None:
            return self._role_state.election_deadline
        if leadership.heartbeat_deadline < leadership.check_quorum_deadline:
            return leadership.heartbeat_deadline
        return leadership.check_quorum_deadline

    # Its state, for drivers, tests and operators.

    @property
    def node_id(self) -> NodeId:
        """This node's key."""
        return self._node_id

    @property
    def role(self) -> RaftRole:
        """This node's role in its term."""
        return self._role_state.role

    @property
    def term(self) -> Term:
        """The present term; it may not be durable yet."""
        return self._durability.hard_state.term

    @property
    def voted_for(self) -> NodeId | None:
        """The key of the candidate that has this node's vote in the present term; None if it has not voted."""
        return self._durability.hard_state.voted_for

    @property
    def leader(self) -> NodeId | None:
        """The node that leads the present term, as far as this node knows; itself if it leads."""
        leader = self._role_state.leader
        return None if leader is None else self._electorate.route_of(leader)

    @property
    def facts(self) -> GroupFacts:
        """What the group knows about itself, as of the end of the log; it may not be durable yet."""
        return self._durability.hard_state.facts

    @property
    def quorum(self) -> Quorum:
        """Which members decide at present, by their keys."""
        return self._electorate.quorum

    def node_of(self, key: NodeId) -> NodeId | None:
        """Return the node to which messages for `key` go: that of the member, or from which that store spoke."""
        return self._electorate.route_of(key)

    @property
    def is_member(self) -> bool:
        """Whether this node's store is that of a member, of a voter or of a learner, as far as it knows."""
        return self._electorate.is_member

    @property
    def is_voter(self) -> bool:
        """Whether this node's store is that of a voter, as of the end of the log."""
        return self._electorate.is_voter

    @property
    def change_status(self) -> ChangeStatus | None:
        """The change of members that is under way on this leader; None if there is none."""
        return self._reconfiguration.status

    @property
    def commit_index(self) -> LogIndex:
        """The last entry that this node knows to be committed."""
        return self._log.commit_index

    @property
    def last_index(self) -> LogIndex:
        """The last entry of the log; it may not be durable yet."""
        return self._log.last_index

    @property
    def snapshot_fetch(self) -> tuple[SnapshotId, int] | None:
        """The snapshot that this node fetches from the leader, and how many bytes of it are here; None: none."""
        return self._fetch.progress

    @property
    def applied_index(self) -> LogIndex:
        """The last entry that the state machine has applied in this life."""
        return self._applier.applied_index

    @property
    def waits_for_own_disk(self) -> bool:
        """Whether `Persisted` may change what this node does now; else it may come with the next event."""
        state = self._role_state
        return state.role is not RaftRole.FOLLOWER if state.leadership is None else state.leadership.waits_for_own_disk

    def heard_s(self, now: float) -> float:
        """Return how long ago this node heard from a leader (s), or, as a leader, from a quorum: at most."""
        return self._role_state.heard_s(now)

    def term_at(self, index: LogIndex) -> Term | None:
        """Return the term of entry `index`: 0 for index 0, None beyond the end of the log."""
        return self._log.term_at(index)

    # The beginning of a life, and the two ends of a call.

    def _check_restored(self) -> None:
        if (snapshot := self.facts.snapshot) is not None:
            self._log.commit_to(snapshot.position.index)
        if self._log.last_term > self.term:
            node, log_term = self._electorate.own_node, self._log.last_term
            raise InvariantViolated(f"the log of {node} has term {log_term}, its hard state only {self.term}")

    def _arm(self) -> None:
        """Start the election timer: before the first call the time is unknown."""
        self._is_armed = True
        self._log_clock.start(self._role_state.now)
        self._role_state.start(self._role_state.now)

    def _settle(self) -> list[RaftEffect]:
        leadership = self._role_state.leadership
        if leadership is not None:
            leadership.advance_commit()
            self._role_state.record_members()
        self._reconfiguration.advance()
        if leadership is not None:
            leadership.replicate()
        self._transfer.advance()
        self._reads.advance()
        self._applier.advance()
        config = self._config
        self._log.evict(self._durability.durable_index, max_entries=config.cache_entries, max_bytes=config.cache_bytes)
        return self._outbox.empty(self._durability.seal())

    def _tick_leader(self, leadership: Leadership, now: float) -> None:
        self._transfer.tick(now)
        if self._role_state.leadership is not leadership:
            return  # it was no member any more, and nobody took over in time
        is_check_due = now >= leadership.check_quorum_deadline
        if is_check_due and not leadership.has_quorum_answered(now):
            self._role_state.step_down_without_quorum()
        elif is_check_due or now >= leadership.heartbeat_deadline:
            leadership.heartbeat(now)  # after a check, too: every period begins with a round of its own

    # Events.

    def _take(self, event: RaftEvent) -> None:
        match event:
            case Received():
                if event.sender in self._electorate.peers or self._is_heard(event.sender, event.message):
                    self._receive(event.sender, event.message)
            case Persisted():
                self._durability.persisted(event.token)
                self._elections.count_own_vote_if_durable()
            case Applied():
                self._applier.applied(event.index)
            case Propose():
                self._propose(event)
            case Loaded():
                self._loaded(event)
            case Read():
                self._reads.add(event.ref)
            case _:
                self._take_rare(event)

    def _is_heard(self, stranger: NodeId, message: RaftMessage) -> bool:
        """Return whether a message of a store that is no member here is taken: see `strangers`."""
        leadership, electorate = self._role_state.leadership, self._electorate
        if stranger == self._node_id or electorate.route_of(stranger) is None:
            return False
        if isinstance(message, AppendEntriesReply | ReadChunk):
            return leadership is not None and leadership.is_following(stranger)
        return is_heard_from_anybody(message, is_seat_open=electorate.is_seat_open(stranger))

    def _take_rare(self, event: RareEvent) -> None:
        match event:
            case Quarantine():
                self._role_state.quarantine(event.reason)
                self._applier.stop()
                self._reads.stop()
            case StoreKnown():
                if self._electorate.hear(event.node, event.store):
                    self._role_state.members_changed()
            case SchemaReached():
                self._durability.commit_schema(event.index)
            case ShortOfSpace():
                self._role_state.note_room(is_short=event.is_short, waiting_bytes_max=event.waiting_bytes_max)
            case TransferLeadership():
                self._transfer.begin(event)
            case ChangeMembers():
                self._reconfiguration.begin(event)
            case MayPromote():
                self._reconfiguration.allow_promotion(event.because)
            case SnapshotTaken():
                self._compaction.taken(event)
            case SnapshotStored():
                self._compaction.stored(event)
            case ChunkStored() | ChunkLoaded():
                self._fetch.handle_disk(event)
            case _:
                assert_never(event)

    def _propose(self, proposal: Propose) -> None:
        leadership = self._role_state.leadership
        size_bytes = len(proposal.command)
        if leadership is None or self._transfer.target is not None:
            leader = self._transfer.target or self._role_state.leader
            self._outbox.add(Reject(proposal.ref, Refusal.NOT_LEADER, leader))
        elif self._role_state.is_short and proposal.kind is EntryKind.COMMAND:
            self._outbox.add(Reject(proposal.ref, Refusal.SHORT_OF_SPACE, self._node_id))
        elif not self._has_room(size_bytes) or self._is_too_early(proposal.kind):
            self._outbox.add(Reject(proposal.ref, Refusal.OVERLOADED, self._node_id))
        else:
            index = leadership.append(proposal.kind, proposal.command, self._log_clock.stamp(self._role_state.now))
            self._proposals.add(index, proposal.ref, size_bytes)

    def _is_too_early(self, kind: EntryKind) -> bool:
        """Return whether the last schema is not committed yet: so a truncation drops no more than the last one."""
        return kind is EntryKind.SCHEMA and self.facts.schema_index > self._log.commit_index

    def _has_room(self, size_bytes: int) -> bool:
        """Return whether a command may be taken: what clients wait for is limited, and what waits for this disk."""
        config = self._config
        return self._proposals.has_room(size_bytes) and self._durability.has_room(
            max_entries=config.max_uncommitted_entries, max_bytes=config.max_uncommitted_bytes
        )

    def _loaded(self, loaded: Loaded) -> None:
        if not self._loading.answered(loaded):
            return
        if loaded.reader == self._node_id:
            self._applier.loaded(loaded.entries)
        elif self._role_state.leadership is not None:
            self._role_state.leadership.loaded(loaded.reader, loaded.entries)
        else:
            self._adoption.loaded(loaded.reader, loaded.entries)

    def _receive(self, sender: NodeId, message: RaftMessage) -> None:
        if not is_plausible_jump(self._durability.hard_state.term, message.term):
            self._refuse_term(sender, message.term)
            return
        match message:
            case AppendEntriesReply():
                self._handle_append_entries_reply(sender, message)
            case AppendEntries():
                self._follower.handle_append_entries(sender, message)
                self._reads.leader_spoke()
            case PreVote():
                self._elections.handle_pre_vote(sender, message)
            case PreVoteReply():
                self._elections.handle_pre_vote_reply(sender, message)
            case RequestVote():
                self._elections.handle_request_vote(sender, message)
            case RequestVoteReply():
                self._elections.handle_request_vote_reply(sender, message)
            case TimeoutNow():
                self._elections.handle_timeout_now(sender, message)
            case _:
                self._receive_rare(sender, message)

    def _receive_rare(self, sender: NodeId, message: RareMessage) -> None:
        match message:
            case NotAMember():
                self._elections.notices.handle(sender, message)
            case ReadIndex():
                self._reads.handle_read_index(sender, message)
            case ReadIndexReply():
                self._reads.handle_read_index_reply(sender, message)
            case ReadLog() | LogSuffix():
                self._adoption.handle(sender, message)
            case InstallSnapshot() | ReadChunk() | Chunk():
                self._fetch.handle(sender, message)
            case _:
                assert_never(message)

    def _refuse_term(self, sender: NodeId, term: Term) -> None:
        """Tell once for each sender that it is in a term that no honest run reaches."""
        if sender not in self._implausible:
            self._implausible.add(sender)
            self._outbox.observe(TERM_IMPLAUSIBLE, sender=sender, term=term, own_term=self.term)

    def _handle_append_entries_reply(self, sender: NodeId, reply: AppendEntriesReply) -> None:
        leadership, term = self._role_state.leadership, self._durability.hard_state.term
        if reply.term > term:
            self._role_state.adopt_term(reply.term)
        elif leadership is not None and reply.term == term:
            leadership.handle_append_entries_reply(sender, reply)
