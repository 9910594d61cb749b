"""`SmoothWeighted`: balances load by nginx's smooth weighted round robin: picks targets by weight, evenly spread.

The algorithm is Igor Sysoev's (nginx 1.3.1, 2012).
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from coterie.protocols.balancing.balancer import Candidate, PickOutcome

__all__ = ["SmoothWeighted"]


class SmoothWeighted:
    """Picks each candidate in proportion to its weight, spread as evenly as possible: 5, 1, 1 gives a a b a c a a.

    Every pick adds to each credit the candidate's weight, picks the highest credit, and subtracts the sum of all
    weights from it. So the credits always add up to 0, and of any W picks in a row (W: that sum, whole weights) each
    candidate gets exactly its weight.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._credit_by_key: dict[str, float] = {}

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return the candidate with the highest credit; among equals, the first. ValueError if there is none."""
        if not candidates:
            raise ValueError("smooth weighted: there are no candidates")
        credit_by_key = self._credits(candidates)
        for candidate in candidates:
            credit_by_key[candidate.key] += candidate.weight
        picked = max(candidates, key=lambda candidate: credit_by_key[candidate.key])
        credit_by_key[picked.key] -= sum(candidate.weight for candidate in candidates)
        return picked

    def settled(self, picked: Candidate, outcome: PickOutcome, *, latency_s: float, now: float) -> None:
        """Ignore the outcome: the weights are fixed."""

    def _credits(self, candidates: Sequence[Candidate]) -> dict[str, float]:
        """Return the credits of these candidates: one that left is removed, a new one starts with a random credit.

        The start is random because a hundred callers that start together would otherwise all pick the same one first.
        """
        known = self._credit_by_key
        if len(known) != len(candidates) or any(candidate.key not in known for candidate in candidates):
            fresh = {c.key: known.get(c.key, -self._rng.random() * c.weight) for c in candidates}
            mean = sum(fresh.values()) / len(fresh)
            self._credit_by_key = {key: credit - mean for key, credit in fresh.items()}
        return self._credit_by_key
