"""Raft under faults: a group, ten closed-loop clients with sessions, and every judge.

When the plan is over everything heals, the clients finish their commands, and all nodes must converge: every answered
command applied exactly once everywhere, and all logs equal.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

from coterie.protocols.checking.raft import RaftJudge
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.checking.sessions import SessionsJudge
from coterie.protocols.checking.violation import Bench
from coterie.protocols.raft.config import RaftConfig
from coterie.protocols.raft.messages import (
    AppendEntries,
    LogWrite,
    RaftMessage,
    RequestVote,
    RequestVoteReply,
)
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.standing import Role
from coterie.protocols.replicated_log import Applied, Apply, EntryKind, Load, Loaded, LogIndex, Propose, Reject
from coterie.protocols.seam import NodeId
from coterie.protocols.sessions import Sessions
from coterie.protocols.simulation.clients import Client
from coterie.protocols.simulation.node import AnyAlgorithm
from coterie.protocols.simulation.plan import Aim, Plan, random_plan
from coterie.protocols.simulation.timeline import stream
from coterie.protocols.simulation.verdict import Verdict
from coterie.protocols.simulation.world import World

__all__ = ["RaftScenario", "run_raft_seed"]

CLIENTS = 10
COMMANDS_PER_CLIENT = 32
CLIENT_LOSS = 0.02
FEWEST_COMMITTED = 100
FAULTS = 18
PLAN_S = 20.0
LONGEST_CALM_S = 30.0
"""How long after its plan a group may take to answer everybody and converge, in calm weather."""


def run_raft_seed(seed: int, *, nodes: int | None = None, hashed: bool = False) -> Verdict:
    """Run `seed` with `nodes` nodes (None: three or five, by the seed)."""
    size = nodes if nodes is not None else stream(f"raft/{seed}", "size").choice((3, 5))
    return RaftScenario(seed, size, hashed=hashed).run()


class RaftScenario:
    """One group, its clients and its judges. It is the `Resident` of its world.

    `plan` replaces the plan that the seed would give.
    """

    def __init__(self, seed: int, nodes: int, *, hashed: bool = False, plan: Plan | None = None) -> None:
        name = f"raft/{seed}"
        self._seed = seed
        self._voters = tuple(NodeId(f"n{number}") for number in range(1, nodes + 1))
        self._config = _random_config(stream(name, "config"), self._voters)
        self._bench = Bench()
        self.judge = RaftJudge(self._voters, self._bench)
        self._sessions_judge = SessionsJudge(self._bench)
        self._plan = plan or random_plan(stream(name, "plan"), nodes=nodes, faults=FAULTS, duration_s=PLAN_S)
        self.world: World[LogWrite, RaftMessage] = World(
            name, self._voters, self._plan, self, self._bench, hashed=hashed
        )
        self._rng = stream(name, "scenario")
        self._disks = {voter: RaftDisk() for voter in self._voters}
        self._rafts: dict[NodeId, Raft] = {}
        self._machines: dict[NodeId, Sessions] = {}
        self._pending: dict[NodeId, dict[int, _Request]] = {voter: {} for voter in self._voters}
        self._refs = 0
        self._clients = [self._new_client(name, number) for number in range(CLIENTS)]

    def run(self) -> Verdict:
        """Run it to its end and judge it."""
        world = self.world
        violation = world.run(until_s=self._plan.ends_at_s + LONGEST_CALM_S, stop=self._is_done, end=self._end)
        committed = self._sessions_judge.acknowledged
        return Verdict(
            seed=self._seed,
            violation=violation,
            void=None if committed >= FEWEST_COMMITTED else f"only {committed} commands were answered",
            operations=committed,
            events=world.timeline.steps,
            simulated_s=world.now,
            planned=tuple(self._plan.kinds()),
            fired=world.firings.count_by_kind,
            digest=world.trace.digest(),
            tail=() if violation is None else tuple(world.trace.tail()),
        )

    # What a Resident does.

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return a new life of `node`, with an empty state machine."""
        self.judge.started(node)
        self._sessions_judge.started(node)
        self._machines[node] = Sessions(_Recorder(node, self._sessions_judge))
        raft = Raft(node, self._config, restored=self._disks[node].restored(), rng=rng)
        self._rafts[node] = raft
        return cast("AnyAlgorithm", raft)

    def ended(self, node: NodeId) -> None:
        """Forget who asked the life that ended: their patience will run out."""
        self._pending[node].clear()

    def wrote(self, node: NodeId, write: LogWrite) -> None:
        """Keep the write and judge it."""
        self.judge.wrote(node, write)
        self._disks[node].write(write)

    def sent(self, node: NodeId, to: NodeId, message: RaftMessage) -> None:
        """Judge what leaves, and carry it."""
        self.judge.sent(node, to, message)
        self.world.send(node, to, message, _shows(message))

    def perform(self, node: NodeId, effect: object) -> None:
        """Apply, load, or hand a refusal to its client."""
        match effect:
            case Apply():
                self._apply(node, effect)
            case Load():
                life = self.world.nodes[node].life
                self.world.timeline.after(self._rng.uniform(0, 0.003), lambda: self._load(node, life, effect))
            case Reject():
                request = self._pending[node].pop(effect.ref)
                self._answer_later(partial(request.client.rejected, request.attempt, effect))
            case _:
                raise TypeError(f"Raft has no effect {effect!r}")

    def visited(self, node: NodeId) -> None:
        """Judge whoever takes himself for a leader."""
        raft = self._rafts[node]
        if raft.role is Role.LEADER:
            self.judge.led(node, raft.term)

    def _apply(self, node: NodeId, effect: Apply) -> None:
        machine, pending = self._machines[node], self._pending[node]
        for entry in effect.entries:
            self.judge.applied(node, entry)
            reply = machine.apply(entry.index, entry.command) if entry.kind is EntryKind.COMMAND else None
            ref = effect.refs.get(entry.index)
            if ref is not None and reply is not None:
                request = pending.pop(ref)
                self._answer_later(partial(request.client.answered, request.operation, reply))
        done = Applied(effect.entries[-1].index)
        self.world.nodes[node].receive_later(self._rng.uniform(0, 0.002), done)

    def _load(self, node: NodeId, life: int, load: Load) -> None:
        machine = self.world.nodes[node]
        if machine.life == life:
            entries = self._disks[node].read(load.first, load.last, load.max_bytes)
            machine.receive(Loaded(load.reader, load.first, entries))

    # Clients.

    def _new_client(self, name: str, number: int) -> Client:
        return Client(
            number,
            COMMANDS_PER_CLIENT,
            self._voters,
            timeline=self.world.timeline,
            rng=stream(name, f"client {number}"),
            judge=self._sessions_judge,
            submit=self._submit,
        )

    def _submit(self, client: Client, node: NodeId, attempt: int, command: bytes, delay_s: float) -> None:
        if self._rng.random() >= CLIENT_LOSS:
            request = _Request(client, client.operation, attempt, command)
            delay_s += self.world.network.delay_s()
            self.world.timeline.after(delay_s, lambda: self._propose(node, request))

    def _propose(self, node: NodeId, request: _Request) -> None:
        if self.world.nodes[node].is_up:
            self._refs += 1
            self._pending[node][self._refs] = request
            self.world.nodes[node].receive(Propose(self._refs, request.command))

    def _answer_later(self, answer: Callable[[], None]) -> None:
        if self._rng.random() >= CLIENT_LOSS:
            self.world.timeline.after(self.world.network.delay_s(), answer)

    # The end.

    def _is_done(self) -> bool:
        return (
            self.world.faults.is_over
            and all(client.is_done for client in self._clients)
            and all(self._has_converged(voter) for voter in self._voters)
        )

    def _has_converged(self, voter: NodeId) -> bool:
        length = len(self.judge.committed)
        return self.judge.applied_index(voter) == length and self._disks[voter].last_index == length

    def _end(self) -> None:
        behind = [voter for voter in self._voters if not self._has_converged(voter)]
        waiting = sum(not client.is_done for client in self._clients)
        if behind or waiting:
            self._bench.fail("raft.converged", None, f"at the end {waiting} clients wait and {behind} lag behind")
        self._sessions_judge.ended()


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


def _shows(message: RaftMessage) -> Aim | None:
    match message:
        case AppendEntries():
            return Aim.LEADER
        case RequestVote():
            return Aim.CANDIDATE
        case RequestVoteReply(_, True):
            return Aim.VOTER
        case _:
            return None
