"""`RaftActor`: runs one node of a Raft group as an actor: persists the log, applies commands and replies to clients.

clients ── Execute, Read ──▶┐                    ┌─▶ RaftPeerMessage ▶ peers
peers ── RaftPeerMessage ──▶│ Driver ─ Raft (pure)│─▶ store (Persist, Load)
timer ── Tick ─────────────▶┘                    └─▶ sessions ▶ state machine ▶ replies
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final, assert_never

from coterie.actors.driver import Driver, Tick
from coterie.actors.groups.backups.backup_messages import ReadBackup, TakeBackup
from coterie.actors.groups.compaction.replica_snapshots import ReplicaSnapshots
from coterie.actors.groups.compaction.snapshot_policy import STANDARD_POLICY, SnapshotPolicy
from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.group_founding import fit_limits, founding_register, warn_of_other_members
from coterie.actors.groups.group_messages import (
    ENVELOPE_BYTES,
    LOST_PROMISES,
    NOT_REGISTERED,
    QUARANTINED,
    ActivateSchema,
    Execute,
    GroupStatus,
    HandOver,
    ReadQueries,
    ReadStale,
    Refused,
    ReportCode,
    ReportStatus,
    Unsettled,
    WatchLeader,
)
from coterie.actors.groups.letters.peer_letters import PeerLetters
from coterie.actors.groups.members.joining import Joining, waits_to_join
from coterie.actors.groups.members.member_messages import ChangeGroupMembers, InviteStore
from coterie.actors.groups.members.operator_requests import OperatorRequests
from coterie.actors.groups.members.peer_refs import PeerRefs
from coterie.actors.groups.members.recovered_stores import lost_promises
from coterie.actors.groups.raft_limits import RaftLimits
from coterie.actors.groups.raft_records import read_restored, write_of
from coterie.actors.groups.replicas.answer_room import AnswerRoom
from coterie.actors.groups.replicas.apply_failures import ApplyFailures
from coterie.actors.groups.replicas.client_proposals import ClientProposals
from coterie.actors.groups.replicas.client_requests import ClientRequests
from coterie.actors.groups.replicas.digest_exchange import DigestExchange
from coterie.actors.groups.replicas.disk_tasks import DiskTasks
from coterie.actors.groups.replicas.leader_announcements import LeaderAnnouncements
from coterie.actors.groups.replicas.machine_turns import MachineTurns
from coterie.actors.groups.replicas.replica import Replica, session_incarnation
from coterie.actors.groups.replicas.replica_messages import RareMessage, ReplicaMessage
from coterie.actors.groups.replicas.replica_status import replica_status
from coterie.actors.peer_stores import PeerStores
from coterie.actors.pending_voter import PendingVoter
from coterie.actors.voter_registration import RetryRegistration, VoterRegistration
from coterie.actors.wire_names import (
    FoundersDiffer,
    RaftChunk,
    RaftPeerMessage,
    RegisterStore,
    StoreAccused,
    StoreRegistered,
)
from coterie.errors import InvariantViolated, UnsupportedFormat
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checkpoints import Checkpoint, encode_checkpoint
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import ChangeEnded, OwnEffect, RaftEffect, RaftEvent, TransferEnded
from coterie.protocols.raft.raft_messages import HardState, LogWrite, RaftMessage, Restored
from coterie.protocols.raft.raft_observations import SERIOUS, SEVERE
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.raft.snapshots.snapshot_messages import LoadChunk, RestoreMachine, StoreChunk
from coterie.protocols.replicated_log import (
    Apply,
    EntryKind,
    Load,
    Propose,
    Quarantine,
    Read,
    ReadReady,
    Refusal,
    Reject,
    Term,
)
from coterie.protocols.sessions import Machine
from coterie.runtime.actor import Actor
from coterie.runtime.storage.log_store import LogStore

__all__ = ["RaftActor"]

LOOK_S: Final = 0.01
"""How often a busy replica looks for what is due besides the protocol's own work; else each heartbeat does."""


class RaftActor(Actor[ReplicaMessage]):
    """One node of a Raft group.

    Args:
        group: the group's name: its actors' path on every node and its name in the store.
        config: the same on every node. Its voters and quorum found a group that does not exist yet; afterwards those of
            the log count.
        machine: makes an empty state machine; each life of the actor applies the log to a new one.
        store: the log store for its term, vote and entries.
        activate_after_s: how long all voters must have had newer code before its schema becomes active; None: until
            `coterie raft activate`.
        snapshots: when a snapshot is taken, and how much of the log stays behind it.
    """

    def __init__(
        self,
        group: str,
        config: RaftConfig,
        machine: Callable[[], Machine],
        store: LogStore,
        activate_after_s: float | None = None,
        snapshots: SnapshotPolicy = STANDARD_POLICY,
    ) -> None:
        self._group = group
        self._config = config
        self._machine = machine()
        self._store = store
        self._peer_stores = PeerStores(group, store)
        self._activate_after_s = activate_after_s
        self._snapshot_policy = snapshots
        self._quarantined_because: str | None = None
        self._writes = 0  # submitted
        self._look_at_s, self._position = 0.0, (Term(0), RaftRole.FOLLOWER, False)
        self._driver: Driver[RaftEvent, RaftEffect] | PendingVoter[RaftEvent] | None = None

    # --- life -------------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Wait for the writes of an earlier life, restore the durable state, and become a follower once registered."""
        system, self._monotonic = self.context.system, self.context.clock.monotonic
        self._node, self._peers = NodeId(system.node), PeerRefs(system, self._group)
        self._disk_tasks = DiskTasks(self._group, self._store, system.fail)
        restored = await self._restore()
        await self._peer_stores.restore()
        self._lost = await lost_promises(self._store, self._group, restored.hard_state.facts.incarnation)
        self._begin(restored)

    def _begin(self, restored: Restored) -> None:
        """Make a life of what the disk has: a member takes part, a founder once its store is registered."""
        rng = random.Random(self.context.random.getrandbits(64))
        limits = fit_limits(self._config, self.context, self._store)
        self._raft = Raft(NodeId(self._store.store_id), limits.config, restored=restored, rng=rng, node=self._node)
        self._facts, self._quarantined_because = self._raft.facts, None
        self._peers.follow(self._facts.known_members)
        self._peer_stores.follow(self._facts.incarnation)
        self._make_replica(restored, limits)
        self._driver = PendingVoter(partial(self._refuse, NOT_REGISTERED))
        self._joining = Joining(self._node, self._store, self.persist, self._joined)
        self._registration = self._make_registration()
        has_open_seat = any(each.node == self._node and each.store_id is None for each in self._facts.known_members)
        if self._lost is not None:
            self._take_no_part(self._lost)
        elif has_open_seat:
            self._registration.begin()
        else:
            self._take_part()

    def _joined(self, restored: Restored) -> None:
        """Begin anew, in the group that has invited this node."""
        self._end()
        self._begin(restored)

    def _make_registration(self) -> VoterRegistration:
        facts = self._facts
        founders = facts.founders or facts.known_membership or Membership.founding(self._config.voters)
        return VoterRegistration(
            self._node,
            {node: self._peers[node] for node in founders.nodes if node != self._node},
            self._store,
            self._peer_stores,
            founders,
            lambda node: self._raft.facts.store_of(node),  # noqa: PLW0108 (the facts change)
            self.context,
            self._take_part,
        )

    def _make_replica(self, restored: Restored, limits: RaftLimits) -> None:
        """Make what applies the log."""
        log, facts, sessions = self.context.log, self._facts, session_incarnation(self._group)
        propose_schema = partial(self._propose_own, EntryKind.SCHEMA)
        self._schemas = SchemaKeeper(
            self._raft, self._machine, self._node, self._activate_after_s, propose=propose_schema, log=log
        )
        self._replica = Replica(
            self._machine, incarnation=sessions, base_index=facts.base.index, adopt=self._schemas.adopt
        )
        self._leaders = LeaderAnnouncements(
            self._group, self._raft, self.context, longest_election_s=self._config.election_timeout_max_s
        )
        self._snapshots = ReplicaSnapshots(
            self._group,
            self._store,
            self._raft,
            self._replica,
            self._schemas,
            self.context,
            self._snapshot_policy,
            answer=self._wake_with,
            quarantine=self._quarantine,
            why_no_backups=self._why_no_stale_reads,
        )
        self._failures = ApplyFailures(self.context, self._machine, restored.last_index)
        self._make_letters()
        self._make_answers(limits)

    def _make_letters(self) -> None:
        self._letters = PeerLetters(
            self._node,
            self._raft,
            self._store,
            self._peer_stores,
            self._peers,
            self._schemas,
            self.context,
            running=lambda: self._running,
            on_digest=lambda key, body: self._digests.receive(key, body, now=self.context.clock.monotonic()),
            on_loss=self._lost_promises,
        )
        log, propose = self.context.log, self._propose_checkpoint
        self._digests = DigestExchange(self._raft, self._replica, send=self._letters.send, propose=propose, log=log)

    def _make_answers(self, limits: RaftLimits) -> None:
        """Make what answers clients."""
        transport = self.context.system.config.transport
        self._proposals = ClientProposals(
            self._node,
            self._schemas,
            AnswerRoom(lambda: self.context.system.remoting.transport, transport.outbound_limit_bytes),
            command_bytes_max=limits.max_command_bytes,
            answer_bytes_max=transport.frame_cap_bytes - ENVELOPE_BYTES,
        )
        self._turns = MachineTurns(
            self.context,
            self._replica,
            self._proposals,
            self._failures,
            feed=self._feed,
            is_quarantined=lambda: self._quarantined_because is not None,
            quarantine=self._quarantine,
            applied=self._snapshots.applied,
            writes=lambda: self._writes,
            needs_disk=lambda: self._raft.waits_for_own_disk,
        )
        raft, context, backups, next_ref = self._raft, self.context, self._snapshots.backups, self._proposals.next_ref
        self._requests = OperatorRequests(
            self._node, raft, self._peers, self._schemas, backups, context, next_ref, self._wake_with
        )
        reads, why_not = self._turns.reads, self._why_no_stale_reads
        self._clients = ClientRequests(self._node, context, raft, self._replica, self._proposals, reads, why_not)

    def _lost_promises(self, evidence: str, mark: str) -> None:
        self._disk_tasks.mark_lost(mark)
        self._lost = mark
        self._take_no_part(evidence)

    def _take_no_part(self, evidence: str) -> None:
        """Neither vote nor count nor lead with a store that has lost promises: it is replaced like a lost disk."""
        self.context.log.error("group.takes_no_part", group=self._group, evidence=evidence)
        self._running.close()
        self._registration.close()
        self._driver = PendingVoter(partial(self._refuse, LOST_PROMISES))
        self._proposals.answer_all(Unsettled(LOST_PROMISES, None))

    async def _restore(self) -> Restored:
        """Return what is on the disk; at the first start of all, found the group there, before anything is promised."""
        try:
            restored = await self._recover()
        except UnsupportedFormat as error:  # as for entries that are read later: no code here can go on
            self.context.system.fail(error)
            raise
        facts = restored.hard_state.facts
        if facts.is_founded:
            warn_of_other_members(self.context, self._group, facts.known_membership, self._config)
            return restored
        if self._node not in self._config.voters or (await self._store.state(self._group)).metadata is not None:
            return waits_to_join()
        self.persist(LogWrite(hard_state=self._founding()), lambda: None)
        return await read_restored(self._store, self._group)

    async def _recover(self) -> Restored:
        return await read_restored(self._store, self._group)

    def _founding(self) -> HardState:
        return founding_register(self.context.system.identity.cluster, self._group, self._config)

    def _take_part(self) -> None:
        self._driver = Driver(self._raft, self.context, self, awaits_disk=self._turns.awaits_disk)
        self._letters.admission.forget()
        if (reason := self._schemas.why_quarantined()) is not None:
            self._quarantine(reason)
        self.context.wake()

    def on_stop(self) -> None:
        """End this life: pending commands are answered `Unsettled`, later completions are dropped."""
        if self._driver is not None:
            self._end()

    def _end(self) -> None:
        self._running.close()
        self._joining.close()
        self._registration.close()
        self._leaders.close()
        self._disk_tasks.close()
        self._snapshots.close()
        self._turns.close()
        self._proposals.answer_all(Unsettled("stopped", None))
        self._requests.close()

    # --- incoming messages ------------------------------------------------------------------------------------------

    def receive(self, msg: ReplicaMessage, /) -> object:
        """Turn each message into an event of the batch, or answer it."""
        match msg:
            case RaftPeerMessage() | RaftChunk():
                self._letters.receive(msg)
            case Execute() | ReadQueries():
                if (event := self._clients.take(msg)) is not None:
                    self._feed(event)
            case ReadStale():
                self._clients.take_stale(msg)
            case Tick():
                self._running.ticked()
            case WatchLeader():
                return self._leaders.watch(msg.watcher)
            case _:
                return self._receive_rare(msg)
        return None

    def _receive_rare(self, msg: RareMessage) -> object:
        match msg:
            case ReportStatus() | ReportCode():
                return self._status() if isinstance(msg, ReportStatus) else self._schemas.report()
            case ActivateSchema():
                self._schemas.activate(self.context.reply_later(msg).reply)
            case HandOver() | ChangeGroupMembers() | TakeBackup() | ReadBackup():
                self._requests.receive(msg, self.context.reply_later(msg), takes_part=self._takes_part)
            case InviteStore():
                later = self.context.reply_later(msg)
                self._joining.invited(msg, later, self._raft.facts, takes_part=self._takes_part)
            case StoreAccused():
                self._letters.check_own_store(msg)
            case RegisterStore() | StoreRegistered() | FoundersDiffer() | RetryRegistration():
                if self._lost is None:  # else it must not confirm a store a second time
                    self._registration.receive(msg)
            case _:
                assert_never(msg)
        return None

    def on_visit_end(self) -> None:
        """Hand the messages of this visit to the protocol as one batch."""
        self._turns.begin()
        try:
            self._running.flush()
        except InvariantViolated as error:  # no restart makes its log right, and a replica must not vanish unnoticed
            self.context.system.fail(error)
            raise
        self._turns.end()
        now, position = self._monotonic(), (self._raft.term, self._raft.role, self._store.is_short_of_space)
        if now >= self._look_at_s or position != self._position or self._raft.facts is not self._facts:
            self._look_at_s, self._position = now + LOOK_S, position
            self._look_around(now)

    def _look_around(self, now: float) -> None:
        """Do what is due besides the protocol's own work (`now`: monotonic, s)."""
        if self._takes_part and (room := self._disk_tasks.news_of_room()) is not None:
            self._wake_with(room)
        self._digests.advance(now=now, wanted_index=self._snapshots.unconfirmed_index)
        if self._quarantined_because is None:
            self._snapshots.advance()
        if self._raft.facts is not self._facts:
            self._facts = self._raft.facts
            self._peers.follow(self._facts.known_members)
            self._letters.admission.forget()
            self._schemas.changed()
        if self._schemas.elected_since():
            self._letters.admission.forget()
        self._schemas.advance(now)
        self._requests.advance(now)
        self._leaders.advance(now, takes_part=self._takes_part)

    @property
    def _running(self) -> Driver[RaftEvent, RaftEffect] | PendingVoter[RaftEvent]:
        if self._driver is None:
            raise RuntimeError(f"group {self._group!r} has not started")
        return self._driver

    @property
    def _takes_part(self) -> bool:
        return isinstance(self._driver, Driver)

    def _feed(self, event: RaftEvent) -> None:
        """Hand an event to whatever drives the protocol now."""
        self._running.feed(event)

    def _wake_with(self, event: RaftEvent) -> None:
        """As `_feed`, from outside a visit."""
        self._running.wake_with(event)

    def _propose_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Put a checkpoint into the log. If that fails, the next one follows in a few seconds."""
        self._propose_own(EntryKind.CHECKPOINT, encode_checkpoint(checkpoint))

    def _propose_own(self, kind: EntryKind, content: bytes) -> int:
        """Put an entry of the group's own into the log; return the reference of the proposal."""
        ref = self._proposals.next_ref()
        self._running.wake_with(Propose(ref, content, kind))
        return ref

    def _why_no_stale_reads(self) -> str | None:
        if not self._takes_part:
            return NOT_REGISTERED
        return None if self._quarantined_because is None else QUARANTINED

    def _quarantine(self, reason: str) -> None:
        """Use the state machine no more in this life: the node only stores and votes."""
        self._quarantined_because = self._quarantined_because or reason
        self._feed(Quarantine(reason))

    def _refuse(self, reason: str, event: RaftEvent) -> None:
        if isinstance(event, Propose | Read):
            self._proposals.answer(event.ref, Refused(reason, None))

    # --- effects ----------------------------------------------------------------------------------------------------

    def persist(self, write: LogWrite, done: Callable[[], None]) -> None:
        """Submit a write to the store."""
        self._writes += 1
        if write.drop_before is None:
            self._store.write(write_of(self._group, write), done)
        else:
            self._store.write(write_of(self._group, write), lambda: None)
            self._store.drop_before(self._group, write.drop_before, partial(self._compacted, write, done))

    def _compacted(self, write: LogWrite, done: Callable[[], None]) -> None:
        done()
        if write.hard_state is not None:
            self._snapshots.compacted(write.hard_state.facts.snapshot)

    def send(self, to: str, message: RaftMessage) -> None:
        """Send a message to the member with the key `to`, if it still is one."""
        self._letters.send(to, message)

    def perform(self, effect: OwnEffect) -> RaftEvent | None:
        """Carry out an effect of Raft's own."""
        match effect:
            case Apply():
                return self._turns.apply(effect)
            case ReadReady():
                for ref in effect.refs:
                    self._proposals.ready(ref, self._turns.reads)
                self._snapshots.backups.ready(effect.refs)
            case Load():
                self._disk_tasks.load(effect, self._running.wake_with)
            case LoadChunk() | StoreChunk() | RestoreMachine():
                self._snapshots.perform(effect)
            case Reject():
                self._reject(effect)
            case TransferEnded():
                self._requests.transfer_ended(effect)
            case ChangeEnded():
                self._requests.change_ended(effect)
            case _:
                assert_never(effect)
        return None

    def observed(self, event: str, facts: Any) -> None:
        """Log an event of the protocol; announce a new leader to the watchers."""
        log = self.context.log
        (log.error if event in SEVERE else log.warning if event in SERIOUS else log.info)(event, **facts)
        self._leaders.changed()

    def _reject(self, effect: Reject) -> None:
        kind = Unsettled if effect.reason is Refusal.LEADERSHIP_LOST else Refused
        leader = None if effect.leader is None else self._raft.node_of(effect.leader)
        self._proposals.answer(effect.ref, kind(effect.reason.value, leader))
        self._snapshots.backups.rejected(effect)

    def _status(self) -> GroupStatus:
        return replica_status(
            self._group,
            self._node,
            self._raft,
            self._schemas,
            self._store,
            lost=self._lost,
            inactive_reason=None if self._takes_part else self._registration.inactive_reason,
            quarantine=self._quarantined_because,
            trouble=self._digests.trouble or self._snapshots.trouble,
            activity=self._snapshots.activity or self._requests.activity,
        )
