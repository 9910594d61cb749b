"""`DirectedGroup`: runs a Raft group step by step: a test delivers messages, completes writes and sets the time.

The simulator explores random schedules; this is for a known one (Figure 8 of the paper, for example). A write is
durable when `sync` says so, a message waits in the `DurabilityGate` for its write, a crash loses what was not durable.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import assert_never

from coterie.protocols.algorithm import NodeId, Observe, Persist, Persisted, Received, Send, Token
from coterie.protocols.checking.raft_disk import AT_THE_BEGINNING, RaftDisk, founded
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.durability_gate import DurabilityGate
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.membership.member_changes import MemberChange
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import (
    ChangeEnded,
    ChangeMembers,
    RaftEffect,
    RaftEvent,
    TransferEnded,
    TransferLeadership,
)
from coterie.protocols.raft.raft_messages import HardState, LogWrite, PreVote, PreVoteReply, RaftMessage
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import LoadChunk, RestoreMachine, SnapshotTaken, StoreChunk
from coterie.protocols.replicated_log import (
    Applied,
    Apply,
    Entry,
    Load,
    LogIndex,
    LogPosition,
    Propose,
    Read,
    ReadReady,
    Reject,
    Term,
)
from coterie.protocols.simulation.hearing_raft import HearingRaft, node_of_store
from coterie.protocols.simulation.simulated_snapshots import SimulatedSnapshots

__all__ = ["DirectedGroup", "InFlight", "NodeRecord"]

_MANY_STEPS = 1_000
_SNAPSHOT_BYTES = 9_000


@dataclass(frozen=True, slots=True)
class InFlight:
    """A message that has left `sender` and not yet arrived at `to`."""

    sender: NodeId
    to: NodeId
    message: RaftMessage


@dataclass
class NodeRecord:
    """One node: its disk, its present life (None: it is down), and the effects of that life."""

    disk: RaftDisk = field(default_factory=RaftDisk)
    raft: Raft | None = None
    unsynced: list[Persist[LogWrite]] = field(default_factory=list)
    gate: DurabilityGate[RaftEffect] = field(default_factory=DurabilityGate)
    loads: list[Load] = field(default_factory=list)
    applies: list[Apply] = field(default_factory=list)
    applied: list[Entry] = field(default_factory=list)
    answered_refs: list[int] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    readable: list[int] = field(default_factory=list)
    """The refs of reads that may be answered."""
    transfers: list[TransferEnded] = field(default_factory=list)
    chunk_work: list[LoadChunk | StoreChunk | RestoreMachine] = field(default_factory=list)
    """What is to be done with files of snapshots."""
    restored: list[SnapshotId] = field(default_factory=list)
    """The snapshots from which the state machine began; `applied` has the entries after the last of them."""
    changes: list[ChangeEnded] = field(default_factory=list)


class DirectedGroup:
    """A group of nodes n1, n2, …, run step by step. All start with empty disks (unless given others), at time 1 s.

    Args:
        size: how many nodes.
        config: makes the configuration from the voters; None: the defaults.
        disks: what some nodes find on their disks at the start.
        seed: determines the election time-outs.
        base: where the logs of all nodes begin, unless `disks` has others.
        stores_known: whether the founders' stores are known; if not, nodes hear of them by messages, and record them.
    """

    def __init__(
        self,
        size: int,
        *,
        config: Callable[[tuple[NodeId, ...]], RaftConfig] = RaftConfig,
        disks: dict[str, RaftDisk] | None = None,
        seed: int = 0,
        base: LogPosition = AT_THE_BEGINNING,
        stores_known: bool = True,
    ) -> None:
        names = tuple(NodeId(f"n{number + 1}") for number in range(size))
        self.config = config(names)
        register = founded(names, quorum=self.config.quorum, base=base, stores_known=stores_known)
        self.nodes = {name: NodeRecord((disks or {}).get(name) or RaftDisk()) for name in names}
        self.network: list[InFlight] = []
        self.observed: list[Observe] = []
        """What all nodes observed, over all their lives."""
        self.now = 1.0
        self.listener: Callable[[NodeId, RaftEvent | RaftEffect], None] = _ignore
        """Called with each event before a node takes it, and with each effect when it is carried out."""
        self._rng = random.Random(seed)
        self._ref = 0
        self.snapshots = SimulatedSnapshots(names, ViolationContext(), random.Random(seed), sizes=(_SNAPSHOT_BYTES,))
        for name in names:
            self.nodes[name].disk.found(register)
            self.restart(name)

    @classmethod
    def led_by(
        cls,
        leader: str,
        size: int = 3,
        *,
        config: Callable[[tuple[NodeId, ...]], RaftConfig] = RaftConfig,
        disks: dict[str, RaftDisk] | None = None,
        base: LogPosition = AT_THE_BEGINNING,
    ) -> DirectedGroup:
        """Return a group that `leader` leads and in which every node knows what is committed."""
        group = cls(size, config=config, disks=disks, base=base)
        group.elect(leader)
        group.heartbeat(leader)
        return group

    def __getitem__(self, name: str) -> Raft:
        """Return the present life of node `name`. KeyError if it is down."""
        raft = self.nodes[NodeId(name)].raft
        if raft is None:
            raise KeyError(f"{name} is down")
        return raft

    def record(self, name: str) -> NodeRecord:
        """Return everything about node `name`."""
        return self.nodes[NodeId(name)]

    # Verbs.

    def handle(self, name: str, *events: RaftEvent) -> list[RaftEffect]:
        """Give node `name` a batch of events; carry out and return its effects."""
        for event in events:
            self.listener(NodeId(name), event)
        return self._carry_out(name, self[name].handle(events, now=self.now))

    def tick(self, name: str) -> list[RaftEffect]:
        """Let time pass until node `name` is due, and tick it; carry out and return its effects."""
        self.now = max(self.now, self[name].deadline or 0.0)
        return self._carry_out(name, self[name].tick(now=self.now))

    def propose(self, name: str, *commands: bytes) -> list[int]:
        """Propose `commands` at node `name` in one batch; return their refs."""
        first = self._ref + 1
        self._ref += len(commands)
        refs = list(range(first, self._ref + 1))
        self.handle(name, *[Propose(ref, command) for ref, command in zip(refs, commands, strict=True)])
        return refs

    def read(self, name: str) -> int:
        """Request a read at node `name`; return its ref."""
        self._ref += 1
        self.handle(name, Read(self._ref))
        return self._ref

    def transfer(self, name: str, target: str | None = None) -> int:
        """Let node `name` hand its leadership to `target`; return the ref."""
        self._ref += 1
        self.handle(name, TransferLeadership(self._ref, None if target is None else NodeId(target)))
        return self._ref

    def begin_snapshot(self, name: str) -> SnapshotId:
        """Begin a snapshot of what node `name` has applied; return it."""
        raft = self[name]
        position = LogPosition(raft.applied_index, raft.term_at(raft.applied_index) or Term(0))
        facts = raft.facts.as_of(position)
        if facts is None:
            raise ValueError(f"the members at {position} are not known")
        return self.snapshots.take(NodeId(name), position, 0, facts, (), {})

    def take_snapshot(self, name: str, *, trailing: int = 0) -> SnapshotId:
        """Let node `name` take a snapshot of what it has applied and keep `trailing` entries before it; return it."""
        snapshot = self.begin_snapshot(name)
        self.snapshots.finish(NodeId(name), snapshot)
        self.handle(name, SnapshotTaken(snapshot, LogIndex(snapshot.position.index - trailing)))
        return snapshot

    def join(self, store: str) -> None:
        """Start a store that knows only the incarnation of the group, not its members; see `node_of_store`."""
        known = next(iter(self.nodes.values())).disk.hard_state
        facts = GroupFacts.joining(known.facts.incarnation, base=known.facts.base)
        self.nodes[NodeId(store)] = NodeRecord(RaftDisk(HardState(facts.base.term, None, facts)))
        self.restart(store)

    def change(self, name: str, change: MemberChange, *, may_promote: bool = True) -> int:
        """Let node `name` change the members of the group; return the ref."""
        self._ref += 1
        self.handle(name, ChangeMembers(self._ref, change, may_promote))
        return self._ref

    def sync(self, name: str) -> None:
        """Make all writes of node `name` durable, and report that to it."""
        record = self.record(name)
        writes, record.unsynced = record.unsynced, []
        if not writes:
            return
        for persist in writes:
            record.disk.write(persist.write)
        self.persisted(name, writes[-1].token)

    def persisted(self, name: str, token: Token) -> None:
        """Report to node `name` that its writes up to `token` are durable, and release what waited for them."""
        self._perform(name, self.record(name).gate.persisted(token))
        self.handle(name, Persisted(token))

    def deliver(
        self, *, sender: str | None = None, to: str | None = None, kind: type[RaftMessage] | None = None
    ) -> list[RaftMessage]:
        """Deliver the messages in flight that match (None: any) to nodes that are up; return them all."""
        chosen = self._take(sender, to, kind)
        for flight in chosen:
            if self.nodes[flight.to].raft is not None:
                self.handle(flight.to, Received(flight.sender, flight.message))
        return [flight.message for flight in chosen]

    def drop(
        self, *, sender: str | None = None, to: str | None = None, kind: type[RaftMessage] | None = None
    ) -> list[RaftMessage]:
        """Lose the messages in flight that match (None: any); return them."""
        return [flight.message for flight in self._take(sender, to, kind)]

    def send(self, sender: str, to: str, message: RaftMessage) -> None:
        """Put a message of your own into flight."""
        self.network.append(InFlight(NodeId(sender), NodeId(to), message))

    def crash(self, name: str, *, surviving_writes: int = 0) -> None:
        """Stop node `name`: of its unsynced writes only the first `surviving_writes` reached the disk."""
        record = self.record(name)
        for persist in record.unsynced[:surviving_writes]:
            record.disk.write(persist.write)
        self.nodes[NodeId(name)] = NodeRecord(record.disk)
        self.snapshots.lose_unfinished(NodeId(name))

    def restart(self, name: str) -> None:
        """Begin a new life of node `name` from its disk."""
        disk = self.record(name).disk
        rng = random.Random(self._rng.random())
        raft = HearingRaft(NodeId(name), self.config, restored=disk.restored(), rng=rng, node=node_of_store(name))
        self.nodes[NodeId(name)] = NodeRecord(disk, raft)
        self._carry_out(name, raft.tick(now=self.now))

    def work(self, name: str) -> bool:
        """Let node `name` do what it can alone: sync, load, apply. Return whether there was anything."""
        record = self.record(name)
        had_work = bool(record.unsynced or record.loads or record.applies or record.chunk_work)
        self.sync(name)
        loads, record.loads = record.loads, []
        applies, record.applies = record.applies, []
        for load in loads:
            self.handle(name, record.disk.read(load))
        chunk_work, record.chunk_work = record.chunk_work, []
        for apply in applies:
            self.handle(name, Applied(apply.entries[-1].index))
        for effect in chunk_work:
            self._do_chunk_work(name, effect)
        return had_work

    def settle(self, *names: str) -> None:
        """Let nodes `names` (none: all that are up) work and exchange messages until all are idle; lose the others."""
        group = [NodeId(name) for name in names] or list(self.nodes)
        group = [name for name in group if self.nodes[name].raft is not None]
        for _ in range(_MANY_STEPS):
            is_busy = sum([self.work(name) for name in group]) > 0
            flights, self.network = self.network, []
            for flight in flights:
                if flight.sender in group and flight.to in group:
                    self.handle(flight.to, Received(flight.sender, flight.message))
            if not is_busy and not flights:
                return
        raise RuntimeError(f"{group} still have work after {_MANY_STEPS} steps")

    def heartbeat(self, leader: str, *names: str) -> None:
        """Let `leader` send heartbeats and settle with `names` (none: all)."""
        self.now = max(self.now, self[leader].deadline or 0.0)
        self.tick(leader)
        self.settle(*names)

    def run_on(self, duration_s: float, *names: str) -> None:
        """Let nodes `names` (none: all) run for so long, each ticked when due; messages and writes take no time."""
        members, end = [NodeId(name) for name in names] or list(self.nodes), self.now + duration_s
        while (due := min(members, key=lambda name: self[name].deadline or 0.0)) and (self[due].deadline or 0.0) <= end:
            self.tick(due)
            self.settle(*members)
        self.now = end

    def elect(self, name: str, *names: str) -> None:
        """Make node `name` leader with the votes of `names` (none: all); all other nodes are cut off meanwhile."""
        self.network = []
        for _ in range(_MANY_STEPS):
            self.now = max(self.now + self.config.election_timeout_max_s, self[name].deadline or 0.0)
            self.tick(name)
            self.settle(*((name, *names) if names else ()))
            if self[name].leader == name:
                return
        raise RuntimeError(f"{name} is not elected")

    def nominate(self, name: str) -> None:
        """Make node `name` a candidate: its own vote is durable, its RequestVotes are in flight."""
        self.tick(name)
        self.deliver(sender=name, kind=PreVote)
        self.deliver(to=name, kind=PreVoteReply)
        self.sync(name)

    def expire_leaders(self) -> None:
        """Let time pass until no follower has an active leader, without ticking any node."""
        self.now += self.config.election_timeout_max_s

    # Inside.

    def _do_chunk_work(self, name: str, effect: LoadChunk | StoreChunk | RestoreMachine) -> None:
        node = NodeId(name)
        if isinstance(effect, LoadChunk):
            loaded = self.snapshots.load(node, effect)
            if loaded is not None:
                self.handle(name, loaded)
        elif isinstance(effect, StoreChunk):
            self.handle(name, self.snapshots.store(node, effect)())
        else:
            record = self.record(name)
            record.restored.append(self.snapshots.of(node, effect.snapshot).snapshot_id)
            record.applied = []
            self.handle(name, Applied(effect.snapshot.position.index))

    def _take(self, sender: str | None, to: str | None, kind: type[RaftMessage] | None) -> list[InFlight]:
        chosen = [flight for flight in self.network if _matches(flight, sender, to, kind)]
        self.network = [flight for flight in self.network if not _matches(flight, sender, to, kind)]
        return chosen

    def _carry_out(self, name: str, effects: Iterable[RaftEffect]) -> list[RaftEffect]:
        effects = list(effects)
        self._perform(name, self.record(name).gate.admit(effects))
        return effects

    def _perform(self, name: str, admitted: Iterable[RaftEffect]) -> None:
        record = self.record(name)
        for effect in admitted:
            self.listener(NodeId(name), effect)
            match effect:
                case Persist():
                    record.unsynced.append(effect)
                case Send():
                    self._send(name, effect)
                case Apply():
                    record.applies.append(effect)
                    record.applied += effect.entries
                    record.answered_refs += effect.refs.values()
                case Load():
                    record.loads.append(effect)
                case LoadChunk() | StoreChunk() | RestoreMachine():
                    record.chunk_work.append(effect)
                case ReadReady():
                    record.readable += effect.refs
                case TransferEnded():
                    record.transfers.append(effect)
                case ChangeEnded():
                    record.changes.append(effect)
                case Reject():
                    record.rejects.append(effect)
                case Observe():
                    self.observed.append(effect)
                case _:
                    assert_never(effect)

    def _send(self, name: str, effect: Send[RaftMessage]) -> None:
        to = effect.to if effect.to in self.nodes else self[name].node_of(effect.to)
        if to == name:
            raise ValueError(f"{name} sends {effect.message} to itself")
        if to is not None:
            self.network.append(InFlight(NodeId(name), to, effect.message))


def _ignore(_node: NodeId, _item: RaftEvent | RaftEffect) -> None:
    pass


def _matches(flight: InFlight, sender: str | None, to: str | None, kind: type[RaftMessage] | None) -> bool:
    return (
        sender in (None, flight.sender) and to in (None, flight.to) and (kind is None or type(flight.message) is kind)
    )
