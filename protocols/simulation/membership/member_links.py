"""`MemberLinks`: decides whether and when a message between the hosts of simulated members arrives."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf

__all__ = ["HostLoss", "MemberLinks"]


@dataclass(frozen=True, slots=True)
class HostLoss:
    """How many messages a host loses.

    Attributes:
        ingress: the probability that a message to it is lost.
        egress: the probability that a message from it is lost.
        since_s: when the loss begins, s.
        on_s: how long it lasts each time, s.
        off_s: how long the host is healthy in between, s.
    """

    ingress: float = 0.0
    egress: float = 0.0
    since_s: float = 0.0
    on_s: float = inf
    off_s: float = 0.0

    def is_on(self, now: float) -> bool:
        """Return whether the host loses messages at `now` (s)."""
        return now >= self.since_s and (self.on_s == inf or (now - self.since_s) % (self.on_s + self.off_s) < self.on_s)


@dataclass(slots=True)
class MemberLinks:
    """The conditions of all links, by address; they may be changed at any time.

    Attributes:
        rng: makes the random choices.
        loss: the probability that a message is lost on any link.
        late: the probability that a message is late, by up to `late_s`.
        losses: what single hosts lose besides.
        cuts: (sender, target) pairs between which nothing passes, in this direction.
    """

    rng: random.Random
    loss: float = 0.0
    late: float = 0.0
    late_s: float = 5.0
    losses: dict[str, HostLoss] = field(default_factory=dict)
    cuts: set[tuple[str, str]] = field(default_factory=set)
    _side_of: dict[str, int] = field(default_factory=dict)

    def partition(self, *sides: Iterable[str]) -> None:
        """Let messages pass only within each side; hosts in none of them are one further side."""
        self._side_of = {address: number for number, side in enumerate(sides, start=1) for address in side}

    def heal(self) -> None:
        """End all faults of links."""
        self._side_of, self.losses, self.cuts, self.loss, self.late = {}, {}, set(), 0.0, 0.0

    def passes(self, sender: str, target: str, now: float) -> bool:
        """Return whether messages of this direction pass at all."""
        if sender == target:
            return True
        if (self.cuts and (sender, target) in self.cuts) or self._is_between_sides(sender, target):
            return False
        return not self.losses or self._lost(sender, target, now) < 1.0

    def delay_s(self, sender: str, target: str, now: float) -> float | None:
        """Draw how long a datagram takes; None: it is lost."""
        if not self.passes(sender, target, now):
            return None
        lost = self._lost(sender, target, now) if self.losses else self.loss
        if lost and self.rng.random() < lost:
            return None
        delay_s = 0.0002 + 0.0008 * self.rng.random()
        if self.late and self.rng.random() < self.late:
            delay_s += self.late_s * self.rng.random()
        return delay_s

    def _is_between_sides(self, sender: str, target: str) -> bool:
        return bool(self._side_of) and self._side_of.get(sender, 0) != self._side_of.get(target, 0)

    def _lost(self, sender: str, target: str, now: float) -> float:
        """Return the probability that a message is lost."""
        arrives = 1.0 - self.loss
        own, other = self.losses.get(sender), self.losses.get(target)
        if own is not None and own.is_on(now):
            arrives *= 1.0 - own.egress
        if other is not None and other.is_on(now):
            arrives *= 1.0 - other.ingress
        return 1.0 - arrives
