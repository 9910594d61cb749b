"""`RandomChoice`: balances load by picking a target at random, in proportion to its weight."""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.balancing.balancer import Candidate, PickOutcome

__all__ = ["RandomChoice"]


class RandomChoice:
    """Picks a candidate at random, in proportion to the weights. It has no state, so callers cannot get in step."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return a random candidate. ValueError if there is none."""
        if not candidates:
            raise ValueError("random choice: there are no candidates")
        return self._rng.choices(candidates, [candidate.weight for candidate in candidates])[0]

    def settled(self, picked: Candidate, outcome: PickOutcome, *, latency_s: float, now: float) -> None:
        """Ignore the outcome: picks are independent."""
