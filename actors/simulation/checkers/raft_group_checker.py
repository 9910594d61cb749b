"""`RaftGroupChecker`: checks each disk write, message and applied entry of a simulated Raft group for violations.

    CheckedRaftActor ─▶ RaftGroupChecker ─▶ RaftChecker
    a RaftActor that     also knows which writes were pending
    reports its steps    when a node crashed

Replicas are checked by their stores (`ReplicaNames`): a node with another store is another replica, and quorums are
those of the members in the log. A replica that joins is checked from its first start on, and one whose disk is lost is
checked no more.

After a crash a disk may hold more than it had confirmed: some of the pending writes, the earlier ones first. A node
must recover one of these states; any other state has lost durable data or contains data that was never written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from coterie.actors.groups.compaction.snapshot_policy import STANDARD_POLICY, SnapshotPolicy
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.simulation.checkers.replica_names import ReplicaNames
from coterie.actors.simulation.checkers.run_checkers import RunCheckers
from coterie.actors.simulation.checkers.state_comparison import ComparedMachine, StateComparison
from coterie.actors.simulation.run_log import RunLog
from coterie.actors.wire_names import RaftChunk, RaftPeerMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_checker import RaftChecker
from coterie.protocols.checking.raft_disk import AT_THE_BEGINNING, RaftDisk
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import OwnEffect, RaftEvent
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    HardState,
    LogWrite,
    RaftMessage,
    Restored,
)
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import InstallSnapshot, RestoreMachine
from coterie.protocols.replicated_log import Apply, Entry, LogIndex, LogPosition, Term
from coterie.protocols.sessions import Machine
from coterie.protocols.simulation.faults.sender_roles import sender_role
from coterie.runtime.storage.log_store import LogStore

__all__ = ["CheckedRaftActor", "RaftGroupChecker", "ReplicaLife"]


@dataclass(frozen=True, slots=True)
class ReplicaLife:
    """One life of a replica's actor: its node, its replica's name (see `ReplicaNames`), and the number of the life."""

    node: NodeId
    replica: NodeId
    number: int


class RaftGroupChecker:
    """Checks one group over all process lives of its nodes.

    Args:
        group: the name of the group.
        voters: the nodes of its founders.
        nodes: all nodes that may become members.
        checkers: calls the checker, and ends the run at a violation.
        on_role: is called with a role and a node whenever a message shows that the node has that role.
        run_log: gets the messages and events of the group.
        quorum: which voters may decide; None: more than half.
        base: where the logs of all its nodes begin, with an empty state machine.
    """

    def __init__(
        self,
        group: str,
        voters: Sequence[str],
        nodes: Sequence[str],
        checkers: RunCheckers,
        on_role: Callable[[TargetRole, str], None],
        run_log: RunLog,
        quorum: Quorum | None = None,
        *,
        base: LogPosition = AT_THE_BEGINNING,
    ) -> None:
        self.group = group
        self.base = base
        founders, context = tuple(map(NodeId, voters)), checkers.violation_context
        self.protocol_checker = RaftChecker(founders, context, quorum=quorum, base=base, follows_members=True)
        self.replicas = ReplicaNames()
        """The names by which it is keyed."""
        self.term_led_by: dict[str, Term] = {}
        """The nodes that are in the role leader now, with their terms."""
        self.identity_by_node: dict[str, bytes] = {}
        """What the latest letter of each node says about its origin."""
        self._nodes = frozenset(nodes)
        self._checkers = checkers
        self._on_role = on_role
        self._run_log = run_log
        self._pending_writes: dict[NodeId, deque[LogWrite]] = {founder: deque() for founder in founders}
        self._lives = dict.fromkeys(founders, 0)
        self._lost: dict[NodeId, None] = {}
        self._states = StateComparison(group, context)
        self._actor_by_node: dict[str, CheckedRaftActor] = {}
        self._reported_members: dict[NodeId, object] = {}

    @property
    def leader(self) -> str | None:
        """The leader of the highest term; None if no node is in the role leader."""
        return max(self.term_led_by, key=lambda node: self.term_led_by[node], default=None)

    def disk_of(self, node: str) -> RaftDisk | None:
        """Return the checker's image of the disk that `node` has; None if that is of no replica. Do not modify it."""
        replica = self.replicas.latest(node)
        return self.protocol_checker.disk(replica) if replica in self._lives and replica not in self._lost else None

    def has_converged(self, node: str) -> bool:
        """Return whether `node` has applied every committed entry, and its log holds no others."""
        committed, disk = self.protocol_checker.committed_index, self.disk_of(node)
        if disk is None:
            return False
        return self.protocol_checker.applied_index(self.replicas.latest(node)) == committed == disk.last_index

    def disk_replaced(self, node: str) -> None:
        """Note that the disk of `node` was replaced: the replica with it is not checked any more."""
        if self.replicas.has_run_on(node):
            self._lost[self.replicas.latest(node)] = None
        self.ended(node)

    def ended(self, node: str) -> None:
        """Note that the present process life of `node` has ended."""
        self.term_led_by.pop(node, None)
        self._actor_by_node.pop(node, None)

    def end_run(self) -> None:
        """Compare the states of all replicas that run, and count on which disks the committed entries are."""
        for node, actor in self._actor_by_node.items():
            if actor.has_state:
                self.state_reached(NodeId(node), LogIndex(actor.applied_index + 1), actor.machine.state)
        self._checkers.check(self.protocol_checker.audit, self._lost)

    # --- called by the actors ---------------------------------------------------------------------------------------

    def started(self, node: NodeId, store: str, restored: Restored) -> ReplicaLife:
        """Check the state that `node` has recovered from `store`; return what identifies this life."""
        replica = self.replicas.name(node, store)
        if replica not in self._lives:
            self._lives[replica], self._pending_writes[replica] = 0, deque()
            self.protocol_checker.add(replica)
        self._lives[replica] += 1
        self.ended(node)
        if replica not in self._lost:
            named = replace(restored, hard_state=self.replicas.register(restored.hard_state))
            self._checkers.check(self._recover, replica, named)
            self._checkers.check(self.protocol_checker.started, replica)
        return ReplicaLife(node, replica, self._lives[replica])

    def running(self, life: ReplicaLife, actor: CheckedRaftActor) -> None:
        """Note that `actor` runs the replica now."""
        if self._is_checked(life):
            self._actor_by_node[life.node] = actor

    def submitted(self, life: ReplicaLife, write: LogWrite) -> None:
        """Note that a write is pending on the disk."""
        self._pending_writes[life.replica].append(self.replicas.write(write))

    def durable(self, life: ReplicaLife) -> None:
        """Check the write that has become durable: the oldest that was pending in this life."""
        if life.number == self._lives[life.replica] and self._is_checked(life):
            replica = life.replica
            self._checkers.check(self.protocol_checker.wrote, replica, self._pending_writes[replica].popleft())

    def sent(self, life: ReplicaLife, key: str, node: NodeId, message: RaftMessage) -> None:
        """Check a message that is sent to the member with `key`, on `node`.

        Letters go to nodes: what a leader sends to a store may reach the one that has taken its place.
        """
        if not self._is_checked(life):
            return
        to, check = self.replicas.of_store(key) or self.replicas.latest(node), self.protocol_checker.sent
        self._checkers.check(check, life.replica, to, message)
        if isinstance(message, AppendEntries | InstallSnapshot):
            for other in self.replicas.all_on(node):
                if other != to:
                    self._checkers.check(check, life.replica, other, message)
        role = sender_role(message)
        if role is not None:
            self._on_role(role, life.node)

    def arrived(self, node: NodeId, letter: RaftPeerMessage | RaftChunk) -> None:
        """Check that a letter that arrives is from a node of the cluster, and log it."""
        if letter.sender not in self._nodes:
            self._checkers.check(self._refuse_stranger, node, letter.sender)
        self.identity_by_node[letter.sender] = letter.identity
        if self._run_log.keeps_all:
            self._run_log.record(node, f"from {letter.sender}", letter.body)

    def _refuse_stranger(self, node: NodeId, sender: str) -> None:
        self._checkers.violation_context.fail("runtime.stranger_heard", node, f"a letter of {sender!r} is heard")

    def observed(self, node: NodeId, event: str, facts: object) -> None:
        """Log an event of the algorithm."""
        self._run_log.record(node, event, facts)

    def state_reached(self, node: NodeId, index: LogIndex, machine: object) -> None:
        """Compare the state of `node` before entry `index` with those of the other replicas."""
        if self.replicas.latest(node) not in self._lost:
            self._checkers.check(self._states.reached, node, index, machine)

    def applied(self, life: ReplicaLife, entries: Sequence[Entry]) -> None:
        """Check entries that are applied to the state machine."""
        if self._is_checked(life):
            self._checkers.check(self._check_applied, life.replica, entries)

    def restored(self, life: ReplicaLife, snapshot: SnapshotId) -> None:
        """Check that the state machine may begin from `snapshot`."""
        if self._is_checked(life):
            self._checkers.check(self.protocol_checker.restored, life.replica, snapshot)

    def _check_applied(self, replica: NodeId, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.protocol_checker.applied(replica, self.replicas.entry(entry))

    def role_observed(self, life: ReplicaLife, raft: Raft) -> None:
        """Check role, term and members of a replica after an actor visit."""
        if raft.role is not RaftRole.LEADER:
            self.term_led_by.pop(life.node, None)
            return
        if not self._is_checked(life):
            return
        if self.term_led_by.get(life.node) != raft.term:
            self.term_led_by[life.node] = raft.term
            self._checkers.check(self.protocol_checker.led, life.replica, raft.term)
        if self._reported_members.get(life.replica) is not raft.facts.memberships:
            self._reported_members[life.replica] = raft.facts.memberships
            named = self.replicas.memberships(raft.facts)
            known = [(index, raft.term_at(index), membership) for index, membership in named]
            self._checkers.check(self.protocol_checker.led_with, life.replica, raft.term, known)

    def _is_checked(self, life: ReplicaLife) -> bool:
        return life.replica not in self._lost

    def _recover(self, replica: NodeId, restored: Restored) -> None:
        """Pass to the checker the writes that reached the disk unconfirmed before the crash."""
        image, pending = _copy(self.protocol_checker.disk(replica)), self._pending_writes[replica]
        writes, self._pending_writes[replica] = tuple(pending), deque()
        reached = 0 if _matches(image, restored) else None
        for count, write in enumerate(writes, 1):
            image.write(write)
            if _matches(image, restored):
                reached = count
        if reached is None:
            disk = self.protocol_checker.disk(replica)
            detail = f"recovers {restored}, but {disk.restored()} was durable, with {len(writes)} writes pending"
            self._checkers.violation_context.fail("storage.recovered", replica, detail)
        for write in writes[:reached]:
            self.protocol_checker.wrote(replica, write)


class CheckedRaftActor(RaftActor):
    """A `RaftActor` that reports its steps to a `RaftGroupChecker`."""

    def __init__(
        self,
        checker: RaftGroupChecker,
        group: str,
        config: RaftConfig,
        machine: Callable[[], Machine],
        store: LogStore,
        activate_after_s: float | None = None,
        snapshots: SnapshotPolicy = STANDARD_POLICY,
    ) -> None:
        self.machine = ComparedMachine(machine(), lambda index, state: checker.state_reached(self._node, index, state))
        super().__init__(group, config, lambda: self.machine, store, activate_after_s, snapshots)
        self._checker = checker
        self._life: ReplicaLife

    @property
    def applied_index(self) -> LogIndex:
        """The last entry that this replica has applied."""
        return self._raft.applied_index

    @property
    def quarantined_because(self) -> str | None:
        """Why its state machine is not used any more; None: it is."""
        return self._quarantined_because

    @property
    def has_state(self) -> bool:
        """Whether its state is that of `applied_index`: it is not being restored."""
        snapshot = self._raft.facts.snapshot
        is_begun = snapshot is None or self._raft.applied_index >= snapshot.position.index
        return is_begun and not self._replica.is_restoring

    async def on_start(self) -> None:
        """Start from what is on the disk, which `_recover` reports."""
        await super().on_start()
        self._checker.running(self._life, self)

    def on_visit_end(self) -> None:
        """End the visit, then report role and term."""
        super().on_visit_end()
        self._checker.role_observed(self._life, self._raft)

    def persist(self, write: LogWrite, done: Callable[[], None]) -> None:
        """Persist `write`, and report when it is submitted and when it is durable."""
        life = self._life
        if write.hard_state is not None:
            write = replace(write, hard_state=self._at_base(write.hard_state))

        def durable() -> None:
            self._checker.durable(life)
            done()

        self._checker.submitted(life, write)
        super().persist(write, durable)

    def send(self, to: str, message: RaftMessage) -> None:
        """Report the message, then send it."""
        node = self._raft.node_of(NodeId(to))
        if node is not None:
            self._checker.sent(self._life, to, node, message)
        super().send(to, message)

    def perform(self, effect: OwnEffect) -> RaftEvent | None:
        """Report entries that are to be applied, and a snapshot that is restored, then carry out the effect."""
        if isinstance(effect, Apply):
            self._checker.applied(self._life, effect.entries)
        elif isinstance(effect, RestoreMachine):
            self._checker.restored(self._life, effect.snapshot)
        return super().perform(effect)

    def observed(self, event: str, facts: Any) -> None:
        """Report the event, then handle it as usual."""
        self._checker.observed(self._node, event, facts)
        super().observed(event, facts)

    async def _recover(self) -> Restored:
        restored = await super()._recover()
        self._life = self._checker.started(self._node, self._store.store_id, restored)
        return restored

    def _founding(self) -> HardState:
        register = super()._founding()
        base = self._checker.base
        return replace(register, term=base.term, facts=replace(register.facts, base=base))

    def _at_base(self, register: HardState) -> HardState:
        """Return a register with which this store joins as one of a log that begins where that of the group does."""
        base = self._checker.base
        if register.facts.memberships or register.facts.base.index >= base.index:
            return register
        return replace(register, term=base.term, facts=replace(register.facts, base=base))

    def _joined(self, restored: Restored) -> None:
        register = self._at_base(restored.hard_state)
        if register != restored.hard_state:
            base_index = register.facts.base.index
            self._store.drop_before(self._group, LogIndex(base_index + 1))
            restored = replace(restored, hard_state=register, last_index=base_index)
        super()._joined(restored)

    def receive(self, msg: Any, /) -> object:
        """Report a letter, then handle the message as usual."""
        if isinstance(msg, RaftPeerMessage | RaftChunk):
            self._checker.arrived(self._node, msg)
        return super().receive(msg)


def _copy(disk: RaftDisk) -> RaftDisk:
    copy = RaftDisk()
    copy.hard_state, copy.entries = disk.hard_state, list(disk.entries)
    return copy


def _matches(image: RaftDisk, restored: Restored) -> bool:
    return image.restored() == restored
