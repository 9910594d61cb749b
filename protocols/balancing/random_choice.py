"""Random: anybody, in proportion to the weights."""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.balancing.balancer import Candidate, Verdict

__all__ = ["RandomChoice"]


class RandomChoice:
    """Picks a candidate at random, in proportion to the weights. It remembers nothing, so callers cannot interfere."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return any candidate. ValueError if there is none."""
        if not candidates:
            raise ValueError("random choice has nobody to pick from")
        return self._rng.choices(candidates, [candidate.weight for candidate in candidates])[0]

    def settled(self, picked: Candidate, verdict: Verdict, *, latency_s: float, now: float) -> None:
        """Ignore it: every pick is drawn anew."""
