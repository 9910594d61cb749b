"""`RandomDuration`: draws random durations for network, disk and worker calls; a few are very long (heavy tail)."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["DISK", "NETWORK", "WORKER", "RandomDuration"]


@dataclass(frozen=True, slots=True)
class RandomDuration:
    """A distribution with a heavy tail.

    0.5 to 1.5 times `typical_s`; with probability `tail`, in addition a Pareto variate of exponent 1.5 times `tail_s`,
    at most 100 times `tail_s`. ValueError for a probability outside 0 … 1 or a negative time.
    """

    typical_s: float
    tail: float = 0.0
    tail_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.tail <= 1.0 or self.typical_s < 0.0 or self.tail_s < 0.0:
            raise ValueError(f"{self}: tail must be a probability (0 to 1), and times must not be negative")

    def draw(self, rng: random.Random) -> float:
        """Draw one duration (s)."""
        drawn = self.typical_s * (0.5 + rng.random())
        if self.tail and rng.random() < self.tail:
            drawn += self.tail_s * min(100.0, rng.paretovariate(1.5))
        return drawn


NETWORK = RandomDuration(0.0003, tail=0.01, tail_s=0.002)
"""One-way latency of a local network."""

DISK = RandomDuration(0.0002, tail=0.02, tail_s=0.001)
"""One call of a solid-state disk; its main part is a sync."""

WORKER = RandomDuration(0.0001, tail=0.02, tail_s=0.005)
"""One call on a worker thread."""
