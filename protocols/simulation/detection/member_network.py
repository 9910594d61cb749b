"""`MemberNetwork`: decides when and how often each message between simulated members arrives."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.swim.swim_messages import StateExchange

__all__ = ["MemberNetwork", "uniform_latency"]

RETRANSMIT_S: Final = 0.2
"""TCP's shortest retransmission time-out on Linux."""

Latency = Callable[[random.Random], float]


def uniform_latency(low_s: float, high_s: float) -> Latency:
    """Return a one-way latency that is uniform between two bounds, in seconds."""
    return lambda rng: low_s + (high_s - low_s) * rng.random()


_LAN_LATENCY = uniform_latency(0.0002, 0.001)


@dataclass(slots=True)
class MemberNetwork:
    """The conditions of all links; they may be changed at any time.

    Attributes:
        rng: makes the random choices.
        latency: draws the one-way latency of a message, s (default: 0.2 to 1 ms).
        loss: the probability that a datagram is lost. Streams lose nothing: what they carry is sent again, and late.
        duplication: the probability that a datagram arrives twice.
    """

    rng: random.Random
    latency: Latency = _LAN_LATENCY
    loss: float = 0.0
    duplication: float = 0.0
    _group_of: dict[NodeId, int] = field(default_factory=dict)

    def partition(self, *groups: Iterable[NodeId]) -> None:
        """Let messages pass only within each of `groups`; members in none of them are one further group."""
        self._group_of = {node: number for number, group in enumerate(groups, start=1) for node in group}

    def heal(self) -> None:
        """End the partition."""
        self._group_of = {}

    def arrivals_s(self, sender: NodeId, target: NodeId, message: object) -> tuple[float, ...]:
        """Return the delays after which a message arrives; none if it is lost."""
        rng = self.rng
        if self._group_of and self._group_of.get(sender, 0) != self._group_of.get(target, 0):
            return ()
        if isinstance(message, StateExchange):
            return (self.latency(rng) + self._retransmissions_s(),)
        if self.loss and rng.random() < self.loss:
            return ()
        if self.duplication and rng.random() < self.duplication:
            return (self.latency(rng), self.latency(rng))
        return (self.latency(rng),)

    def _retransmissions_s(self) -> float:
        """Return how late a message over a stream is because it was lost: 0.2 s, then 0.4 s, and so on."""
        delay_s, timeout_s = 0.0, RETRANSMIT_S
        while self.loss and self.rng.random() < self.loss:
            delay_s += timeout_s
            timeout_s *= 2
        return delay_s
