"""`DialBackoff`: computes the wait before the next dial: exponential back-off with jitter. Does no I/O."""

from __future__ import annotations

import random

__all__ = ["DialBackoff"]


class DialBackoff:
    """Doubles from `first_s` to `cap_s` (to `full_cap_s` if the target is full), times a random factor in 0.5 … 1.

    The jitter keeps nodes that all lost the same switch from dialling in step.
    """

    __slots__ = ("_cap_s", "_first_s", "_full_cap_s", "_next_s", "_rng")

    def __init__(self, first_s: float, cap_s: float, full_cap_s: float, rng: random.Random) -> None:
        self._first_s = self._next_s = first_s
        self._cap_s = cap_s
        self._full_cap_s = full_cap_s
        self._rng = rng

    def next_s(self, *, is_full: bool = False) -> float:
        """Return the wait before the next dial (s); each wait is longer, up to the cap.

        `is_full`: the target has refused us because it has no room.
        """
        wait_s = self._next_s * self._rng.uniform(0.5, 1.0)
        self._next_s = min(self._full_cap_s if is_full else self._cap_s, 2 * self._next_s)
        return wait_s

    def reset(self) -> None:
        """Restart from `first_s`, after a success."""
        self._next_s = self._first_s
