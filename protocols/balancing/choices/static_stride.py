"""`StaticStride`: balances load by weight, in a walk around all targets that skips light ones."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.choices.stride_sequence import StrideSequence
from coterie.protocols.balancing.policy import Picker, RoutingKey, Target

__all__ = ["StaticStride"]


@dataclass(frozen=True, slots=True)
class StaticStride:
    """Picks in proportion to the weights, as gRPC's static stride scheduler does: O(1), whatever the weights are.

    A pick takes (highest weight / mean weight) steps on average. It is not as evenly spread as `SmoothWeighted`, and a
    weight below 1/65,535 of the highest counts as that. Each caller starts at a random position.
    """

    def make(self, rng: random.Random) -> Picker:
        """Return a picker that starts at a random position."""
        return _StaticStridePicker(rng)


class _StaticStridePicker(Picker):
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._keys: list[str] = []
        self._sequence = StrideSequence([1.0], rng.randrange(1 << 30))
        self._last: str | None = None

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]
        if targets:
            self._sequence = StrideSequence([target.weight for target in targets], self._sequence.position)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        self._last = self._sequence.take_allowed(self._keys, exclude, self._rng)
        return self._last

    def explain(self) -> str:
        if self._last is None:
            return "no target is allowed" if self._keys else "there are no targets"
        share = self.shares(now=0.0).get(self._last, 0.0)
        return f"it was the turn of {self._last}, which has a share of {share:.3g} among {len(self._keys)} targets"

    def shares(self, *, now: float) -> Mapping[str, float]:
        return self._sequence.shares(self._keys)
