"""`SmoothWeighted`: balances load by nginx's smooth weighted round robin: picks targets by weight, evenly spread.

The algorithm is Igor Sysoev's (nginx 1.3.1, 2012).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.policy import Picker, RoutingKey, Target

__all__ = ["SmoothWeighted"]


@dataclass(frozen=True, slots=True)
class SmoothWeighted:
    """Picks each target in proportion to its weight, spread as evenly as possible: 5, 1, 1 gives a a b a c a a.

    Every pick adds to each credit the target's weight, picks the highest credit, and subtracts the sum of all weights
    from it. So the credits always add up to 0, and of any W picks in a row (W: that sum, whole weights) each target
    gets exactly its weight.
    """

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets."""
        return _SmoothWeightedPicker(rng)


class _SmoothWeightedPicker(Picker):
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._targets: Sequence[Target] = ()
        self._credit_by_key: dict[str, float] = {}

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        """Give a new target a random credit: otherwise all callers that start together would pick the same one."""
        self._targets = targets
        known = self._credit_by_key
        fresh = {each.key: known.get(each.key, -self._rng.random() * each.weight) for each in targets}
        mean = sum(fresh.values()) / max(1, len(fresh))
        self._credit_by_key = {key: credit - mean for key, credit in fresh.items()}

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        allowed = [target for target in self._targets if target.key not in exclude]
        if not allowed:
            return None
        credit_by_key = self._credit_by_key
        for target in allowed:
            credit_by_key[target.key] += target.weight
        picked = max(allowed, key=lambda target: credit_by_key[target.key])
        credit_by_key[picked.key] -= sum(target.weight for target in allowed)
        return picked.key

    def explain(self) -> str:
        return f"it had the highest credit of {len(self._targets)}"
