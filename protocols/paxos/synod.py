"""`Synod`: runs one node of single-decree Paxos: combines a proposer, an acceptor and a learner into one algorithm.

    requests ──▶ Proposer ──Prepare, Accept──▶ Acceptor ──Accepted──▶ Learner
                  ▲   ▲ └───────────Promise, Nack─┘                      │
                  │   └────────────────────Learned──────────────────────┘
                  Chosen

A message from one role to another of the same node does not use the network, but it also waits for durability.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace

from coterie.protocols.algorithm import NodeId, Observe, Persist, Persisted, Received, Send
from coterie.protocols.durability_gate import DurabilityGate
from coterie.protocols.paxos.acceptor import Acceptor, AcceptorEffect
from coterie.protocols.paxos.learner import Learner
from coterie.protocols.paxos.proposer import Phase, Proposer, ProposerEffect
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import (
    Accept,
    Accepted,
    AcceptorState,
    Chosen,
    Learned,
    Nack,
    Prepare,
    Promise,
    Propose,
    ProposerState,
    ReadRound,
    SynodMessage,
    SynodState,
)
from coterie.protocols.paxos.synod_observations import BALLOT_IMPLAUSIBLE
from coterie.protocols.plausibility import is_plausible_jump

__all__ = ["Synod", "SynodEffect", "SynodEvent"]

SynodEvent = Propose | ReadRound | Persisted | Received[SynodMessage]
SynodEffect = Persist[SynodState] | Send[SynodMessage] | Chosen | Observe

_Step = Propose | ReadRound | Learned | Received[SynodMessage]


class Synod:
    """One node of a synod. `restored` is what was durable when this life began; `rng` draws time-outs and back-off.

    Raises `ValueError` at construction if `node_id` is no member.
    """

    def __init__(self, node_id: NodeId, config: SynodConfig, *, restored: SynodState, rng: random.Random) -> None:
        if node_id not in config.members:
            raise ValueError(f"{node_id!r} is not among the members {config.members!r}")
        self._node_id = node_id
        self._members = config.members
        self._state = restored
        tokens = itertools.count(1)
        self._acceptor = Acceptor(config.members, restored=restored.acceptor, tokens=tokens)
        self._proposer = Proposer(node_id, config, restored=restored.proposer, rng=rng, tokens=tokens)
        self._learner = Learner(config.quorums)
        self._local_gate: DurabilityGate[SynodEffect] = DurabilityGate()
        self._steps: deque[_Step] = deque()
        self._implausible: set[NodeId] = set()  # members that used such a ballot

    @property
    def node_id(self) -> NodeId:
        """This node."""
        return self._node_id

    @property
    def phase(self) -> Phase:
        """The phase of this node's proposer."""
        return self._proposer.phase

    @property
    def state(self) -> SynodState:
        """The present state, which may not be durable yet."""
        return self._state

    @property
    def chosen(self) -> bytes | None:
        """The chosen value, once this node knows it."""
        return self._learner.chosen

    @property
    def deadline(self) -> float | None:
        """When `tick` must be called (monotonic, s); None if no timer is pending."""
        return self._proposer.deadline

    def tick(self, *, now: float) -> list[SynodEffect]:
        """Abandon a round or end a back-off if that is due."""
        effects = self._carry_out(self._proposer.tick(now=now))
        return effects + self._run(now)

    def handle(self, events: Sequence[SynodEvent], *, now: float) -> list[SynodEffect]:
        """Handle a batch of events.

        Raises:
            InvariantViolated: two values were chosen, or one ballot was used for two values.
        """
        effects: list[SynodEffect] = []
        for event in events:
            if isinstance(event, Persisted):
                self._deliver_to_self(self._local_gate.persisted(event.token))
            else:
                self._steps.append(event)
            effects += self._run(now)
        return effects

    def _run(self, now: float) -> list[SynodEffect]:
        effects: list[SynodEffect] = []
        while self._steps:
            effects += self._step(self._steps.popleft(), now)
        return effects

    def _step(self, step: _Step, now: float) -> list[SynodEffect]:
        match step:
            case Propose() | ReadRound() | Learned():
                return self._carry_out(self._proposer.handle([step], now=now))
            case Received():
                return self._receive(step.sender, step.message, now) if step.sender in self._members else []

    def _receive(self, sender: NodeId, message: SynodMessage, now: float) -> list[SynodEffect]:
        heard = message.promised.round if isinstance(message, Nack) else message.ballot.round
        if not is_plausible_jump(self._known_round(), heard):
            return self._refuse_ballot(sender, heard)
        match message:
            case Prepare() | Accept():
                request: Received[Prepare | Accept] = Received(sender, message)
                return self._carry_out(self._acceptor.handle([request], now=now))
            case Promise() | Nack():
                answer: Received[Promise | Nack] = Received(sender, message)
                return self._carry_out(self._proposer.handle([answer], now=now))
            case Accepted():
                self._steps.extend(self._learner.handle([Received(sender, message)], now=now))
                return []

    def _known_round(self) -> int:
        promised = self._state.acceptor.promised
        return max(self._state.proposer.round, 0 if promised is None else promised.round)

    def _refuse_ballot(self, sender: NodeId, heard: int) -> list[SynodEffect]:
        """Tell once for each sender that it uses a ballot that no honest run reaches."""
        if sender in self._implausible:
            return []
        self._implausible.add(sender)
        return [Observe(BALLOT_IMPLAUSIBLE, {"node": self._node_id, "sender": sender, "round": heard})]

    def _carry_out(self, effects: Iterable[AcceptorEffect | ProposerEffect]) -> list[SynodEffect]:
        outward: list[SynodEffect] = []
        for effect in effects:
            match effect:
                case Persist():
                    write: SynodEffect = Persist(effect.token, self._merge(effect.write))
                    self._local_gate.admit([write])
                    outward.append(write)
                case Send() if effect.to == self._node_id:
                    self._deliver_to_self(self._local_gate.admit([Send(effect.to, effect.message, effect.after)]))
                case Send():
                    outward.append(Send(effect.to, effect.message, effect.after))
                case Chosen() | Observe():
                    outward.append(effect)
        return outward

    def _merge(self, write: AcceptorState | ProposerState) -> SynodState:
        match write:
            case AcceptorState():
                self._state = replace(self._state, acceptor=write)
            case ProposerState():
                self._state = replace(self._state, proposer=write)
        return self._state

    def _deliver_to_self(self, effects: Iterable[SynodEffect]) -> None:
        self._steps.extend(Received(self._node_id, effect.message) for effect in effects if isinstance(effect, Send))
