"""`Acceptor`: promises ballots, accepts proposals (*Paxos Made Simple*), and answers only after the disk write.

    Prepare(b): b > promised           ──▶ promised := b;                  durable; then Promise(b, accepted)
    Accept(b, v): b ≥ promised         ──▶ promised := b, accepted := b,v; durable; then Accepted(b, v) to all learners
    either, and a higher one promised  ──▶ Nack(b, promised)

P1a (§2.2): an acceptor accepts a proposal numbered b iff it has not responded to a Prepare with a number above b.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Persist, Received, Send, Token
from coterie.protocols.paxos.synod_messages import Accept, Accepted, AcceptorState, Nack, Prepare, Promise, Proposal

__all__ = ["Acceptor", "AcceptorEffect", "AcceptorEvent"]

AcceptorEvent = Received[Prepare | Accept]
AcceptorEffect = Persist[AcceptorState] | Send[Promise] | Send[Accepted] | Send[Nack]


class Acceptor:
    """Promises and accepts; both are durable before they are answered.

    `learners` receive every acceptance. `restored` is what was durable when this life began. `tokens`
    numbers the writes; roles whose states are written together share it.
    """

    def __init__(
        self, learners: Sequence[NodeId], *, restored: AcceptorState, tokens: Iterator[int] | None = None
    ) -> None:
        self._learners = tuple(learners)
        self._state = restored
        self._tokens = tokens if tokens is not None else itertools.count(1)
        # Every answer depends on the present state, so it waits for the latest write (None: of an earlier life).
        self._written: Token | None = None

    @property
    def state(self) -> AcceptorState:
        """The present state, which may not be durable yet."""
        return self._state

    @property
    def deadline(self) -> float | None:
        """None: an acceptor has no timers."""
        return None

    def tick(self, *, now: float) -> list[AcceptorEffect]:
        """Do nothing: an acceptor has no timers."""
        return []

    def handle(self, events: Sequence[AcceptorEvent], *, now: float) -> list[AcceptorEffect]:
        """Answer a batch of requests.

        Raises:
            InvariantViolated: one ballot came with two values: a proposer has reused it.
        """
        effects: list[AcceptorEffect] = []
        for event in events:
            match event.message:
                case Prepare():
                    effects += self._prepare(event.sender, event.message)
                case Accept():
                    effects += self._accept(event.sender, event.message)
        return effects

    def _prepare(self, proposer: NodeId, request: Prepare) -> list[AcceptorEffect]:
        promised = self._state.promised
        if promised is not None and request.ballot < promised:
            return [Send(proposer, Nack(request.ballot, promised), self._written)]
        written = self._promise(request)
        return [*written, Send(proposer, Promise(request.ballot, self._state.accepted), self._written)]

    def _promise(self, request: Prepare) -> list[AcceptorEffect]:
        if request.ballot == self._state.promised:
            return []  # a duplicate: the same answer, no new write
        return [self._write(AcceptorState(request.ballot, self._state.accepted))]

    def _accept(self, proposer: NodeId, request: Accept) -> list[AcceptorEffect]:
        promised = self._state.promised
        if promised is not None and request.ballot < promised:
            return [Send(proposer, Nack(request.ballot, promised), self._written)]
        written = self._accept_proposal(Proposal(request.ballot, request.value))
        answer = Accepted(request.ballot, request.value)
        return [*written, *(Send(learner, answer, self._written) for learner in self._learners)]

    def _accept_proposal(self, proposal: Proposal) -> list[AcceptorEffect]:
        accepted = self._state.accepted
        if accepted is None or proposal.ballot != accepted.ballot:
            return [self._write(AcceptorState(proposal.ballot, proposal))]
        if proposal.value != accepted.value:
            raise InvariantViolated(
                f"{proposal.ballot} was used for two values: {accepted.value!r}, {proposal.value!r}"
            )
        return []  # a duplicate

    def _write(self, state: AcceptorState) -> Persist[AcceptorState]:
        self._state = state
        self._written = Token(next(self._tokens))
        return Persist(self._written, state)
