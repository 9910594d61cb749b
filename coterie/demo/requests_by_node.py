"""`RequestsByNode`: counts the unanswered requests of each node; another balancing policy chooses the workers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from coterie.protocols.balancing.balancer import Balancer, Candidate, PickOutcome

__all__ = ["RequestsByNode"]


class RequestsByNode:
    """Lets another policy choose, and counts requests. A request is settled by its answer, or if it is given up."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self.sent_by_node: Counter[str] = Counter()
        self.settled_by_node: Counter[str] = Counter()

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return the other policy's choice, counted."""
        picked = self._balancer.pick(candidates, now=now)
        self.sent_by_node[_node_of(picked)] += 1
        return picked

    def settled(self, picked: Candidate, outcome: PickOutcome, *, latency_s: float, now: float) -> None:
        """Count the request as settled; inform the other policy."""
        self.settled_by_node[_node_of(picked)] += 1
        self._balancer.settled(picked, outcome, latency_s=latency_s, now=now)


def _node_of(candidate: Candidate) -> str:
    node, _, _ = candidate.key.partition("/")  # a pool's keys are node/path
    return node
