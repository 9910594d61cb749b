"""`RaftActor`: runs one node of a Raft group as an actor: persists the log, applies commands and replies to clients.

clients ── Execute ────────▶┐                    ┌─▶ RaftPeerMessage ▶ peers
peers ── RaftPeerMessage ──▶│ Driver ─ Raft (pure)│─▶ store (Persist, Load)
timer ── Tick ─────────────▶┘                    └─▶ sessions ▶ state machine ▶ replies
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import random
from collections.abc import Callable
from typing import Any, assert_never

from coterie.actors.driver import Driver, Tick
from coterie.actors.groups.group_messages import (
    ENVELOPE_BYTES,
    NOT_REGISTERED,
    TOO_LARGE,
    Answer,
    Execute,
    GroupStatus,
    LeaderIs,
    Refused,
    ReportStatus,
    Unsettled,
    WatchLeader,
)
from coterie.actors.groups.raft_limits import RaftLimits
from coterie.actors.groups.raft_records import entries_of, restored_from, write_of
from coterie.actors.groups.replicas.apply_failures import ApplyFailures
from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.groups.state_machine import is_local
from coterie.actors.peer_stores import PeerStores
from coterie.actors.pending_voter import PendingVoter
from coterie.actors.voter_registration import RetryRegistration, VoterRegistration
from coterie.actors.wire_names import RaftPeerMessage, RegisterStore, StoreRegistered
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import RaftEffect, RaftEvent
from coterie.protocols.raft.raft_messages import LogWrite, RaftMessage
from coterie.protocols.raft.raft_observations import SERIOUS, SEVERE
from coterie.protocols.replicated_log import Applied, Apply, Load, Loaded, LogIndex, Propose, Refusal, Reject
from coterie.protocols.sessions import INCARNATION_BYTES, Machine, fit_reply
from coterie.runtime.actor import Actor, Later
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.storage.log_store import LogStore

__all__ = ["RaftActor"]


class RaftActor(
    Actor[
        Execute
        | RaftPeerMessage
        | WatchLeader
        | ReportStatus
        | Tick
        | RegisterStore
        | StoreRegistered
        | RetryRegistration
    ]
):
    """One node of a Raft group.

    Args:
        group: the group's name: its actors' path on every node and its name in the store.
        config: the same on every node.
        machine: makes an empty state machine; each life of the actor applies the log to a new one.
        store: the log store for its term, vote and entries.
    """

    def __init__(self, group: str, config: RaftConfig, machine: Callable[[], Machine], store: LogStore) -> None:
        self._group = group
        self._config = config
        self._machine = machine()
        self._store = store
        self._peer_stores = PeerStores(group, store)
        self._refs = itertools.count(1)
        self._waiting: dict[int, Later[Answer]] = {}  # by Propose.ref
        self._watchers: dict[Ref[LeaderIs], None] = {}
        self._leader: LeaderIs | None = None
        self._to_apply: Apply | None = None  # Raft emits the next chunk when this one is applied
        self._load_tasks: set[asyncio.Task[None]] = set()
        self._driver: Driver[RaftEvent, RaftEffect] | PendingVoter[RaftEvent] | None = None

    # --- life -------------------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        """Wait for the writes of an earlier life, restore the durable state, and become a follower once registered."""
        system = self.context.system
        self._node = NodeId(system.node)
        state = await self._store.state(self._group)
        self._replica = Replica(self._machine, incarnation=self._incarnation())
        self._failures = ApplyFailures(self.context, self._machine, LogIndex(state.last))
        await self._peer_stores.restore()
        rng = random.Random(self.context.random.getrandbits(64))
        limits = self._limits()
        self._raft = Raft(self._node, limits.config, restored=restored_from(state), rng=rng)
        # An entry that does not fit into a frame could never be replicated, and would block all later ones.
        self._command_bytes_max = limits.max_command_bytes
        self._answer_bytes_max = system.config.transport.frame_cap_bytes - ENVELOPE_BYTES
        self._peers: dict[str, Ref[Any]] = {
            node: system.at(Address(node, self._group)) for node in self._config.voters if node != self._node
        }
        self._unsubscribe_links = system.on_link(self._link_changed)
        self._driver = PendingVoter(self._reject_unregistered)
        self._registration = VoterRegistration(
            self._node, self._peers, self._store, self._peer_stores, self.context, self._take_part
        )
        self._registration.begin(state)

    def _limits(self) -> RaftLimits:
        frame_cap_bytes, store_write_bytes = (
            self.context.system.config.transport.frame_cap_bytes,
            self._store.max_write_bytes,
        )
        limits = RaftLimits.fitted(self._config, frame_cap_bytes=frame_cap_bytes, store_write_bytes=store_write_bytes)
        if limits.lowered:
            sizes = {"frame_cap_bytes": frame_cap_bytes, "store_write_bytes": store_write_bytes, **limits.lowered}
            self.context.log.info("raft.limits_lowered", **sizes)
        return limits

    def _incarnation(self) -> bytes:
        """Return what distinguishes this group from others of the same name."""
        founders = "\0".join((self.context.system.identity.cluster, self._group, *sorted(self._config.voters)))
        return hashlib.sha256(founders.encode()).digest()[:INCARNATION_BYTES]

    def _take_part(self) -> None:
        self._driver = Driver(self._raft, self.context, self)
        self.context.wake()

    def on_stop(self) -> None:
        """End this life: pending commands are answered `Unsettled`, later completions are dropped."""
        if self._driver is None:
            return
        self._driver.close()
        self._registration.close()
        self._unsubscribe_links()
        for task in self._load_tasks:
            task.cancel()
        for ref in list(self._waiting):
            self._answer(ref, Unsettled("stopped", None))

    # --- incoming messages ------------------------------------------------------------------------------------------

    def receive(
        self,
        msg: Execute
        | RaftPeerMessage
        | WatchLeader
        | ReportStatus
        | Tick
        | RegisterStore
        | StoreRegistered
        | RetryRegistration,
        /,
    ) -> object:
        """Turn each message into an event of the batch, or answer it."""
        match msg:
            case RaftPeerMessage():
                self._receive_peer_message(msg)
            case Execute():
                self._propose(msg)
            case Tick():
                self._running.ticked()
            case WatchLeader():
                self._watchers[msg.watcher] = None
                return self._leader
            case ReportStatus():
                return self._status()
            case RegisterStore():
                self._registration.handle_request(msg)
            case StoreRegistered():
                self._registration.handle_reply(msg)
            case RetryRegistration():
                self._registration.retry()
            case _:
                assert_never(msg)
        return None

    def on_visit_end(self) -> None:
        """Hand the messages of this visit to the protocol as one batch."""
        if self._to_apply is not None:
            effect, self._to_apply = self._to_apply, None
            applied = self._apply(effect)
            if applied is not None:
                self._running.feed(applied)
        self._running.flush()

    def _apply_now(self, effect: Apply) -> None:
        self._to_apply = effect
        run_queue = self.context.system.run_queue
        is_held = run_queue.hold()  # the visit takes place within this callback of the loop
        try:
            self.context.wake()
        finally:
            if is_held:
                run_queue.release()

    @property
    def _running(self) -> Driver[RaftEvent, RaftEffect] | PendingVoter[RaftEvent]:
        if self._driver is None:
            raise RuntimeError(f"group {self._group!r} has not started")
        return self._driver

    def _propose(self, msg: Execute) -> None:
        later = self.context.reply_later(msg)
        if len(msg.command) > self._command_bytes_max:
            later.reply(Refused(TOO_LARGE, None, self._command_bytes_max))
            return
        ref = next(self._refs)
        self._waiting[ref] = later
        self._running.feed(Propose(ref, msg.command))

    def _reject_unregistered(self, event: RaftEvent) -> None:
        if isinstance(event, Propose):
            self._answer(event.ref, Refused(NOT_REGISTERED, None))

    def _answer(self, ref: int, answer: Answer) -> None:
        self._waiting.pop(ref).reply(answer)

    def _receive_peer_message(self, message: RaftPeerMessage) -> None:
        if not self._peer_stores.admit(message, self._peers, self._running):
            self.context.log.error("store.refused", peer=message.sender, store=message.store)

    def _link_changed(self, event: LinkEvent) -> None:
        if event.kind != "up":
            gone = [watcher for watcher in self._watchers if watcher.node == event.node]
            for watcher in gone:
                del self._watchers[watcher]

    # --- effects ----------------------------------------------------------------------------------------------------

    def persist(self, write: LogWrite, done: Callable[[], None]) -> None:
        """Submit a write to the store."""
        self._store.write(write_of(self._group, write), done)

    def send(self, to: str, message: RaftMessage) -> None:
        """Send a message to a peer."""
        self._peers[to].tell(RaftPeerMessage(self._node, self._store.store_id, message))

    def perform(self, effect: Apply | Load | Reject) -> RaftEvent | None:
        """Carry out `Apply`, `Load` or `Reject`."""
        match effect:
            case Apply():
                # Not at once: a long backlog comes in many chunks; between two of them the loop must read heartbeats,
                # and the disk thread needs the interpreter to start the write that came with this one.
                self.context.system.loop.call_soon(self._apply_now, effect)
            case Load():
                task = asyncio.ensure_future(self._load(effect))
                self._load_tasks.add(task)
                task.add_done_callback(self._load_tasks.discard)
            case Reject():
                self._reject(effect)
            case _:
                assert_never(effect)
        return None

    def observed(self, event: str, facts: Any) -> None:
        """Log an event of the protocol; announce a new leader to the watchers."""
        log = self.context.log
        (log.error if event in SEVERE else log.warning if event in SERIOUS else log.info)(event, **facts)
        leader, term = self._raft.leader, self._raft.term
        if leader is not None and (self._leader is None or self._leader.term < term):
            self._leader = LeaderIs(self._group, self._node, leader, term)
            for watcher in self._watchers:
                watcher.tell(self._leader)

    def _apply(self, effect: Apply) -> Applied | None:
        """Apply entries, and answer those that wait for them; None: this node stops, because of a local condition."""
        replica, refs = self._replica, effect.refs
        try:
            for entry in effect.entries:
                reply = replica.apply(entry)
                ref = refs.get(entry.index)
                if ref is not None and reply is not None:
                    self._answer(ref, fit_reply(reply, self._answer_bytes_max))
        except BaseException as error:
            if not is_local(error):
                raise
            self.context.system.fail(error)  # the entry does not count as applied: the next life applies it again
            return None
        last = effect.entries[-1].index
        self._failures.applied(last)
        return Applied(last)

    async def _load(self, load: Load) -> None:
        try:
            records = await self._store.read(self._group, load.first, load.last, load.max_bytes)
            entries = entries_of(load.first, records)
        except Exception as error:  # noqa: BLE001 (an unreadable log is fatal for the node)
            self.context.system.fail(error)
            return
        self._running.wake_with(Loaded(load.reader, load.first, entries))

    def _reject(self, effect: Reject) -> None:
        kind = Unsettled if effect.reason is Refusal.LEADERSHIP_LOST else Refused
        self._answer(effect.ref, kind(effect.reason.value, effect.leader))

    def _status(self) -> GroupStatus:
        raft = self._raft
        return GroupStatus(
            group=self._group,
            node=self._node,
            role=self._registration.inactive_reason or raft.role.value,
            term=raft.term,
            leader=raft.leader,
            last_index=raft.last_index,
            commit_index=raft.commit_index,
            applied_index=raft.applied_index,
            store=self._store.store_id,
            syncs=self._store.syncs,
        )
