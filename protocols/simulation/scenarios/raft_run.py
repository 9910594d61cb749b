"""`RaftRun`: runs one Raft group with simulated clients under faults, and checks the invariants at every step.

When the plan has ended, everything heals: within ten election time-outs there must be a leader that has applied every
answered command. The clients finish their commands, and all nodes that have not retired must converge: every answered
command applied exactly once on each, and all logs equal. Beyond the fault budget only safety is required.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar, cast

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.liveness_checker import LivenessChecker
from coterie.protocols.checking.raft_checker import RaftChecker
from coterie.protocols.checking.reads_checker import ReadsChecker
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.membership import Membership
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_effects import ChangeEnded, ChangeMembers, TransferEnded, TransferLeadership
from coterie.protocols.raft.raft_messages import (
    HardState,
    LogWrite,
    RaftMessage,
)
from coterie.protocols.raft.role import RaftRole
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import LoadChunk, RestoreMachine, SnapshotTaken, StoreChunk
from coterie.protocols.replicated_log import (
    INCARNATION_BYTES,
    Applied,
    Apply,
    EntryKind,
    Load,
    LogIndex,
    LogPosition,
    Propose,
    Read,
    ReadReady,
    Reject,
)
from coterie.protocols.sessions import Deduplication, decode_command
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.faults.protocol_injector import latest_end_s
from coterie.protocols.simulation.faults.sender_roles import sender_role
from coterie.protocols.simulation.hearing_raft import HearingRaft, node_of_store
from coterie.protocols.simulation.protocol_node import AnyAlgorithm
from coterie.protocols.simulation.protocol_world import ProtocolWorld
from coterie.protocols.simulation.scenarios.protocol_clients import ProtocolClient
from coterie.protocols.simulation.scenarios.random_changes import RandomChanges
from coterie.protocols.simulation.scenarios.random_configs import draw_config
from coterie.protocols.simulation.scenarios.random_foundings import draw_founding
from coterie.protocols.simulation.scenarios.random_quorums import draw_quorum
from coterie.protocols.simulation.scenarios.random_room import RandomRoom
from coterie.protocols.simulation.simulated_snapshots import SimulatedSnapshots

__all__ = ["CLIENTS", "COMMANDS", "RaftRun"]

A = TypeVar("A")

DECODE_CACHE_SIZE = 4096
"""The size of the cache of decoded commands."""

CLIENTS = 10
COMMANDS = 1000
LONGEST_THINK = 1.7
"""A client's largest think time between two commands, relative to the plan's time per command."""

LAST_THINK_S = 0.2
"""The largest think time after everything has healed, so that all clients finish within `CONVERGENCE_TIMEOUT_S`."""

TRANSFER_PROBABILITY = 0.02
"""How often a leader is asked to hand over in place of a read."""

READS_PER_COMMAND = 0.3
"""How many reads are requested for each command, at random nodes, as long as there are faults."""

CLIENT_LOSS_PROBABILITY = 0.02
"""The probability that an attempt is lost on its way from a client, or its answer on its way back."""

CONVERGENCE_TIMEOUT_S = 30.0
"""How long after its plan a group may take to answer all clients and converge, without faults."""

INCARNATION = bytes(INCARNATION_BYTES)
"""The incarnation of the one group of a run."""

LONGEST_APPLY_S = 0.008
"""The longest time in which a state machine applies a batch."""

LONGEST_LOAD_S = 0.003
"""The longest time in which old entries are read from the disk."""

SNAPSHOT_PROBABILITY = 0.02
"""How often a node takes a snapshot in place of a read."""

LONGEST_SNAPSHOT_S = 0.2
"""The longest time until a snapshot that was begun is durable."""

LONGEST_CHUNK_S = 0.003
"""The longest time in which a chunk of a snapshot is read or stored."""

TRAILING = (0, 0, 5, 50)
"""How many entries before a snapshot are kept, for followers that are a little behind."""

PROBE_INTERVAL_S = 0.1
"""The interval at which a healed group is checked for a leader and for what it has applied."""


class RaftRun:
    """One group, its clients and its checkers. It implements `AlgorithmHarness` for its world.

    `name`: the seed of all random streams; `commands`: the number of commands of all clients together.
    """

    def __init__(
        self, name: str, plan: FaultPlan, *, commands: int = COMMANDS, hashed: bool = False, traced: bool = False
    ) -> None:
        self._name = name
        self._plan = plan
        self._voters = tuple(NodeId(node) for node in plan.nodes)
        self._config = draw_config(stream(name, "config"), self._voters, draw_quorum(stream(name, "quorum"), plan))
        self._context = ViolationContext()
        register = draw_founding(stream(name, "founding"), self._voters, self._config.quorum)
        base = register.facts.base
        self._changes = RandomChanges(stream(name, "changes"), plan, self._voters, self._config.quorum)
        self._nodes = (*self._voters, *self._changes.spares)
        self.checker = RaftChecker(self._nodes, self._context, base=base, follows_members=True)
        self.sessions_checker = SessionsChecker(self._context)
        self.reads_checker = ReadsChecker(self._context)
        self.history = History() if traced else None
        self._liveness = LivenessChecker(self._context, election_timeout_s=self._config.election_timeout_max_s)
        self.world: ProtocolWorld[LogWrite, RaftMessage] = ProtocolWorld(
            name, plan, self, self._context, spares=self._changes.spares, hashed=hashed, traced=traced
        )
        self._rng = stream(name, "run")
        self._disks = {node: self.checker.disk(node) for node in self._nodes}
        joining = HardState(base.term, None, GroupFacts.joining(register.facts.incarnation, base=base))
        for node, disk in self._disks.items():
            disk.found(register if node in self._voters else joining)
        self.snapshots = SimulatedSnapshots(self._nodes, self._context, stream(name, "snapshots"))
        self._rafts: dict[NodeId, Raft] = {}
        self._reported: dict[NodeId, object] = {}
        self._machines: dict[NodeId, Deduplication] = {}
        self._decode = lru_cache(DECODE_CACHE_SIZE)(decode_command)  # every node applies the same bytes
        self._pending: dict[NodeId, dict[int, _Request]] = {node: {} for node in self._nodes}
        self._changes_under_way: dict[NodeId, list[int]] = {node: [] for node in self._nodes}
        self.changes_done: dict[str, int] = {}
        """How many changes of the members were made, by their kind."""
        self._kind_by_ref: dict[int, str] = {}
        self._refs = 0
        self._is_live = is_live(plan)
        self._clients = [self._new_client(number, commands) for number in range(min(CLIENTS, commands))]
        self._reads_rng = stream(name, "reads")
        self._is_reading = True
        self._read_pause_s = 2 * plan.ends_at_s / (READS_PER_COMMAND * commands)
        self.world.heap.after(0.0, self._read)
        self._room = RandomRoom(stream(name, "room"), self.world, self._nodes, plan.ends_at_s)
        for at_s in self._changes.times:
            self.world.heap.at(at_s, self._change_members)

    @property
    def is_changing(self) -> bool:
        """Whether the members of the group change."""
        return self._changes.is_active

    def run(self) -> Violation | None:
        """Run to the end and return the first broken invariant, None if none broke."""
        timeout_s = CONVERGENCE_TIMEOUT_S if self._is_live else self._liveness.timeout_s
        return self.world.run(until_s=latest_end_s(self._plan) + timeout_s, end=self._end)

    # `AlgorithmHarness`.

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return the algorithm for a new life of `node`, with an empty state machine."""
        self.checker.started(node)
        self.sessions_checker.started(node)
        self._machines[node] = self._new_machine(node)
        restored = self._disks[node].restored()
        raft = HearingRaft(node, self._config, restored=restored, rng=rng, node=node_of_store(node))
        self._rafts[node] = raft
        return cast("AnyAlgorithm", raft)

    def ended(self, node: NodeId) -> None:
        """Drop the pending requests of the life that ended: their clients will time out."""
        self._pending[node].clear()
        self._changes_under_way[node].clear()
        self.reads_checker.life_ended(node)
        self.snapshots.lose_unfinished(node)

    def wrote(self, node: NodeId, write: LogWrite) -> None:
        """Check the write, which also stores it: the checker's disk image is the disk."""
        self.checker.wrote(node, write)
        if write.drop_before is not None and (snapshot := self._disks[node].hard_state.facts.snapshot) is not None:
            self.snapshots.registered(node, snapshot)

    def sent(self, node: NodeId, to: NodeId, message: RaftMessage) -> None:
        """Check the message, and send it to the store `to`, or to a node whose store its sender does not know."""
        node_to = to if to in self._disks else self._rafts[node].node_of(to)
        if node_to is not None:
            self.checker.sent(node, node_to, message)
            self.world.send(node, node_to, message)

    def perform(self, node: NodeId, effect: object) -> None:
        """Apply entries, load entries, or pass a refusal to its client."""
        match effect:
            case Apply():
                self._apply(node, effect)
            case Load():
                life = self.world.nodes[node].life
                self.world.heap.after(LONGEST_LOAD_S * self._rng.random(), self._load, node, life, effect)
            case LoadChunk():
                self._answer_soon(node, lambda: self.snapshots.load(node, effect))
            case StoreChunk():
                self._answer_soon(node, self.snapshots.store(node, effect))
            case RestoreMachine():
                self._restore(node, effect.snapshot)
            case ReadReady():
                for ref in effect.refs:
                    self.reads_checker.answered(node, ref, self.checker.applied_index(node))
            case TransferEnded():
                pass  # the next leader takes the commands
            case ChangeEnded():
                self._change_ended(node, effect)
            case Reject() if self.reads_checker.is_read(node, effect.ref):
                self.reads_checker.rejected(node, effect.ref)
            case Reject():
                request = self._pending[node].pop(effect.ref)
                self._answer_later(request.client.rejected, request.attempt, effect)
            case _:
                raise TypeError(f"Raft has no effect {effect!r}")

    def turn_ended(self, node: NodeId) -> None:
        """Check the node if it is a leader."""
        raft = self._rafts[node]
        if raft.role is RaftRole.LEADER:
            self.checker.led(node, raft.term)
            if raft.facts.memberships is not self._reported.get(node):
                self._reported[node] = raft.facts.memberships
                known = [(index, raft.term_at(index), members) for index, members in raft.facts.memberships]
                self.checker.led_with(node, raft.term, known)

    def healed(self) -> None:
        """Limit the think times, end the reads, and begin to check liveness."""
        self._is_reading = False
        self._room.end()
        for client in self._clients:
            client.limit_think_time(LAST_THINK_S)
        if self._is_live:
            self._liveness.healed()
            for payload in self.sessions_checker.acknowledged_payloads():
                self._liveness.acknowledged(payload)
            self._probe()

    def sender_role(self, message: RaftMessage) -> TargetRole | None:
        """Return the role that a node shows by sending `message`, if any."""
        return sender_role(message)

    def _apply(self, node: NodeId, effect: Apply) -> None:
        checker, machine, refs = self.checker, self._machines[node], effect.refs
        for entry in effect.entries:
            checker.applied(node, entry)
            if entry.kind is not EntryKind.COMMAND:
                continue
            reply = machine.apply(entry.index, entry.command)
            if refs and entry.index in refs:
                request = self._pending[node].pop(refs[entry.index])
                self.reads_checker.command_answered(entry.index)
                self._answer_later(request.client.answered, request.operation, reply)
        done = Applied(effect.entries[-1].index)
        self.world.nodes[node].post(done, within_s=LONGEST_APPLY_S * self._rng.random())

    def _load(self, node: NodeId, life: int, load: Load) -> None:
        machine = self.world.nodes[node]
        if machine.life == life:
            self.world.heap.events += 1
            machine.receive(self._disks[node].read(load))

    # Snapshots.

    def _new_machine(self, node: NodeId) -> Deduplication:
        recorder = _Recorder(node, self.sessions_checker)
        return Deduplication(recorder, incarnation=INCARNATION, decode=self._decode)

    def _take_snapshot(self, node: NodeId) -> None:
        """Begin a snapshot of what `node` has applied, unless there is nothing new."""
        raft, facts, index = self._rafts[node], self._rafts[node].facts, self.checker.applied_index(node)
        entry = self.checker.committed_at(index)
        if entry is None or raft.applied_index != index:
            return  # nothing is applied, or the machine works
        if facts.snapshot is not None and index <= facts.snapshot.position.index:
            return
        position = LogPosition(index, entry.term)
        past = facts.as_of(position)
        if past is not None:
            sessions = tuple(self._machines[node].snapshot())
            executed = self.sessions_checker.taken(node)
            snapshot = self.snapshots.take(node, position, entry.stamp_ms, past, sessions, executed)
            life, after_s = self.world.nodes[node].life, LONGEST_SNAPSHOT_S * self._reads_rng.random()
            self.world.heap.after(after_s, self._finish_snapshot, node, life, snapshot)

    def _finish_snapshot(self, node: NodeId, life: int, snapshot: SnapshotId) -> None:
        self.world.heap.events += 1
        if self.world.nodes[node].life == life and self.world.nodes[node].is_up:
            self.snapshots.finish(node, snapshot)
            base_index = LogIndex(snapshot.position.index - self._reads_rng.choice(TRAILING))
            self.world.nodes[node].receive(SnapshotTaken(snapshot, base_index))

    def _restore(self, node: NodeId, snapshot: SnapshotId) -> None:
        """Let the state machine begin from a snapshot."""
        taken = self.snapshots.of(node, snapshot)
        self.checker.restored(node, snapshot)
        self.sessions_checker.restored(node, taken.executed)
        machine = self._machines[node] = self._new_machine(node)
        for piece in taken.sessions:
            machine.restore(piece)
        machine.end_restore()
        self.world.nodes[node].post(Applied(snapshot.position.index), within_s=LONGEST_APPLY_S * self._rng.random())

    def _answer_soon(self, node: NodeId, answer: Callable[[], object]) -> None:
        """Give `node` an answer of its disk, if this life still goes on then."""
        life = self.world.nodes[node].life
        self.world.heap.after(LONGEST_CHUNK_S * self._rng.random(), self._answer_of_disk, node, life, answer)

    def _answer_of_disk(self, node: NodeId, life: int, answer: Callable[[], object]) -> None:
        if self.world.nodes[node].life == life and self.world.nodes[node].is_up:
            self.world.heap.events += 1
            if (event := answer()) is not None:
                self.world.nodes[node].receive(event)

    # Clients.

    def _new_client(self, number: int, commands: int) -> ProtocolClient:
        own = commands // CLIENTS + (number < commands % CLIENTS)
        return ProtocolClient(
            number,
            own,
            self._nodes,
            think_s=LONGEST_THINK * self._plan.ends_at_s / own,
            heap=self.world.heap,
            rng=stream(self._name, f"client {number}"),
            checker=self.sessions_checker,
            submit=self._submit,
            history=self.history,
        )

    def _submit(self, client: ProtocolClient, node: NodeId, attempt: int, command: bytes, delay_s: float) -> None:
        if self._rng.random() >= CLIENT_LOSS_PROBABILITY:
            request = _Request(client, client.operation, attempt, command)
            delay_s += self.world.network.delay_s()
            self.world.heap.after(delay_s, self._propose, node, request)

    def _propose(self, node: NodeId, request: _Request) -> None:
        self.world.heap.events += 1
        if self.world.nodes[node].is_up:
            self._refs += 1
            self._pending[node][self._refs] = request
            self.world.nodes[node].receive(Propose(self._refs, request.command))

    def _read(self) -> None:
        """Request a read at a random node, or that it hands its leadership over, and schedule the next one."""
        if not self._is_reading:
            return
        rng, node = self._reads_rng, self._reads_rng.choice(self._nodes)
        self.world.heap.events += 1
        if self.world.nodes[node].is_up:
            self._refs += 1
            drawn = rng.random()
            if drawn > 1 - SNAPSHOT_PROBABILITY:
                self._take_snapshot(node)
            elif drawn < TRANSFER_PROBABILITY:
                self.world.nodes[node].receive(TransferLeadership(self._refs, rng.choice((None, *self._nodes))))
            else:
                self.reads_checker.requested(node, self._refs)
                self.world.nodes[node].receive(Read(self._refs))
        self.world.heap.after(self._read_pause_s * self._reads_rng.random(), self._read)

    # Members.

    def _change_members(self) -> None:
        """Ask a leader, or sometimes any node, for a change of the members."""
        self.world.heap.events += 1
        up = [node for node in self._nodes if self.world.nodes[node].is_awake]
        leaders = [node for node in up if self._rafts[node].role is RaftRole.LEADER] or up
        membership = self._rafts[leaders[0]].facts.known_membership if leaders else None
        if not self._is_reading or membership is None or membership.is_joint:
            return
        retired = [node for node in self._nodes if self.world.nodes[node].is_retired]
        change = self._changes.draw(membership, retired)
        if change is not None:
            self._refs += 1
            self._kind_by_ref[self._refs] = type(change).__name__
            self._changes_under_way[leaders[0]].append(self._refs)
            self.world.nodes[leaders[0]].receive(ChangeMembers(self._refs, change))

    def _change_ended(self, node: NodeId, ended: ChangeEnded) -> None:
        self._changes_under_way[node].remove(ended.ref)
        if ended.is_done:
            kind = self._kind_by_ref[ended.ref]
            self.changes_done[kind] = self.changes_done.get(kind, 0) + 1

    def _membership(self) -> Membership:
        """Return the last committed members."""
        committed, base = self.checker.committed, self.checker.committed_index - len(self.checker.committed)
        found = max(
            (index, place)
            for place, disk in enumerate(self._disks.values())
            for index, _ in disk.hard_state.facts.memberships
            if index <= max(base, disk.base.index)  # what is in a snapshot is committed
            or (index - base <= len(committed) and disk.term_at(index) == committed[index - base - 1].term)
        )
        disk = list(self._disks.values())[found[1]]
        return dict(disk.hard_state.facts.memberships)[found[0]]

    def _answer_later(self, answer: Callable[[int, A], None], number: int, about: A) -> None:
        if self._rng.random() >= CLIENT_LOSS_PROBABILITY:
            self.world.heap.after(self.world.network.delay_s(), self._answer, answer, number, about)

    def _answer(self, answer: Callable[[int, A], None], number: int, about: A) -> None:
        self.world.heap.events += 1
        answer(number, about)

    # The end.

    def _probe(self) -> None:
        for node, raft in () if self._liveness.is_satisfied else self._rafts.items():
            if raft.role is RaftRole.LEADER and self.world.nodes[node].is_awake:
                self._liveness.led(node)
                for payload in self.sessions_checker.executed_by(node):
                    self._liveness.read(payload)
        self._liveness.check()
        if self._is_everything_done():
            self.world.heap.stop()
        self.world.heap.after(PROBE_INTERVAL_S, self._probe)

    def _is_everything_done(self) -> bool:
        return (
            self._liveness.is_satisfied
            and all(client.is_done for client in self._clients)
            and all(self._has_converged(member) for member in self._not_retired())
            and not self._changing()
            and self.reads_checker.is_idle
        )

    def _not_retired(self) -> list[NodeId]:
        """Return the members whose disks are not lost."""
        keys = [NodeId(member.store_id or member.node) for member in self._membership().members]
        return [member for member in keys if not self.world.nodes[member].is_retired]

    def _changing(self) -> list[NodeId]:
        """Return the nodes that have not answered a change, or that lead a group which is joint."""
        up = [(node, raft) for node, raft in self._rafts.items() if self.world.nodes[node].is_up]
        return [node for node, raft in up if self._changes_under_way[node] or raft.change_status is not None]

    def _has_converged(self, voter: NodeId) -> bool:
        committed = self.checker.committed_index
        return self.checker.applied_index(voter) == committed and self._disks[voter].last_index == committed

    def _end(self) -> None:
        if not self._is_live:
            return
        behind = [member for member in self._not_retired() if not self._has_converged(member)]
        waiting = sum(not client.is_done for client in self._clients)
        if behind or waiting or self._changing():
            detail = f"at the end {waiting} clients wait, {behind} lag behind, members change at {self._changing()}"
            self._context.fail("raft.converged", None, detail)
        self.sessions_checker.ended(self._not_retired())
        self.reads_checker.ended()


@dataclass(frozen=True, slots=True)
class _Request:
    client: ProtocolClient
    operation: int
    attempt: int
    command: bytes


class _Recorder:
    """The state machine below the sessions: reports each command to the checker, and replies with its index."""

    def __init__(self, node: NodeId, checker: SessionsChecker) -> None:
        self._node = node
        self._checker = checker

    def apply(self, index: LogIndex, command: bytes) -> bytes:
        """Execute `command`."""
        self._checker.executed(self._node, index, command)
        return index.to_bytes(8, "big")
