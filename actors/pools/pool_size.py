"""`PoolSize`: decides when a node's part of a pool grows and shrinks, by the messages that wait; pure.

    waiting ≥ grow_at × workers, at every check for grow_after_s  ──▶  one worker more
    fewer busy workers than there are, and none waiting, at every check for shrink_after_s  ──▶  one worker less

The two conditions exclude each other, each must last, and a decision starts both waits anew: that is the hysteresis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["PoolSize", "SizeLimits"]


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """The bounds of the number of workers on one node, and when it changes.

    Attributes:
        fewest: workers at the start, at least 1.
        most: at least `fewest`. Equal: the number never changes. Too high: workers that share one processor wait for
            each other, and hold memory.
        grow_at: messages that wait for each worker, on average, at which a worker is added; above 0. Default 4. Too
            low: it grows in every burst; too high: requests wait although there could be more workers.
        grow_after_s: for how long they must wait, s, at least 0. Default 1. Too short: it grows in short bursts; too
            long: requests wait for it.
        shrink_after_s: for how long a worker must not have been needed, s, above 0. Default 30. Too short: the next
            burst finds too few; too long: workers that are not needed hold their memory.

    Raises:
        ValueError: a field is out of its range; the error names the value.
    """

    fewest: int
    most: int
    grow_at: float = 4.0
    grow_after_s: float = 1.0
    shrink_after_s: float = 30.0

    def __post_init__(self) -> None:
        if self.fewest < 1:
            raise ValueError(f"fewest={self.fewest} must be at least 1")
        if self.most < self.fewest:
            raise ValueError(f"most={self.most} must be at least fewest={self.fewest}")
        if not 0 < self.grow_at < math.inf:
            raise ValueError(f"grow_at={self.grow_at} must be above 0 and finite")
        if not 0 <= self.grow_after_s < math.inf:
            raise ValueError(f"grow_after_s={self.grow_after_s} must be at least 0 and finite")
        if not 0 < self.shrink_after_s < math.inf:
            raise ValueError(f"shrink_after_s={self.shrink_after_s} must be above 0 and finite")


class PoolSize:
    """The decisions for one node's part of a pool. `now` is monotonic, in seconds."""

    def __init__(self, limits: SizeLimits) -> None:
        self.limits = limits
        self._deep_since: float | None = None
        self._spare_since: float | None = None

    def change(self, *, workers: int, busy: int, waiting: int, now: float) -> int:
        """Return by how much the number of workers should change: 1, 0 or -1.

        Args:
            workers: how many there are or will be soon: with those that are being replaced, without those that leave.
            busy: how many of them handle a message, have one waiting, or have not answered one.
            waiting: the messages that wait in their mailboxes together.
            now: the time of this check; check several times within `grow_after_s`.
        """
        limits = self.limits
        is_deep = waiting >= limits.grow_at * workers and workers < limits.most
        is_spare = waiting == 0 and busy < workers and workers > limits.fewest
        self._deep_since = _since(self._deep_since, is_deep, now)
        self._spare_since = _since(self._spare_since, is_spare, now)
        if self._deep_since is not None and now - self._deep_since >= limits.grow_after_s:
            return self._decide(1)
        if self._spare_since is not None and now - self._spare_since >= limits.shrink_after_s:
            return self._decide(-1)
        return 0

    def _decide(self, change: int) -> int:
        self._deep_since = self._spare_since = None
        return change


def _since(began: float | None, holds: bool, now: float) -> float | None:
    """Return since when a condition holds; None if it does not hold now."""
    if not holds:
        return None
    return now if began is None else began
