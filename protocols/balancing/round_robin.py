"""Round robin: everybody in turn."""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.balancing.balancer import Candidate, Verdict

__all__ = ["RoundRobin"]


class RoundRobin:
    """Picks candidates in turn, whatever they weigh. When they change, it goes on from where it was.

    Each caller begins at a place that `rng` draws: a hundred callers that start together do not march in step.
    """

    def __init__(self, rng: random.Random) -> None:
        self._next = rng.randrange(1 << 30)

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return the next candidate. ValueError if there is none."""
        if not candidates:
            raise ValueError("round robin has nobody to pick from")
        self._next += 1
        return candidates[self._next % len(candidates)]

    def settled(self, picked: Candidate, verdict: Verdict, *, latency_s: float, now: float) -> None:
        """Ignore it: whose turn it is depends on nothing else."""
