"""Synod under faults: many small instances a seed, in each several proposers, duels, reads and crashes.

Everybody asks early, while the faults strike; whoever gets no answer asks again elsewhere. When the plan is over every
node reads: all must answer the one chosen value.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import cast

from coterie.protocols.checking.synod import SynodJudge
from coterie.protocols.checking.violation import Bench
from coterie.protocols.paxos.config import SynodConfig
from coterie.protocols.paxos.messages import (
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
from coterie.protocols.paxos.synod import Synod
from coterie.protocols.seam import NodeId
from coterie.protocols.simulation.network import Weather
from coterie.protocols.simulation.node import AnyAlgorithm
from coterie.protocols.simulation.plan import Aim, Plan, random_plan
from coterie.protocols.simulation.timeline import stream
from coterie.protocols.simulation.verdict import Verdict, combine
from coterie.protocols.simulation.world import World

__all__ = ["SynodInstance", "run_synod_seed"]

INSTANCES = 16
MOST_INSTANCES = 48
FAULTS = 7
PLAN_S = 0.8
PATIENCE_S = 0.5
LONGEST_CALM_S = 20.0
"""How long after its plan an instance may take to answer everybody, in calm weather."""

AIM_BY_MESSAGE: dict[type[SynodMessage], Aim | None] = {
    Prepare: Aim.CANDIDATE,
    Promise: Aim.VOTER,
    Accept: Aim.LEADER,
    Accepted: None,
    Nack: None,
}


def run_synod_seed(seed: int, *, nodes: int | None = None, hashed: bool = False) -> Verdict:
    """Run the instances of `seed`, each with `nodes` nodes (None: three or five, by the seed).

    Instances are short and some faults miss them: further ones run until every planned kind of fault has fired.
    """
    verdicts: list[Verdict] = []
    for number in range(MOST_INSTANCES):
        if number >= INSTANCES and not combine(verdicts).missed():
            break
        name = f"synod/{seed}/{number}"
        size = nodes if nodes is not None else stream(name, "size").choice((3, 5))
        verdict = SynodInstance(name, seed, size, hashed=hashed).run()
        verdicts.append(verdict)
        if verdict.violation is not None:
            break
    return combine(verdicts)


class SynodInstance:
    """One instance: its nodes, its askers and its judge. It is the `Resident` of its world."""

    def __init__(self, name: str, seed: int, nodes: int, *, hashed: bool = False, plan: Plan | None = None) -> None:
        self._seed = seed
        self._rng = stream(name, "askers")
        self._members = tuple(NodeId(f"n{number}") for number in range(1, nodes + 1))
        self._config = SynodConfig(self._members)
        self._bench = Bench()
        self.judge = SynodJudge(self._members, self._bench)
        self._disks = dict.fromkeys(self._members, SynodState())
        self._plan = plan or random_plan(stream(name, "plan"), nodes=nodes, faults=FAULTS, duration_s=PLAN_S, haste=4.0)
        self.world: World[SynodState, SynodMessage] = World(
            name, self._members, self._plan, self, self._bench, hashed=hashed
        )
        self.world.network.set_weather(_random_weather(self._rng), None)
        self._asked: dict[NodeId, dict[int, _Question]] = {member: {} for member in self._members}
        self._refs = 0
        self._answers = 0
        self._unanswered = 0
        self._schedule_askers()

    def run(self) -> Verdict:
        """Run it to its end and judge it."""
        world = self.world
        violation = world.run(until_s=PLAN_S + LONGEST_CALM_S, stop=self._is_done, end=self._end)
        return Verdict(
            seed=self._seed,
            violation=violation,
            void=None if self.judge.chosen is not None else "nothing was chosen",
            operations=self._answers,
            events=world.timeline.steps,
            simulated_s=world.now,
            fired=world.firings.count_by_kind,
            planned=tuple(self._plan.kinds()),
            digest=world.trace.digest(),
            tail=() if violation is None else tuple(world.trace.tail()),
        )

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
        self.world.send(node, to, message, AIM_BY_MESSAGE[type(message)])

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
            self._answers += 1
            self._unanswered -= 1

    def visited(self, node: NodeId) -> None:
        """Nothing to look at: everything shows on disks and wires."""

    # Askers.

    def _schedule_askers(self) -> None:
        rng = self._rng
        for number in range(rng.randint(2, 6)):
            self._add_asker(Asker(f"v{number}".encode(), None), rng.random() ** 3 * PLAN_S)
        for _ in range(rng.randint(1, 8)):
            self._add_asker(Asker(None, None), rng.random() * PLAN_S)
        for member in self._members:
            self._add_asker(Asker(None, member), PLAN_S + 0.001)
        self._add_asker(Asker(b"last", None), PLAN_S)

    def _add_asker(self, asker: Asker, at_s: float) -> None:
        self._unanswered += 1
        self.world.timeline.at(at_s, lambda: self._ask(asker))

    def _ask(self, asker: Asker) -> None:
        if asker.is_answered:
            return
        node = asker.node or self._rng.choice(self._members)
        self._refs += 1
        if asker.value is not None:
            self.judge.asked(asker.value)
        if self.world.nodes[node].is_up:
            self._asked[node][self._refs] = _Question(asker, self.judge.chosen)
            self.world.nodes[node].receive(
                ReadRound(self._refs) if asker.value is None else Propose(self._refs, asker.value)
            )
        self.world.timeline.after(PATIENCE_S, lambda: self._ask(asker))

    # The end.

    def _is_done(self) -> bool:
        return not self._unanswered and self.world.faults.is_over

    def _end(self) -> None:
        if self._unanswered:
            self._bench.fail("synod.converged", None, f"{self._unanswered} requests are unanswered at the end")


def _random_weather(rng: random.Random) -> Weather:
    # Slow enough that the faults find a round under way.
    return Weather(loss=rng.choice((0.002, 0.1)), delay_s=rng.choice((0.001, 0.01, 0.03)), tail=0.1, tail_s=0.02)


class Asker:
    """Somebody who wants a value chosen (or, with None, to read), at `node` or at a random one each time."""

    __slots__ = ("is_answered", "node", "value")

    def __init__(self, value: bytes | None, node: NodeId | None) -> None:
        self.value = value
        self.node = node
        self.is_answered = False

    def insists_on(self, answer: bytes | None) -> bool:
        """Return whether `answer` is not good enough: the readers of the end ask until there is a value."""
        return self.node is not None and answer is None


@dataclass(frozen=True, slots=True)
class _Question:
    """One asking of an asker, and what was chosen when it was asked."""

    asker: Asker
    chosen_before: bytes | None
