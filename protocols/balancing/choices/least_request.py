"""`LeastRequest`: balances load by drawing a few targets, and picking the one with the fewest requests in flight."""

from __future__ import annotations

import random
from dataclasses import dataclass

from coterie.protocols.balancing.choices.drawn_candidates import draw_candidates
from coterie.protocols.balancing.measures.in_flight import InFlight
from coterie.protocols.balancing.policy import Picker

__all__ = ["LeastRequest"]


@dataclass(frozen=True, slots=True)
class LeastRequest:
    """Draws `choices` targets at random, and picks the one with the fewest own requests in flight, per weight.

    Source: Envoy's least request policy; the theory is Mitzenmacher's (see `draw_candidates`).

    Attributes:
        choices: how many targets are drawn, at least 2. Default 2. More: closer to the least loaded of all, at a higher
            cost; with many callers they follow each other more.
    """

    choices: int = 2

    def __post_init__(self) -> None:
        if self.choices < 2:
            raise ValueError(f"choices={self.choices} must be at least 2: with one, picks are random (RandomChoice)")

    def make(self, rng: random.Random) -> Picker:
        """Return a picker that has counted nothing."""
        return draw_candidates(InFlight(), self.choices, rng)
