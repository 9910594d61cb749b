"""The seam between a pool and its policy: who can be picked, who is, and what became of it."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Balancer", "Candidate", "MakeBalancer", "Verdict"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Somebody who can be picked now: `key` names it for as long as it lives; `weight` (above 0) is its share."""

    key: str
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.weight < float("inf"):
            raise ValueError(f"candidate {self.key!r} has weight {self.weight}: it must be above 0 and finite")


class Verdict(enum.Enum):
    """What became of one pick."""

    ANSWERED = "answered"  # a reply, or an error that the message declares
    REFUSED = "refused"  # it did not take the message: it is gone, full, or cannot be reached
    FAILED = "failed"  # it took the message and raised
    LOST = "lost"  # nobody knows: no answer in time, the link dropped, or the caller gave up


class Balancer(Protocol):
    """A policy: one for each caller, so what it knows of the load is what this caller has seen."""

    def pick(self, candidates: Sequence[Candidate], *, now: float) -> Candidate:
        """Return one of `candidates` at `now` (monotonic, s). ValueError if there is none."""
        ...

    def settled(self, picked: Candidate, verdict: Verdict, *, latency_s: float, now: float) -> None:
        """Take note of what became of a pick, `latency_s` after it. Called exactly once for each pick."""
        ...


MakeBalancer = Callable[[random.Random], Balancer]
"""How a policy is made for a caller: a class like `RoundRobin`, or a partial of one that has settings."""
