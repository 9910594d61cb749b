"""`Proposer`: gets a value chosen: its own only if no other value may have been chosen before (*Paxos Made Simple*).

        a request                 a quorum promised                     a quorum accepted
IDLE ──────────────▶ PREPARING ────────────────────▶ ACCEPTING ──────────────────────────▶ IDLE, chosen
                      │  ▲  │   nothing accepted and only reads wait: None                   ▲
             a Nack   ▼  │  └──────────────────────────────────────────────▶ IDLE            │
                   BACKING_OFF ◀── a Nack ── ACCEPTING; a round that takes too long starts anew
"""

from __future__ import annotations

import enum
import itertools
import random
from collections.abc import Iterable, Iterator, Sequence

from coterie.protocols.algorithm import NodeId, Observe, Persist, Received, Send, Token
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.paxos.synod_messages import (
    Accept,
    Ballot,
    Chosen,
    Learned,
    Nack,
    Prepare,
    Promise,
    Proposal,
    Propose,
    ProposerState,
    ReadRound,
)
from coterie.protocols.paxos.synod_observations import BACKED_OFF, ROUND_STARTED, VALUE_CHOSEN

__all__ = ["Phase", "Proposer", "ProposerEffect", "ProposerEvent"]

ProposerEvent = Propose | ReadRound | Learned | Received[Promise | Nack]
ProposerEffect = Persist[ProposerState] | Send[Prepare] | Send[Accept] | Chosen | Observe


class Phase(enum.Enum):
    """The phase of a proposer."""

    IDLE = "idle"
    PREPARING = "preparing"
    ACCEPTING = "accepting"
    BACKING_OFF = "backing_off"


class Proposer:
    """Runs rounds while requests are pending. Its only durable state is the highest round it has used (§2.4).

    `restored` is what was durable when this life began. `rng` draws time-outs and back-off. `tokens` numbers the
    writes; roles whose states are written together share it.
    """

    def __init__(
        self,
        node_id: NodeId,
        config: SynodConfig,
        *,
        restored: ProposerState,
        rng: random.Random,
        tokens: Iterator[int] | None = None,
    ) -> None:
        self._node_id = node_id
        self._config = config
        self._quorum = config.quorums
        self._rng = rng
        self._tokens = tokens if tokens is not None else itertools.count(1)
        self._round = restored.round
        self._highest_seen = restored.round
        self._ballot = Ballot(restored.round, node_id)
        self._phase = Phase.IDLE
        self._promises: dict[NodeId, Proposal | None] = {}
        self._waiting: dict[int, Propose | ReadRound] = {}
        self._reads_of_round: tuple[int, ...] = ()
        self._refusals = 0
        self._timed_out_rounds = 0  # without a round that succeeded since; one that succeeds takes one away
        self._deadline: float | None = None
        self._chosen: bytes | None = None

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return self._phase

    @property
    def ballot(self) -> Ballot:
        """The ballot of the present or latest round."""
        return self._ballot

    @property
    def deadline(self) -> float | None:
        """When the round is abandoned or the back-off ends (monotonic, s); None if neither is pending."""
        return self._deadline

    def tick(self, *, now: float) -> list[ProposerEffect]:
        """Start a new round if the present one took too long or the back-off is over."""
        if self._deadline is None or now < self._deadline:
            return []
        if self._phase is not Phase.BACKING_OFF:
            self._timed_out_rounds += 1
        return self._begin_round(now)

    def handle(self, events: Sequence[ProposerEvent], *, now: float) -> list[ProposerEffect]:
        """Handle requests, answers of acceptors and `Learned` of the learner; start a round if requests are pending."""
        effects: list[ProposerEffect] = []
        for event in events:
            effects += self._handle_one(event, now)
        if self._waiting and self._phase is Phase.IDLE:
            effects += self._begin_round(now)
        return effects

    def _handle_one(self, event: ProposerEvent, now: float) -> Iterable[ProposerEffect]:
        match event:
            case Propose() | ReadRound():
                return self._request(event)
            case Learned():
                return self._learned(event)
            case Received():
                return self._answered(event.sender, event.message, now)

    def _answered(self, acceptor: NodeId, answer: Promise | Nack, now: float) -> Iterable[ProposerEffect]:
        match answer:
            case Promise():
                return self._promised(acceptor, answer)
            case Nack():
                return self._refused(answer, now)

    def _request(self, request: Propose | ReadRound) -> list[ProposerEffect]:
        if self._chosen is not None:
            return [Chosen(request.ref, self._chosen)]
        self._waiting[request.ref] = request
        return []

    def _begin_round(self, now: float) -> list[ProposerEffect]:
        self._round = self._next_round()
        self._highest_seen = max(self._highest_seen, self._round)
        self._ballot = Ballot(self._round, self._node_id)
        self._phase = Phase.PREPARING
        self._promises = {}
        # A read that arrives later must not be answered with None because of promises made before it arrived.
        self._reads_of_round = tuple(ref for ref, wanted in self._waiting.items() if isinstance(wanted, ReadRound))
        timeout_s = self._rng.uniform(self._config.round_timeout_min_s, self._config.round_timeout_max_s)
        self._deadline = now + timeout_s * self._stretch()
        token = Token(next(self._tokens))
        # §2.4: the number is in stable storage before the Prepare leaves, so that no later life uses it again.
        return [
            Persist(token, ProposerState(self._round)),
            Observe(ROUND_STARTED, {"node": self._node_id, "round": self._round}),
            *(Send(member, Prepare(self._ballot), token) for member in self._config.members),
        ]

    def _stretch(self) -> float:
        """Return how many times longer than configured all waits are: links may be slower than the time-outs assume."""
        most = self._config.round_timeout_cap_s / self._config.round_timeout_max_s
        return min(2.0**self._timed_out_rounds, most)

    def _next_round(self) -> int:
        return self._highest_seen + 1

    def _promised(self, acceptor: NodeId, promise: Promise) -> list[ProposerEffect]:
        if self._phase is not Phase.PREPARING or promise.ballot != self._ballot:
            return []
        self._promises[acceptor] = promise.accepted
        if not self._has_promises_of_a_quorum():
            return []
        return self._finish_phase_1()

    def _has_promises_of_a_quorum(self) -> bool:
        return self._quorum.is_quorum(self._promises)

    def _finish_phase_1(self) -> list[ProposerEffect]:
        value = self._value_to_propose([accepted for accepted in self._promises.values() if accepted is not None])
        if value is None:
            return self._answer_none()
        self._phase = Phase.ACCEPTING
        return [Send(member, Accept(self._ballot, value)) for member in self._config.members]

    def _value_to_propose(self, accepted: Sequence[Proposal]) -> bytes | None:
        # P2c (§2.2): the value of the highest-numbered proposal among the promises; any value only if there is none.
        if accepted:
            return max(accepted, key=lambda proposal: proposal.ballot).value
        return next((wanted.value for wanted in self._waiting.values() if isinstance(wanted, Propose)), None)

    def _answer_none(self) -> list[ProposerEffect]:
        answered: list[ProposerEffect] = [Chosen(ref, None) for ref in self._reads_of_round]
        for ref in self._reads_of_round:
            del self._waiting[ref]
        self._become_idle()
        return answered

    def _refused(self, nack: Nack, now: float) -> list[ProposerEffect]:
        self._highest_seen = max(self._highest_seen, nack.promised.round)
        if nack.ballot != self._ballot or self._phase not in (Phase.PREPARING, Phase.ACCEPTING):
            return []
        self._phase = Phase.BACKING_OFF
        self._refusals += 1
        wait_s = self._rng.uniform(0, self._backoff_max_s()) * self._stretch()
        self._deadline = now + wait_s
        return [Observe(BACKED_OFF, {"node": self._node_id, "round": self._round, "wait_s": wait_s})]

    def _backoff_max_s(self) -> float:
        doublings = min(self._refusals - 1, 30)
        return min(self._config.backoff_min_s * (1 << doublings), self._config.backoff_max_s)

    def _learned(self, learned: Learned) -> list[ProposerEffect]:
        answered: list[ProposerEffect] = []
        if self._chosen is None:
            self._chosen = learned.value
            facts = {"node": self._node_id, "round": learned.ballot.round, "value_bytes": len(learned.value)}
            answered.append(Observe(VALUE_CHOSEN, facts))
        answered += [Chosen(ref, self._chosen) for ref in self._waiting]
        self._waiting.clear()
        self._become_idle()
        return answered

    def _become_idle(self) -> None:
        self._phase = Phase.IDLE
        self._refusals = 0
        self._timed_out_rounds = max(0, self._timed_out_rounds - 1)
        self._deadline = None
