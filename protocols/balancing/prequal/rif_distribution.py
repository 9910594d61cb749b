"""`RifDistribution`: estimates the distribution of the requests in flight (RIF) over the targets, from probes."""

from __future__ import annotations

import math
from bisect import bisect_left, insort

__all__ = ["RifDistribution"]


class RifDistribution:
    """The latest known RIF of each target, and one quantile of them.

    Each target counts once, with its latest value: a target that is probed often, or whose probe is used often, does
    not weigh more than the others. Recording takes a search in a sorted list; the quantile is computed once after it.

    Args:
        quantile: the share of targets that are at most at `limit`, 0 … 1. At 1 the limit is infinite.
        max_age_s: a value that is older counts no longer, s.
    """

    __slots__ = ("_limit", "_max_age_s", "_quantile", "_rif_by_target", "_sorted")

    def __init__(self, quantile: float, max_age_s: float) -> None:
        self._quantile = quantile
        self._max_age_s = max_age_s
        self._rif_by_target: dict[str, tuple[int, float]] = {}  # the value and its time, the oldest first
        self._sorted: list[int] = []
        self._limit: float | None = math.inf  # None: to be computed

    def __len__(self) -> int:
        return len(self._sorted)

    def record(self, target: str, rif: int, *, now: float) -> None:
        """Replace the value of a target, and drop those that are too old."""
        self.forget(target)
        self._rif_by_target[target] = (rif, now)
        insort(self._sorted, rif)
        oldest = next(iter(self._rif_by_target))
        while self._rif_by_target[oldest][1] < now - self._max_age_s:
            self.forget(oldest)
            oldest = next(iter(self._rif_by_target))

    def forget(self, target: str) -> None:
        """Drop the value of a target, if there is one."""
        known = self._rif_by_target.pop(target, None)
        if known is not None:
            del self._sorted[bisect_left(self._sorted, known[0])]
        self._limit = None

    def limit(self) -> float:
        """Return the quantile: the lowest value that at least this share of the targets does not exceed.

        Infinity if nothing is known, or at a quantile of 1.
        """
        if self._limit is None:
            self._limit = self._compute()
        return self._limit

    def _compute(self) -> float:
        if not self._sorted or self._quantile >= 1:
            return math.inf
        return self._sorted[max(0, math.ceil(self._quantile * len(self._sorted)) - 1)]
