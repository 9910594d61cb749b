"""`RoundRobin`: balances load by picking each target in turn, and ignores weights."""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.balancing.balancer import Candidate, PickOutcome

__all__ = ["RoundRobin"]


class RoundRobin:
    """Picks candidates in turn and ignores weights. When the candidates change, it continues at the same position.

    Each caller starts at a position that `rng` draws: a hundred callers that start together do not move in step.
    """

    def __init__(self, rng: random.Random) -> None:
        self._next = rng.randrange(1 << 30)

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return the next candidate. ValueError if there is none."""
        if not candidates:
            raise ValueError("round robin: there are no candidates")
        self._next += 1
        return candidates[self._next % len(candidates)]

    def settled(self, picked: Candidate, outcome: PickOutcome, *, latency_s: float, now: float) -> None:
        """Ignore the outcome: it does not affect the turns."""
