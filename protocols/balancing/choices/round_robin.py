"""`RoundRobin`: balances load by picking each target in turn, and ignores weights."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.policy import Picker, RoutingKey, Target

__all__ = ["RoundRobin"]


@dataclass(frozen=True, slots=True)
class RoundRobin:
    """Picks targets in turn and ignores weights. When the targets change, it continues at the same position.

    Each caller starts at a random position: a hundred callers that start together do not move in step.
    """

    def make(self, rng: random.Random) -> Picker:
        """Return a picker that starts at a random position."""
        return _RoundRobinPicker(rng)


class _RoundRobinPicker(Picker):
    def __init__(self, rng: random.Random) -> None:
        self._turn = rng.randrange(1 << 30)
        self._keys: list[str] = []
        self._last: str | None = None

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        keys = self._keys
        for _ in keys:
            self._turn += 1
            target = keys[self._turn % len(keys)]
            if target not in exclude:
                self._last = target
                return target
        self._last = None
        return None

    def explain(self) -> str:
        if self._last is None:
            return "no target is allowed" if self._keys else "there are no targets"
        return f"it was the turn of {self._last}, one of {len(self._keys)}"

    def shares(self, *, now: float) -> Mapping[str, float]:
        return {key: 1 / len(self._keys) for key in self._keys}
