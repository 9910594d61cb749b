"""`SynodRun`: runs single-decree Paxos once under faults, with competing proposers, and checks the invariants.

All clients send their requests early, during the faults, and retry at random nodes until they are answered. When the
plan has ended, every node that has not retired is read: all must answer the chosen value. Beyond the fault budget no
answer is required.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import cast

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.synod_checker import SynodChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.faults.profiles.fault_profiles import is_live
from coterie.protocols.paxos.synod import Synod
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import (
    Accept,
    Accepted,
    Chosen,
    Nack,
    Prepare,
    Promise,
    Propose,
    ReadRound,
    SynodMessage,
    SynodState,
)
from coterie.protocols.simulation.event_heap import stream
from coterie.protocols.simulation.faults.protocol_injector import latest_end_s
from coterie.protocols.simulation.protocol_network import Latency
from coterie.protocols.simulation.protocol_node import AnyAlgorithm
from coterie.protocols.simulation.protocol_world import ProtocolWorld
from coterie.protocols.simulation.scenarios.random_quorums import draw_quorum

__all__ = ["SynodRun"]

LATE_READERS = 6
RETRY_S = 0.5
CONVERGENCE_TIMEOUT_S = 20.0
"""How long after its plan an instance may take to answer all clients, without faults."""

SAFETY_ONLY_S = 2.0
"""How long after its plan an instance continues that need not answer."""

ROLE_BY_MESSAGE: dict[type[SynodMessage], TargetRole | None] = {
    Prepare: TargetRole.CANDIDATE,
    Promise: TargetRole.VOTER,
    Accept: TargetRole.LEADER,
    Accepted: None,
    Nack: None,
}


class SynodRun:
    """One instance: its nodes, its clients and its checker. It implements `AlgorithmHarness` for its world.

    `name`: the seed of all random streams; `operations`: the most requests during the faults; `later_s`: the delay of
    all requests. Once all nodes know the chosen value, no messages are sent that a fault could hit.
    """

    def __init__(
        self,
        name: str,
        plan: FaultPlan,
        *,
        operations: int | None = None,
        later_s: float = 0.0,
        hashed: bool = False,
        traced: bool = False,
    ) -> None:
        self._plan = plan
        self._rng = stream(name, "askers")
        self._members = tuple(NodeId(node) for node in plan.nodes)
        self._config = SynodConfig(self._members, draw_quorum(stream(name, "quorum"), plan))
        self._context = ViolationContext()
        self.checker = SynodChecker(self._members, self._context, quorum=self._config.quorum)
        self._disks = dict.fromkeys(self._members, SynodState())
        self.world: ProtocolWorld[SynodState, SynodMessage] = ProtocolWorld(
            name, plan, self, self._context, hashed=hashed, traced=traced
        )
        self.world.network.latency = _random_latency(self._rng)
        self._pending: dict[NodeId, dict[int, _PendingRequest]] = {member: {} for member in self._members}
        self._refs = 0
        self.history = History() if traced else None
        self._unanswered = 0
        self._is_live = is_live(plan)
        self.answers = 0
        self._schedule_clients(operations, later_s)
        self._is_healed = False

    def run(self) -> Violation | None:
        """Run to the end and return the first broken invariant, None if none broke."""
        timeout_s = CONVERGENCE_TIMEOUT_S if self._is_live else SAFETY_ONLY_S
        return self.world.run(until_s=latest_end_s(self._plan) + timeout_s, end=self._end)

    # `AlgorithmHarness`.

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return the algorithm for a new life of `node`."""
        self.checker.started(node)
        return cast("AnyAlgorithm", Synod(node, self._config, restored=self._disks[node], rng=rng))

    def ended(self, node: NodeId) -> None:
        """Drop the pending requests of the life that ended: their clients will retry."""
        self._pending[node].clear()

    def wrote(self, node: NodeId, write: SynodState) -> None:
        """Store the state and check it."""
        self._disks[node] = write
        self.checker.wrote(node, write)

    def sent(self, node: NodeId, to: NodeId, message: SynodMessage) -> None:
        """Check the message, and send it."""
        self.checker.sent(node, message)
        self.world.send(node, to, message)

    def perform(self, node: NodeId, effect: object) -> None:
        """Pass an answer to its client."""
        if not isinstance(effect, Chosen):
            raise TypeError(f"Synod has no effect {effect!r}")
        self.world.trace.record(node, "answered", effect)
        request = self._pending[node].pop(effect.ref)
        self.checker.answered(node, effect.value, was_chosen=request.chosen_before)
        client = request.client
        if not client.is_answered and not client.must_ask_again(effect.value):
            client.is_answered = True
            if self.history is not None and client.number is not None:
                self.history.returned(client.number, effect.value, at_s=self.world.now)
            self.answers += 1
            self._unanswered -= 1
            if self._is_healed and not self._unanswered:
                self.world.heap.stop()

    def turn_ended(self, node: NodeId) -> None:
        """Do nothing: the checker needs only writes and messages."""

    def healed(self) -> None:
        """Propose once more, and read at every node that has not retired."""
        self._is_healed = True
        self._add_client(SynodRunClient(b"last", None), self.world.now)
        for member in self._members:
            if not self.world.nodes[member].is_retired:
                self._add_client(SynodRunClient(None, member), self.world.now + 0.001)

    def sender_role(self, message: SynodMessage) -> TargetRole | None:
        """Return the role that a node shows by sending `message`, if any."""
        return ROLE_BY_MESSAGE[type(message)]

    # Clients.

    def _schedule_clients(self, operations: int | None, later_s: float) -> None:
        rng, plan_s = self._rng, self._plan.ends_at_s
        clients = [
            (SynodRunClient(f"v{number}".encode(), None), rng.random() ** 3 * plan_s)
            for number in range(rng.randint(2, 6))
        ]
        clients += [(SynodRunClient(None, None), rng.random() * plan_s) for _ in range(rng.randint(1, 8))]
        # Late requests, so that the last faults have something to hit.
        clients += [(SynodRunClient(None, None), rng.uniform(0.4, 1.0) * plan_s) for _ in range(LATE_READERS)]
        for client, at_s in clients[:operations]:
            self._add_client(client, min(at_s + later_s, plan_s))

    def _add_client(self, client: SynodRunClient, at_s: float) -> None:
        self._unanswered += 1
        self.world.heap.at(at_s, self._ask, client)

    def _ask(self, client: SynodRunClient) -> None:
        if client.is_answered:
            return
        if self.history is not None and client.number is None:
            request = ("read",) if client.value is None else ("propose", client.value)
            client.number = self.history.invoked(f"asker {len(self.history)}", request, at_s=self.world.now)
        node = client.node or self._rng.choice(self._members)
        self.world.heap.events += 1
        self._refs += 1
        if client.value is not None:
            self.checker.asked(client.value)
        if self.world.nodes[node].is_up:
            self._pending[node][self._refs] = _PendingRequest(client, self.checker.chosen)
            self.world.nodes[node].receive(
                ReadRound(self._refs) if client.value is None else Propose(self._refs, client.value)
            )
        self.world.heap.after(RETRY_S, self._ask, client)

    # The end.

    def _end(self) -> None:
        if self._unanswered and self._is_live:
            self._context.fail("synod.converged", None, f"{self._unanswered} requests are unanswered at the end")


def _random_latency(rng: random.Random) -> Latency:
    # Slow enough that faults hit running rounds.
    return Latency(delay_s=rng.choice((0.001, 0.01, 0.03)), tail=0.1)


class SynodRunClient:
    """A client that proposes `value` (None: that reads), at `node` or at a random node each time.

    `number`: its operation in the history, if there is one.
    """

    __slots__ = ("is_answered", "node", "number", "value")

    def __init__(self, value: bytes | None, node: NodeId | None) -> None:
        self.value = value
        self.node = node
        self.is_answered = False
        self.number: int | None = None

    def must_ask_again(self, answer: bytes | None) -> bool:
        """Return whether `answer` is not final: the readers at the end retry until a value is chosen."""
        return self.node is not None and answer is None


@dataclass(frozen=True, slots=True)
class _PendingRequest:
    """One request of a client, and the value that was chosen when it was sent."""

    client: SynodRunClient
    chosen_before: bytes | None
