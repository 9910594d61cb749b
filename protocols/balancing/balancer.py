"""`Balancer`: defines the interface of load-balancing policies, which pick a target and learn how its request ended."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Balancer", "Candidate", "MakeBalancer", "PickOutcome"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target that can be picked now: `key` identifies it while it exists; `weight` (above 0) is its share."""

    key: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"candidate {self.key!r} has weight {self.weight}: it must be above 0 and finite")


class PickOutcome(enum.Enum):
    """The outcome of one pick."""

    ANSWERED = "answered"  # a reply, or an error that the message declares
    REFUSED = "refused"  # it did not take the message: stopped, full, or unreachable
    FAILED = "failed"  # it took the message and raised
    LOST = "lost"  # unknown: no answer in time, the link dropped, or the caller gave up


class Balancer(Protocol):
    """A policy. Each caller has its own, which sees only the requests of this caller."""

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return one of `candidates` at `now` (monotonic, s). ValueError if there is none."""
        ...

    def settled(self, picked: Candidate, outcome: PickOutcome, *, latency_s: float, now: float) -> None:
        """Record the outcome of a pick, `latency_s` after it. Called exactly once for each pick."""
        ...


MakeBalancer = Callable[[random.Random], Balancer]
"""Makes the policy of a caller: a class like `RoundRobin`, or a partial of one that has settings."""
