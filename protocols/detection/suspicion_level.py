"""Suspicion level: keeps a suspicion and the time at which it reaches 1 consistent in spite of rounding."""

from __future__ import annotations

import math

__all__ = ["suspicion_level"]

_JUST_BELOW_ONE = math.nextafter(1.0, 0.0)


def suspicion_level(level: float, *, now: float, suspects_at: float) -> float:
    """Return `level`, at least 1 from `suspects_at` on, below 1 before it, and never negative.

    Both are computed from the same formula, one of them inverted: the last bits may differ. A driver that is told to
    come back at `suspects_at` must find a suspicion of 1 there, or it would come back in an endless loop.
    """
    return max(1.0, level) if now >= suspects_at else min(max(0.0, level), _JUST_BELOW_ONE)
