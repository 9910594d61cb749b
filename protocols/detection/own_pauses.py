"""`OwnPauses`: measures for how long this process did not run and could not hear its peers."""

from __future__ import annotations

__all__ = ["OwnPauses"]


class OwnPauses:
    """Turns late timers into pauses, and counts no moment twice although several timers were late for one reason.

    `tolerance_s`: a timer that is late by no more counts as punctual.
    """

    __slots__ = ("_counted_from", "_counted_until", "_tolerance_s")

    def __init__(self, tolerance_s: float) -> None:
        self._tolerance_s = tolerance_s
        self._counted_from = self._counted_until = float("-inf")

    def late(self, lag_s: float, *, now: float) -> float:
        """Return the pause (s) that a timer shows which is `lag_s` late at `now`; 0 if none, or counted before."""
        due = now - lag_s
        counted_s = max(0.0, self._counted_until - max(due, self._counted_from))
        pause_s = lag_s - counted_s
        if pause_s <= self._tolerance_s:
            return 0.0
        self._counted_from = min(due, self._counted_from) if counted_s > 0 else due
        self._counted_until = now
        return pause_s
