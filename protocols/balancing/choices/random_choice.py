"""`RandomChoice`: balances load by picking at random, in proportion to the weights."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import accumulate

from coterie.protocols.balancing.policy import Picker, RoutingKey, Target
from coterie.protocols.balancing.random_draw import TRIES_MAX
from coterie.protocols.balancing.weights_in_range import weights_in_range

__all__ = ["RandomChoice"]


@dataclass(frozen=True, slots=True)
class RandomChoice:
    """Picks at random, in proportion to the weights. It has no state, so callers cannot get in step.

    A pick searches the running sums of the weights: O(log n). An excluded target is drawn again, which keeps the
    proportions of the others.
    """

    def make(self, rng: random.Random) -> Picker:
        """Return a picker."""
        return _RandomPicker(rng)


class _RandomPicker(Picker):
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._keys: list[str] = []
        self._weights: list[float] = []
        self._sums: list[float] = []
        self._last: str | None = None

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]
        self._weights = weights_in_range([target.weight for target in targets])
        self._sums = list(accumulate(self._weights))

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        keys, sums = self._keys, self._sums
        self._last = None
        for _ in range(TRIES_MAX if keys else 0):
            target = keys[bisect(sums, self._rng.random() * sums[-1], 0, len(keys) - 1)]
            if target not in exclude:
                self._last = target
                return target
        allowed = [at for at, target in enumerate(keys) if target not in exclude]
        if allowed:
            self._last = keys[self._rng.choices(allowed, [self._weights[at] for at in allowed])[0]]
        return self._last

    def explain(self) -> str:
        if self._last is None:
            return "no target is allowed" if self._keys else "there are no targets"
        shares = self.shares(now=0.0)
        share = f"with a share of {shares[self._last]:.3g}, " if self._last in shares else ""
        return f"{self._last} was drawn at random, {share}from {len(self._keys)} targets"

    def shares(self, *, now: float) -> Mapping[str, float]:
        return {key: weight / self._sums[-1] for key, weight in zip(self._keys, self._weights, strict=True)}
