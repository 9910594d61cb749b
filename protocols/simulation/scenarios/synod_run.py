"""One instance of Synod under faults: several proposers, duels, reads and crashes.

Everybody asks early, while the faults strike; whoever gets no answer asks again elsewhere. When the plan is over every
node that has not retired reads: all must answer the one chosen value. Beyond the fault budget nobody needs to answer.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import cast

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.synod_checker import SynodJudge
from coterie.protocols.checking.violation import Bench, Violation
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Role
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
from coterie.protocols.simulation.protocol_world import World

__all__ = ["SynodRun"]

LATE_READERS = 6
PATIENCE_S = 0.5
LONGEST_CALM_S = 20.0
"""How long after its plan an instance may take to answer everybody, in calm weather."""

BRIEF_CALM_S = 2.0
"""How long an instance goes on that need not answer."""

ROLE_BY_MESSAGE: dict[type[SynodMessage], Role | None] = {
    Prepare: Role.CANDIDATE,
    Promise: Role.VOTER,
    Accept: Role.LEADER,
    Accepted: None,
    Nack: None,
}


class SynodRun:
    """One instance: its nodes, its askers and its judge. It is the `Resident` of its world.

    `name` is what all chance is drawn from; `operations` the most that is asked while the faults strike; `later_s` how
    much later than usual everybody asks: once everybody knows what was chosen, nothing is sent that a fault could hit.
    """

    def __init__(
        self,
        name: str,
        plan: Plan,
        *,
        operations: int | None = None,
        later_s: float = 0.0,
        hashed: bool = False,
        traced: bool = False,
    ) -> None:
        self._plan = plan
        self._rng = stream(name, "askers")
        self._members = tuple(NodeId(node) for node in plan.nodes)
        self._config = SynodConfig(self._members)
        self._bench = Bench()
        self.judge = SynodJudge(self._members, self._bench)
        self._disks = dict.fromkeys(self._members, SynodState())
        self.world: World[SynodState, SynodMessage] = World(name, plan, self, self._bench, hashed=hashed, traced=traced)
        self.world.network.latency = _random_latency(self._rng)
        self._asked: dict[NodeId, dict[int, _Question]] = {member: {} for member in self._members}
        self._refs = 0
        self.history = History() if traced else None
        self._unanswered = 0
        self._is_live = is_live(plan)
        self.answers = 0
        self._schedule_askers(operations, later_s)
        self._is_healed = False

    def run(self) -> Violation | None:
        """Run it to its end and judge it: return the first broken invariant."""
        calm_s = LONGEST_CALM_S if self._is_live else BRIEF_CALM_S
        return self.world.run(until_s=latest_end_s(self._plan) + calm_s, end=self._end)

    # What a Resident does.

    def build(self, node: NodeId, rng: random.Random) -> AnyAlgorithm:
        """Return a new life of `node`."""
        self.judge.started(node)
        return cast("AnyAlgorithm", Synod(node, self._config, restored=self._disks[node], rng=rng))

    def ended(self, node: NodeId) -> None:
        """Forget who asked the life that ended: their patience will run out."""
        self._asked[node].clear()

    def wrote(self, node: NodeId, write: SynodState) -> None:
        """Keep the register and judge it."""
        self._disks[node] = write
        self.judge.wrote(node, write)

    def sent(self, node: NodeId, to: NodeId, message: SynodMessage) -> None:
        """Judge what leaves, and carry it."""
        self.judge.sent(node, message)
        self.world.send(node, to, message)

    def perform(self, node: NodeId, effect: object) -> None:
        """Hand an answer to its asker."""
        if not isinstance(effect, Chosen):
            raise TypeError(f"Synod has no effect {effect!r}")
        self.world.trace.record(node, "answered", effect)
        question = self._asked[node].pop(effect.ref)
        self.judge.answered(node, effect.value, was_chosen=question.chosen_before)
        asker = question.asker
        if not asker.is_answered and not asker.insists_on(effect.value):
            asker.is_answered = True
            if self.history is not None and asker.number is not None:
                self.history.returned(asker.number, effect.value, at_s=self.world.now)
            self.answers += 1
            self._unanswered -= 1
            if self._is_healed and not self._unanswered:
                self.world.timeline.stop()

    def visited(self, node: NodeId) -> None:
        """Nothing to look at: everything shows on disks and wires."""

    def healed(self) -> None:
        """Let everybody ask who has not retired."""
        self._is_healed = True
        self._add_asker(Asker(b"last", None), self.world.now)
        for member in self._members:
            if not self.world.nodes[member].is_retired:
                self._add_asker(Asker(None, member), self.world.now + 0.001)

    def role_shown(self, message: SynodMessage) -> Role | None:
        """Return the role in which `message` shows its sender."""
        return ROLE_BY_MESSAGE[type(message)]

    # Askers.

    def _schedule_askers(self, operations: int | None, later_s: float) -> None:
        rng, plan_s = self._rng, self._plan.ends_at_s
        askers = [
            (Asker(f"v{number}".encode(), None), rng.random() ** 3 * plan_s) for number in range(rng.randint(2, 6))
        ]
        askers += [(Asker(None, None), rng.random() * plan_s) for _ in range(rng.randint(1, 8))]
        # Something for the last faults to hit.
        askers += [(Asker(None, None), rng.uniform(0.4, 1.0) * plan_s) for _ in range(LATE_READERS)]
        for asker, at_s in askers[:operations]:
            self._add_asker(asker, min(at_s + later_s, plan_s))

    def _add_asker(self, asker: Asker, at_s: float) -> None:
        self._unanswered += 1
        self.world.timeline.at(at_s, self._ask, asker)

    def _ask(self, asker: Asker) -> None:
        if asker.is_answered:
            return
        if self.history is not None and asker.number is None:
            asked = ("read",) if asker.value is None else ("propose", asker.value)
            asker.number = self.history.invoked(f"asker {len(self.history)}", asked, at_s=self.world.now)
        node = asker.node or self._rng.choice(self._members)
        self.world.timeline.events += 1
        self._refs += 1
        if asker.value is not None:
            self.judge.asked(asker.value)
        if self.world.nodes[node].is_up:
            self._asked[node][self._refs] = _Question(asker, self.judge.chosen)
            self.world.nodes[node].receive(
                ReadRound(self._refs) if asker.value is None else Propose(self._refs, asker.value)
            )
        self.world.timeline.after(PATIENCE_S, self._ask, asker)

    # The end.

    def _end(self) -> None:
        if self._unanswered and self._is_live:
            self._bench.fail("synod.converged", None, f"{self._unanswered} requests are unanswered at the end")


def _random_latency(rng: random.Random) -> Latency:
    # Slow enough that the faults find a round under way.
    return Latency(delay_s=rng.choice((0.001, 0.01, 0.03)), tail=0.1)


class Asker:
    """Somebody who wants a value chosen (or, with None, to read), at `node` or at a random one each time.

    `number` is that of the asking in the history, if there is one.
    """

    __slots__ = ("is_answered", "node", "number", "value")

    def __init__(self, value: bytes | None, node: NodeId | None) -> None:
        self.value = value
        self.node = node
        self.is_answered = False
        self.number: int | None = None

    def insists_on(self, answer: bytes | None) -> bool:
        """Return whether `answer` is not good enough: the readers of the end ask until there is a value."""
        return self.node is not None and answer is None


@dataclass(frozen=True, slots=True)
class _Question:
    """One asking of an asker, and what was chosen when it was asked."""

    asker: Asker
    chosen_before: bytes | None
