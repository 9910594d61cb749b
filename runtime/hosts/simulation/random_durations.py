"""How long things take: mostly about the same, now and then much longer."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["DISK", "NETWORK", "WORKER", "Duration"]


@dataclass(frozen=True, slots=True)
class Duration:
    """A distribution with a heavy tail.

    Half to one and a half of `typical_s`; with probability `tail`, in addition a Pareto variate of exponent 1.5 times
    `tail_s`, at most a hundred times that. ValueError for a probability out of 0 … 1 or a negative time.
    """

    typical_s: float
    tail: float = 0.0
    tail_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.tail <= 1.0 or self.typical_s < 0.0 or self.tail_s < 0.0:
            raise ValueError(f"{self}: tail is a probability, and times are not negative")

    def draw(self, rng: random.Random) -> float:
        """Return one (s)."""
        drawn = self.typical_s * (0.5 + rng.random())
        if self.tail and rng.random() < self.tail:
            drawn += self.tail_s * min(100.0, rng.paretovariate(1.5))
        return drawn


NETWORK = Duration(0.0003, tail=0.01, tail_s=0.002)
"""One way through a local network."""

DISK = Duration(0.0002, tail=0.02, tail_s=0.001)
"""One call of a solid-state disk, mostly a sync."""

WORKER = Duration(0.0001, tail=0.02, tail_s=0.005)
"""Until a worker thread has done what it was given."""
