"""`RaftGroupChecker`: checks each disk write, message and applied entry of a simulated Raft group for violations.

    CheckedRaftActor ─▶ RaftGroupChecker ─▶ RaftChecker
    a RaftActor that     also knows which writes were pending
    reports its steps    when a node crashed

After a crash a disk may hold more than it had confirmed: some of the pending writes, the earlier ones first. A node
must recover one of these states; any other state has lost durable data or contains data that was never written.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from coterie.actors.groups.compaction.snapshot_policy import STANDARD_POLICY, SnapshotPolicy
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.simulation.checkers.run_checkers import RunCheckers
from coterie.actors.simulation.checkers.state_comparison import ComparedMachine, StateComparison
from coterie.actors.simulation.run_log import RunLog
from coterie.actors.wire_names import RaftChunk, RaftPeerMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.raft_checker import RaftChecker
from coterie.protocols.checking.raft_disk import AT_THE_BEGINNING, RaftDisk
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import OwnEffect, RaftEvent
from coterie.protocols.raft.raft_messages import (
    HardState,
    LogWrite,
    RaftMessage,
    Restored,
)
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import RestoreMachine
from coterie.protocols.replicated_log import Apply, Entry, LogIndex, LogPosition, Term
from coterie.protocols.sessions import Machine
from coterie.protocols.simulation.faults.sender_roles import sender_role
from coterie.runtime.storage.log_store import LogStore

__all__ = ["CheckedRaftActor", "RaftGroupChecker"]


class RaftGroupChecker:
    """Checks one group over all process lives of its nodes.

    Args:
        group: the name of the group.
        voters: its nodes.
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
        checkers: RunCheckers,
        on_role: Callable[[TargetRole, str], None],
        run_log: RunLog,
        quorum: Quorum | None = None,
        *,
        base: LogPosition = AT_THE_BEGINNING,
    ) -> None:
        self.group = group
        self.voters = tuple(NodeId(voter) for voter in voters)
        self.base = base
        self.protocol_checker = RaftChecker(self.voters, checkers.violation_context, quorum=quorum, base=base)
        self.term_led_by: dict[str, Term] = {}
        """The nodes that are in the role leader now, with their terms."""
        self.identity_by_node: dict[str, bytes] = {}
        """What the latest letter of each node says about its origin."""
        self._checkers = checkers
        self._on_role = on_role
        self._run_log = run_log
        self._pending_writes: dict[NodeId, deque[LogWrite]] = {voter: deque() for voter in self.voters}
        self._life = dict.fromkeys(self.voters, 0)
        self._replaced_disks: dict[str, None] = {}
        self._node_by_store: dict[str, NodeId] = {}
        self._states = StateComparison(group, checkers.violation_context)
        self._actor_by_node: dict[str, CheckedRaftActor] = {}

    @property
    def leader(self) -> str | None:
        """The leader of the highest term; None if no node is in the role leader."""
        return max(self.term_led_by, key=lambda node: self.term_led_by[node], default=None)

    def has_converged(self, node: str) -> bool:
        """Return whether `node` has applied every committed entry, and its log holds no others."""
        committed, voter = self.protocol_checker.committed_index, NodeId(node)
        return self.protocol_checker.applied_index(voter) == committed == self.protocol_checker.disk(voter).last_index

    def disk_replaced(self, node: str) -> None:
        """Note that the disk of `node` was replaced: it is no longer a voter, and is not checked any more."""
        self._replaced_disks[node] = None
        self.ended(node)

    def ended(self, node: str) -> None:
        """Note that the present process life of `node` has ended."""
        self.term_led_by.pop(node, None)
        self._actor_by_node.pop(node, None)

    def compare_states(self) -> None:
        """Compare the states of all replicas that run, at the end of a run."""
        for node, actor in self._actor_by_node.items():
            if actor.has_state:
                self.state_reached(NodeId(node), LogIndex(actor.applied_index + 1), actor.machine.state)

    # --- called by the actors ---------------------------------------------------------------------------------------

    def started(self, node: NodeId, store: str, restored: Restored) -> int:
        """Check the state that `node` has recovered from `store`; return the number of this process life."""
        self._life[node] += 1
        self._node_by_store[store] = node
        self.ended(node)
        if node not in self._replaced_disks:
            named = replace(restored, hard_state=self._by_node(restored.hard_state))
            self._checkers.check(self._recover, node, named)
            self._checkers.check(self.protocol_checker.started, node)
        return self._life[node]

    def running(self, node: NodeId, actor: CheckedRaftActor) -> None:
        """Note that `actor` runs the replica of `node` now."""
        if node not in self._replaced_disks:
            self._actor_by_node[node] = actor

    def submitted(self, node: NodeId, write: LogWrite) -> None:
        """Note that a write is pending on the disk."""
        if write.hard_state is not None:
            write = replace(write, hard_state=self._by_node(write.hard_state))
        self._pending_writes[node].append(write)

    def durable(self, node: NodeId, life: int) -> None:
        """Check the write that has become durable: the oldest that was pending in process life `life`."""
        if life == self._life[node] and node not in self._replaced_disks:
            self._checkers.check(self.protocol_checker.wrote, node, self._pending_writes[node].popleft())

    def sent(self, node: NodeId, to: str, message: RaftMessage) -> None:
        """Check a message that is sent."""
        if node not in self._replaced_disks:
            self._checkers.check(self.protocol_checker.sent, node, NodeId(to), message)
            role = sender_role(message)
            if role is not None:
                self._on_role(role, node)

    def arrived(self, node: NodeId, letter: RaftPeerMessage | RaftChunk) -> None:
        """Check that a letter that arrives is from a voter, and log it."""
        if letter.sender not in self._life:
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
        if node not in self._replaced_disks:
            self._checkers.check(self._states.reached, node, index, machine)

    def applied(self, node: NodeId, entries: Sequence[Entry]) -> None:
        """Check entries that are applied to the state machine."""
        if node not in self._replaced_disks:
            self._checkers.check(self._check_applied, node, entries)

    def restored(self, node: NodeId, snapshot: SnapshotId) -> None:
        """Check that the state machine of `node` may begin from `snapshot`."""
        if node not in self._replaced_disks:
            self._checkers.check(self.protocol_checker.restored, node, snapshot)

    def _check_applied(self, node: NodeId, entries: Sequence[Entry]) -> None:
        for entry in entries:
            self.protocol_checker.applied(node, entry)

    def role_observed(self, node: NodeId, role: RaftRole, term: Term) -> None:
        """Check the role and term of `node` after an actor visit."""
        if role is not RaftRole.LEADER:
            self.term_led_by.pop(node, None)
        elif self.term_led_by.get(node) != term and node not in self._replaced_disks:
            self.term_led_by[node] = term
            self._checkers.check(self.protocol_checker.led, node, term)

    def _by_node(self, register: HardState) -> HardState:
        """Return `register` with the vote for a node, as the checker of the protocol has it, not for its store."""
        store = register.voted_for
        return register if store is None else replace(register, voted_for=self._node_by_store[store])

    def _recover(self, node: NodeId, restored: Restored) -> None:
        """Pass to the checker the writes that reached the disk unconfirmed before the crash."""
        image, pending = _copy(self.protocol_checker.disk(node)), self._pending_writes[node]
        writes, self._pending_writes[node] = tuple(pending), deque()
        reached = 0 if _matches(image, restored) else None
        for count, write in enumerate(writes, 1):
            image.write(write)
            if _matches(image, restored):
                reached = count
        if reached is None:
            disk = self.protocol_checker.disk(node)
            detail = f"recovers {restored}, but {disk.restored()} was durable, with {len(writes)} writes pending"
            self._checkers.violation_context.fail("storage.recovered", node, detail)
        for write in writes[:reached]:
            self.protocol_checker.wrote(node, write)


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
        self._life = 0

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
        self._checker.running(self._node, self)

    def on_visit_end(self) -> None:
        """End the visit, then report role and term."""
        super().on_visit_end()
        self._checker.role_observed(self._node, self._raft.role, self._raft.term)

    def persist(self, write: LogWrite, done: Callable[[], None]) -> None:
        """Persist `write`, and report when it is submitted and when it is durable."""

        def durable() -> None:
            self._checker.durable(self._node, self._life)
            done()

        self._checker.submitted(self._node, write)
        super().persist(write, durable)

    def send(self, to: str, message: RaftMessage) -> None:
        """Report the message, then send it."""
        node = self._raft.node_of(NodeId(to))
        if node is not None:
            self._checker.sent(self._node, node, message)
        super().send(to, message)

    def perform(self, effect: OwnEffect) -> RaftEvent | None:
        """Report entries that are to be applied, and a snapshot that is restored, then carry out the effect."""
        if isinstance(effect, Apply):
            self._checker.applied(self._node, effect.entries)
        elif isinstance(effect, RestoreMachine):
            self._checker.restored(self._node, effect.snapshot)
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
