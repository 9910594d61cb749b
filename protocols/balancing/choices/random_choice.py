"""`RandomChoice`: balances load by picking a target at random, in proportion to its weight."""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.policy import Picker, RoutingKey, Target

__all__ = ["RandomChoice"]


@dataclass(frozen=True, slots=True)
class RandomChoice:
    """Picks a target at random, in proportion to the weights. It has no state, so callers cannot get in step."""

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets."""
        return _RandomPicker(rng)


class _RandomPicker(Picker):
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._targets: Sequence[Target] = ()

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._targets = targets

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        allowed = [target for target in self._targets if target.key not in exclude]
        return self._rng.choices(allowed, [target.weight for target in allowed])[0].key if allowed else None

    def explain(self) -> str:
        return f"it was drawn at random from {len(self._targets)}"
