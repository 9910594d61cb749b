"""`SynodGroupChecker`: checks each durable state and message of a simulated Paxos group (synod) for violations.

As with Raft, a disk may hold unconfirmed data after a crash: any one of the states that were pending.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from coterie.actors.driver import Tick
from coterie.actors.paxos.synod_actor import ProposeValue, ReadValue, SynodActor
from coterie.actors.paxos.synod_records import decode_state
from coterie.actors.simulation.checkers.run_checkers import RunCheckers
from coterie.actors.simulation.run_log import RunLog
from coterie.actors.voter_registration import RetryRegistration
from coterie.actors.wire_names import FoundersDiffer, RegisterStore, StoreRegistered, SynodPeerMessage
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.synod_checker import SynodChecker
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import Accept, Chosen, Prepare, Promise, SynodMessage, SynodState
from coterie.protocols.quorums import Quorum
from coterie.runtime.storage.log_store import LogStore

__all__ = ["CheckedSynodActor", "SynodGroupChecker"]


class SynodGroupChecker:
    """Checks one synod over all process lives of its nodes. The arguments are those of `RaftGroupChecker`."""

    def __init__(
        self,
        name: str,
        members: Sequence[str],
        checkers: RunCheckers,
        on_role: Callable[[TargetRole, str], None],
        run_log: RunLog,
        quorum: Quorum | None = None,
    ) -> None:
        self.name = name
        self.members = tuple(NodeId(member) for member in members)
        self.protocol_checker = SynodChecker(self.members, checkers.violation_context, quorum=quorum)
        self._checkers = checkers
        self._on_role = on_role
        self._run_log = run_log
        self._pending_writes: dict[NodeId, deque[SynodState]] = {member: deque() for member in self.members}
        self._life = dict.fromkeys(self.members, 0)
        self._replaced_disks: dict[str, None] = {}

    def disk_replaced(self, node: str) -> None:
        """Note that the disk of `node` was replaced: the node is not checked any more."""
        self._replaced_disks[node] = None

    def ended(self, node: str) -> None:
        """Note that the present process life of `node` has ended."""

    # --- called by the actors ---------------------------------------------------------------------------------------

    def started(self, node: NodeId, restored: SynodState) -> int:
        """Check the state that `node` has recovered from its disk; return the number of this process life."""
        self._life[node] += 1
        if node not in self._replaced_disks:
            self._checkers.check(self._recover, node, restored)
            self._checkers.check(self.protocol_checker.started, node)
        return self._life[node]

    def asked(self, value: bytes) -> None:
        """Note that a client proposes `value`."""
        self._checkers.check(self.protocol_checker.asked, value)

    def submitted(self, node: NodeId, state: SynodState) -> None:
        """Note that a state is pending on the disk."""
        self._pending_writes[node].append(state)

    def durable(self, node: NodeId, life: int) -> None:
        """Check the state that has become durable: the oldest that was pending in process life `life`."""
        if life == self._life[node] and node not in self._replaced_disks:
            self._checkers.check(self.protocol_checker.wrote, node, self._pending_writes[node].popleft())

    def sent(self, node: NodeId, to: str, message: SynodMessage) -> None:
        """Check a message that is sent; messages of a node to itself are checked by their effect on its disk."""
        if node in self._replaced_disks:
            return
        if to != node:
            self._checkers.check(self.protocol_checker.sent, node, message)
        role = _role_shown_by(message)
        if role is not None:
            self._on_role(role, node)

    def arrived(self, node: NodeId, sender: str, message: SynodMessage) -> None:
        """Log a message that arrives."""
        if self._run_log.keeps_all:
            self._run_log.record(node, f"from {sender}", message)

    def observed(self, node: NodeId, event: str, facts: object) -> None:
        """Log an event of the algorithm."""
        self._run_log.record(node, event, facts)

    def answered(self, node: NodeId, value: bytes | None, was_chosen: bytes | None) -> None:
        """Check an answer; `was_chosen` is the value chosen when the request arrived."""
        if node not in self._replaced_disks:
            self._checkers.check(lambda: self.protocol_checker.answered(node, value, was_chosen=was_chosen))

    def _recover(self, node: NodeId, restored: SynodState) -> None:
        states, self._pending_writes[node] = tuple(self._pending_writes[node]), deque()
        if restored == self.protocol_checker.disk(node):
            return
        if restored not in states:
            detail = (
                f"recovers {restored}, but {self.protocol_checker.disk(node)} was durable, and {states} were pending"
            )
            self._checkers.violation_context.fail("storage.recovered", node, detail)
        for state in states[: states.index(restored) + 1]:
            self.protocol_checker.wrote(node, state)


class CheckedSynodActor(SynodActor):
    """A `SynodActor` that reports its steps to a `SynodGroupChecker`."""

    def __init__(self, checker: SynodGroupChecker, name: str, config: SynodConfig, store: LogStore) -> None:
        super().__init__(name, config, store)
        self._checker = checker
        self._life = 0
        self._chosen_before: dict[int, bytes | None] = {}

    async def on_start(self) -> None:
        """Report the state on the disk, then start. A store that knows that it has lost promises counts as replaced."""
        if self._store.lost_promises is not None:
            self._checker.disk_replaced(self.context.system.node)
            await super().on_start()
            return
        state = await self._store.state(self._name)
        restored = SynodState() if state.metadata is None else decode_state(state.metadata)
        self._life = self._checker.started(NodeId(self.context.system.node), restored)
        await super().on_start()

    def receive(
        self,
        msg: ProposeValue
        | ReadValue
        | SynodPeerMessage
        | Tick
        | RegisterStore
        | StoreRegistered
        | FoundersDiffer
        | RetryRegistration,
        /,
    ) -> None:
        """Report a proposal, then handle the message."""
        if isinstance(msg, ProposeValue):
            self._checker.asked(msg.value)
        super().receive(msg)
        if isinstance(msg, ProposeValue | ReadValue):
            self._chosen_before[max(self._later_by_ref, default=0)] = self._checker.protocol_checker.chosen

    def persist(self, write: SynodState, done: Callable[[], None]) -> None:
        """Persist `write`, and report when it is submitted and when it is durable."""

        def durable() -> None:
            self._checker.durable(self._node, self._life)
            done()

        self._checker.submitted(self._node, write)
        super().persist(write, durable)

    def send(self, to: str, message: SynodMessage) -> None:
        """Report the message, then send it."""
        self._checker.sent(self._node, to, message)
        super().send(to, message)

    def observed(self, event: str, facts: Any) -> None:
        """Report the event, then handle it as usual."""
        self._checker.observed(self._node, event, facts)
        super().observed(event, facts)

    def _receive_peer_message(self, message: SynodPeerMessage) -> None:
        self._checker.arrived(self._node, message.sender, message.body)
        super()._receive_peer_message(message)

    def perform(self, effect: Chosen) -> Any:
        """Report the answer, then send it."""
        self._checker.answered(self._node, effect.value, self._chosen_before.pop(effect.ref, None))
        super().perform(effect)


def _role_shown_by(message: SynodMessage) -> TargetRole | None:
    match message:
        case Accept():
            return TargetRole.LEADER
        case Prepare():
            return TargetRole.CANDIDATE
        case Promise():
            return TargetRole.VOTER
        case _:
            return None
