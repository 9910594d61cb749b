"""`SmoothWeighted`: balances load by nginx's smooth weighted round robin: picks by weight, evenly spread.

The algorithm is Igor Sysoev's (nginx 1.3.1, 2012).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.choices.credit_groups import CreditGroups
from coterie.protocols.balancing.policy import Picker, RoutingKey, Target
from coterie.protocols.balancing.weights_in_range import weights_in_range

__all__ = ["SmoothWeighted"]


@dataclass(frozen=True, slots=True)
class SmoothWeighted:
    """Picks each target in proportion to its weight, spread as evenly as possible: 5, 1, 1 gives a a b a c a a.

    Every pick adds to each credit the target's weight, picks the highest credit, and subtracts the sum of all weights
    from it. So the credits always add up to 0, and of any W picks in a row (W: that sum, whole weights) each target
    gets exactly its weight. Excluded targets take no part in a turn. A pick takes time in proportion to the number of
    *different* weights, and to the logarithm of the number of targets.

    Each target starts with a random credit: a hundred callers that start together do not pick the same one first.
    """

    def make(self, rng: random.Random) -> Picker:
        """Return a picker whose credits start at random."""
        return _SmoothWeightedPicker(rng)


class _SmoothWeightedPicker(Picker):
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._targets: list[Target] = []
        self._weights: list[float] = []
        self._number_by_key: dict[str, int] = {}
        self._groups = CreditGroups([], [])
        self._last: str | None = None

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        """Keep the credits of those that stay; make all add up to 0 again: no debt is inherited.

        If the highest weight falls, the credits fall with it: a debt of the old size would take many turns to pay.
        """
        weights = weights_in_range([target.weight for target in targets])
        scale = min(1.0, max(weights, default=1.0) / max(self._weights, default=1.0))
        old = {key: it * scale for key, it in zip(self._number_by_key, self._groups.credits(), strict=True)}
        credit = [
            old[target.key] if target.key in old else -self._rng.random() * weight
            for target, weight in zip(targets, weights, strict=True)
        ]
        mean = sum(credit) / len(credit) if credit else 0.0
        self._targets, self._weights = list(targets), weights
        self._number_by_key = {target.key: number for number, target in enumerate(targets)}
        self._groups = CreditGroups(weights, [each - mean for each in credit])

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        number = self._choose_without(exclude) if exclude else (self._groups.take() if self._targets else None)
        self._last = None if number is None else self._targets[number].key
        return self._last

    def _choose_without(self, exclude: AbstractSet[str]) -> int | None:
        excluded = sorted(self._number_by_key[key] for key in exclude if key in self._number_by_key)
        return self._groups.take_without(excluded)

    def explain(self) -> str:
        if self._last is None:
            return "no target is allowed" if self._targets else "there are no targets"
        if self._last not in self._number_by_key:
            return f"{self._last} had the highest credit; it has left since"
        credit = self._groups.credits()[self._number_by_key[self._last]]
        weight = self._targets[self._number_by_key[self._last]].weight
        return (
            f"{self._last} (weight {weight:g}) had the highest credit of {len(self._targets)} targets; after its turn"
            f" it has {credit:.3g}"
        )

    def shares(self, *, now: float) -> Mapping[str, float]:
        total = sum(self._weights)
        return {key: weight / total for key, weight in zip(self._number_by_key, self._weights, strict=True)}
