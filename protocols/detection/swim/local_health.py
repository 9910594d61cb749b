"""`LocalHealth`: scores how much this member should doubt itself, because its own messages or timers are late.

A member whose probes fail, or that must refute suspicions, is probably slow itself. It then waits longer before it
accuses others (Lifeguard §IV.A: the Local Health Multiplier).
"""

from __future__ import annotations

__all__ = ["LocalHealth"]


class LocalHealth:
    """The score: 0 (healthy) to `score_max`. With `score_max` = 0 it is always 0: SWIM without Lifeguard.

    Probe interval and probe time-out are both multiplied by `factor` (as in the paper; memberlist's code scales the
    interval only).
    """

    __slots__ = ("_score_max", "score")

    def __init__(self, score_max: int) -> None:
        self._score_max = score_max
        self.score = 0
        """The present score."""

    @property
    def factor(self) -> int:
        """What to multiply times with: 1 + score."""
        return 1 + self.score

    def probe_succeeded(self) -> None:
        """A member acknowledged a probe in time: −1."""
        self._add(-1)

    def probe_failed(self, *, helpers: int, nacks: int) -> None:
        """No acknowledgement came: +1 for each of `helpers` that did not even send a nack; +1 if none was asked."""
        self._add(1 if helpers == 0 else max(0, helpers - nacks))

    def refuted(self) -> None:
        """This member had to refute that it failed: +1."""
        self._add(1)

    def lagged(self) -> None:
        """This process stood still, or its event loop was late: +1 (not in the paper)."""
        self._add(1)

    def _add(self, delta: int) -> None:
        self.score = min(self._score_max, max(0, self.score + delta))
