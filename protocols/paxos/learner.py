"""`Learner`: learns the chosen value: the one that a quorum accepted under one ballot (*Paxos Made Simple* §2.3)."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.paxos.synod_messages import Accepted, Learned, Proposal
from coterie.protocols.quorums import Quorum

__all__ = ["Learner"]


class Learner:
    """Counts acceptances, the latest of each acceptor: equal values under different ballots do not add up."""

    def __init__(self, quorum: Quorum) -> None:
        self._quorum = quorum
        self._latest_by_acceptor: dict[NodeId, Proposal] = {}
        self._chosen: bytes | None = None

    @property
    def chosen(self) -> bytes | None:
        """The chosen value, once this learner knows it."""
        return self._chosen

    @property
    def deadline(self) -> float | None:
        """None: a learner has no timers."""
        return None

    def tick(self, *, now: float) -> list[Learned]:
        """Do nothing: a learner has no timers."""
        return []

    def handle(self, events: Sequence[Received[Accepted]], *, now: float) -> list[Learned]:
        """Count acceptances; return `Learned` each time a quorum has accepted one ballot.

        Raises:
            InvariantViolated: two different values were chosen.
        """
        return [learned for event in events for learned in self._count(event)]

    def _count(self, event: Received[Accepted]) -> list[Learned]:
        ballot, value = event.message.ballot, event.message.value
        latest = self._latest_by_acceptor.get(event.sender)
        if latest is not None and ballot <= latest.ballot:
            return []  # a duplicate, or overtaken by a later one
        self._latest_by_acceptor[event.sender] = Proposal(ballot, value)
        if not self._quorum.is_quorum(self._acceptors_of(Proposal(ballot, value))):
            return []
        if self._chosen is not None and self._chosen != value:
            raise InvariantViolated(f"two values were chosen: {self._chosen!r} and, under {ballot}, {value!r}")
        self._chosen = value
        return [Learned(ballot, value)]

    def _acceptors_of(self, proposal: Proposal) -> list[NodeId]:
        return [acceptor for acceptor, latest in self._latest_by_acceptor.items() if latest == proposal]
