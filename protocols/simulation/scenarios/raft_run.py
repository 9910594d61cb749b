"""One run of Raft under faults: a group, closed-loop clients with sessions, and every judge.

When the plan is over everything heals: within ten election time-outs there is a leader that has applied every answered
command. The clients finish their commands, and all nodes that have not retired must converge: every answered command
applied exactly once everywhere, and all logs equal. Beyond the fault budget none of that is asked, only safety.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar, cast

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.liveness_checker import LivenessJudge
from coterie.protocols.checking.raft_checker import RaftJudge
from coterie.protocols.checking.sessions_checker import SessionsJudge
from coterie.protocols.checking.violation import Bench, Violation
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Role
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    LogWrite,
    RaftMessage,
    RequestVote,
    RequestVoteReply,
)
from coterie.protocols.raft.role import Role as RaftRole
from coterie.protocols.replicated_log import Applied, Apply, EntryKind, Load, Loaded, LogIndex, Propose, Reject
from coterie.protocols.sessions import Sessions, decode_command
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.faults.protocol_injector import latest_end_s
from coterie.protocols.simulation.protocol_node import AnyAlgorithm
from coterie.protocols.simulation.protocol_world import World
from coterie.protocols.simulation.scenarios.protocol_clients import Client

__all__ = ["CLIENTS", "COMMANDS", "RaftRun", "role_shown_by"]

A = TypeVar("A")

REMEMBERED = 4096
"""So many commands are decoded only once."""

CLIENTS = 10
COMMANDS = 1000
LONGEST_THINK = 1.7
"""How long a client thinks between two commands, at most, in parts of what makes it end with the plan."""

LAST_THINK_S = 0.2
"""How long a client thinks once everything has healed, so that all end within `LONGEST_CALM_S`."""

CLIENT_LOSS = 0.02
"""The probability that a client gives an attempt up before it leaves, or does not hear the answer."""

LONGEST_CALM_S = 30.0
"""How long after its plan a group may take to answer everybody and converge, in calm weather."""

LONGEST_APPLY_S = 0.008
"""Within what time a state machine is done with what it was handed."""

LONGEST_LOAD_S = 0.003
"""Within what time old entries have been read from the disk."""

PROBE_S = 0.1
"""How often, once everything has healed, somebody looks for a leader and what it has applied."""


class RaftRun:
    """One group, its clients and its judges. It is the `Resident` of its world.

    `name` is what all chance is drawn from; `commands` how many the clients have between them.
    """

    def __init__(
        self, name: str, plan: Plan, *, commands: int = COMMANDS, hashed: bool = False, traced: bool = False
    ) -> None:
        self._name = name
        self._plan = plan
        self._voters = tuple(NodeId(node) for node in plan.nodes)
        self._config = _random_config(stream(name, "config"), self._voters)
        self._bench = Bench()
        self.judge = RaftJudge(self._voters, self._bench)
        self.sessions_judge = SessionsJudge(self._bench)
        self.history = History() if traced else None
        self._liveness = LivenessJudge(self._bench, election_timeout_s=self._config.election_timeout_max_s)
        self.world: World[LogWrite, RaftMessage] = World(name, plan, self, self._bench, hashed=hashed, traced=traced)
        self._rng = stream(name, "run")
        self._disks = {voter: self.judge.disk(voter) for voter in self._voters}
        self._rafts: dict[NodeId, Raft] = {}
        self._machines: dict[NodeId, Sessions] = {}
        self._decode = lru_cache(REMEMBERED)(decode_command)  # every node applies the same bytes
        self._pending: dict[NodeId, dict[int, _Request]] = {voter: {} for voter in self._voters}
        self._refs = 0
        self._is_live = is_live(plan)
        self._clients = [self._new_client(number, commands) for number in range(min(CLIENTS, commands))]

    def run(self) -> Violation | None:
        """Run it to its end and judge it: return the first broken invariant."""
        calm_s = LONGEST_CALM_S if self._is_live else self._liveness.patience_s
        return self.world.run(until_s=latest_end_s(self._plan) + calm_s, end=self._end)

    # What a Resident does.

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return a new life of `node`, with an empty state machine."""
        self.judge.started(node)
        self.sessions_judge.started(node)
        self._machines[node] = Sessions(_Recorder(node, self.sessions_judge), decode=self._decode)
        raft = Raft(node, self._config, restored=self._disks[node].restored(), rng=rng)
        self._rafts[node] = raft
        return cast("AnyAlgorithm", raft)

    def ended(self, node: NodeId) -> None:
        """Forget who asked the life that ended: their patience will run out."""
        self._pending[node].clear()

    def wrote(self, node: NodeId, write: LogWrite) -> None:
        """Judge the write, and keep it: the judge's image of a disk is what the disk holds."""
        self.judge.wrote(node, write)

    def sent(self, node: NodeId, to: NodeId, message: RaftMessage) -> None:
        """Judge what leaves, and carry it."""
        self.judge.sent(node, to, message)
        self.world.send(node, to, message)

    def perform(self, node: NodeId, effect: object) -> None:
        """Apply, load, or hand a refusal to its client."""
        match effect:
            case Apply():
                self._apply(node, effect)
            case Load():
                life = self.world.nodes[node].life
                self.world.timeline.after(LONGEST_LOAD_S * self._rng.random(), self._load, node, life, effect)
            case Reject():
                request = self._pending[node].pop(effect.ref)
                self._answer_later(request.client.rejected, request.attempt, effect)
            case _:
                raise TypeError(f"Raft has no effect {effect!r}")

    def visited(self, node: NodeId) -> None:
        """Judge whoever takes himself for a leader."""
        raft = self._rafts[node]
        if raft.role is RaftRole.LEADER:
            self.judge.led(node, raft.term)

    def healed(self) -> None:
        """Hurry the clients, and see whether the group gets on with it."""
        for client in self._clients:
            client.hasten(LAST_THINK_S)
        if self._is_live:
            self._liveness.healed()
            for payload in self.sessions_judge.acknowledged_payloads():
                self._liveness.acknowledged(payload)
            self._probe()

    def role_shown(self, message: RaftMessage) -> Role | None:
        """Return the role in which `message` shows its sender."""
        return role_shown_by(message)

    def _apply(self, node: NodeId, effect: Apply) -> None:
        judge, machine, refs = self.judge, self._machines[node], effect.refs
        for entry in effect.entries:
            judge.applied(node, entry)
            if entry.kind is not EntryKind.COMMAND:
                continue
            reply = machine.apply(entry.index, entry.command)
            if refs and entry.index in refs:
                request = self._pending[node].pop(refs[entry.index])
                self._answer_later(request.client.answered, request.operation, reply)
        done = Applied(effect.entries[-1].index)
        self.world.nodes[node].post(done, within_s=LONGEST_APPLY_S * self._rng.random())

    def _load(self, node: NodeId, life: int, load: Load) -> None:
        machine = self.world.nodes[node]
        if machine.life == life:
            self.world.timeline.events += 1
            entries = self._disks[node].read(load.first, load.last, load.max_bytes)
            machine.receive(Loaded(load.reader, load.first, entries))

    # Clients.

    def _new_client(self, number: int, commands: int) -> Client:
        own = commands // CLIENTS + (number < commands % CLIENTS)
        return Client(
            number,
            own,
            self._voters,
            think_s=LONGEST_THINK * self._plan.ends_at_s / own,
            timeline=self.world.timeline,
            rng=stream(self._name, f"client {number}"),
            judge=self.sessions_judge,
            submit=self._submit,
            history=self.history,
        )

    def _submit(self, client: Client, node: NodeId, attempt: int, command: bytes, delay_s: float) -> None:
        if self._rng.random() >= CLIENT_LOSS:
            request = _Request(client, client.operation, attempt, command)
            delay_s += self.world.network.delay_s()
            self.world.timeline.after(delay_s, self._propose, node, request)

    def _propose(self, node: NodeId, request: _Request) -> None:
        self.world.timeline.events += 1
        if self.world.nodes[node].is_up:
            self._refs += 1
            self._pending[node][self._refs] = request
            self.world.nodes[node].receive(Propose(self._refs, request.command))

    def _answer_later(self, answer: Callable[[int, A], None], number: int, about: A) -> None:
        if self._rng.random() >= CLIENT_LOSS:
            self.world.timeline.after(self.world.network.delay_s(), self._answer, answer, number, about)

    def _answer(self, answer: Callable[[int, A], None], number: int, about: A) -> None:
        self.world.timeline.events += 1
        answer(number, about)

    # The end.

    def _probe(self) -> None:
        for node, raft in () if self._liveness.is_satisfied else self._rafts.items():
            if raft.role is RaftRole.LEADER and self.world.nodes[node].is_awake:
                self._liveness.led(node)
                for payload in self.sessions_judge.executed_by(node):
                    self._liveness.read(payload)
        self._liveness.check()
        if self._is_everything_done():
            self.world.timeline.stop()
        self.world.timeline.after(PROBE_S, self._probe)

    def _is_everything_done(self) -> bool:
        return (
            self._liveness.is_satisfied
            and all(client.is_done for client in self._clients)
            and all(self._has_converged(voter) for voter in self._staying())
        )

    def _staying(self) -> list[NodeId]:
        return [voter for voter in self._voters if not self.world.nodes[voter].is_retired]

    def _has_converged(self, voter: NodeId) -> bool:
        length = len(self.judge.committed)
        return self.judge.applied_index(voter) == length and self._disks[voter].last_index == length

    def _end(self) -> None:
        if not self._is_live:
            return
        behind = [voter for voter in self._staying() if not self._has_converged(voter)]
        waiting = sum(not client.is_done for client in self._clients)
        if behind or waiting:
            self._bench.fail("raft.converged", None, f"at the end {waiting} clients wait and {behind} lag behind")
        self.sessions_judge.ended(self._staying())


@dataclass(frozen=True, slots=True)
class _Request:
    client: Client
    operation: int
    attempt: int
    command: bytes


class _Recorder:
    """The state machine below the sessions: it does nothing but tell the judge; its reply is where it did it."""

    def __init__(self, node: NodeId, judge: SessionsJudge) -> None:
        self._node = node
        self._judge = judge

    def apply(self, index: LogIndex, command: bytes) -> bytes:
        """Execute `command`."""
        self._judge.executed(self._node, index, command)
        return index.to_bytes(8, "big")


def _random_config(rng: random.Random, voters: tuple[NodeId, ...]) -> RaftConfig:
    # Small caches and windows make old entries come from the disk, and batches end in the middle.
    return RaftConfig(
        voters,
        max_append_entries=rng.choice((2, 16, 1024)),
        max_inflight_entries=rng.choice((4, 8192)),
        cache_entries=rng.choice((1, 32, 16384)),
        max_apply_entries=rng.choice((3, 1024)),
    )


def role_shown_by(message: RaftMessage) -> Role | None:
    """Return the role in which `message` shows its sender, if in any."""
    match message:
        case AppendEntries():
            return Role.LEADER
        case RequestVote():
            return Role.CANDIDATE
        case RequestVoteReply(_, True):
            return Role.VOTER
        case _:
            return None
