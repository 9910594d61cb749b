"""`StrideSequence`: walks around all targets, and skips each one as often as its weight is below the highest."""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Final

__all__ = ["StrideSequence"]

WEIGHT_MAX: Final = 0xFFFF
OFFSET: Final = WEIGHT_MAX // 2
"""Shifts each target against its neighbour: two neighbours of the same weight are not skipped in the same rounds."""


class StrideSequence:
    """An endless sequence of target numbers; in 65,535 rounds each is returned in exact proportion to its weight.

    The weights are scaled so that the highest is 65,535, and rounded, to 1 at least. In round r target i of weight w is
    returned unless (w · r + 32,767 · i) mod 65,535 is below 65,535 − w: that is w times in 65,535 rounds, evenly
    spread. There is no state but the position, so new weights continue where the old ones were. A step looks at
    (highest weight / mean weight) targets on average.

    Source: `StaticStrideScheduler` of gRPC (C++, 2022).

    Args:
        weights: of each target, above 0; at least one.
        position: where to start, at least 0: (round, target) = divmod(position, number of targets).
    """

    __slots__ = ("_at", "_round", "weights")

    def __init__(self, weights: Sequence[float], position: int) -> None:
        highest = max(weights)
        self.weights = [max(1, round(weight / highest * WEIGHT_MAX)) for weight in weights]
        self._round, self._at = divmod(position, len(weights))

    @property
    def position(self) -> int:
        """The position of the next step."""
        return self._round * len(self.weights) + self._at

    def take(self) -> int:
        """Return the number of the next target."""
        weights, at, turn = self.weights, self._at, self._round
        count = len(weights)
        while True:
            weight, number = weights[at], at
            at += 1
            is_skipped = (weight * turn + OFFSET * number) % WEIGHT_MAX < WEIGHT_MAX - weight
            if at == count:
                at = 0
                turn += 1
            if not is_skipped:
                self._at, self._round = at, turn
                return number

    def take_allowed(self, keys: Sequence[str], exclude: AbstractSet[str], rng: random.Random) -> str | None:
        """Return the key of the next target that is not excluded; None if there is none. `keys`: in order of weights.

        After one round in vain (only light ones are allowed) it is drawn at random, by weight.
        """
        for _ in keys:
            key = keys[self.take()]
            if key not in exclude:
                return key
        allowed = [number for number, key in enumerate(keys) if key not in exclude]
        return keys[rng.choices(allowed, [self.weights[number] for number in allowed])[0]] if allowed else None

    def shares(self, keys: Sequence[str]) -> dict[str, float]:
        """Return the share of each key; empty without keys. `keys`: in order of weights."""
        total = sum(self.weights)
        return dict(zip(keys, (weight / total for weight in self.weights), strict=False))
