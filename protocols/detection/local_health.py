"""`LocalHealth`: counts signs that this process itself is slow, so that it waits longer before it accuses a peer."""

from __future__ import annotations

__all__ = ["LocalHealth"]


class LocalHealth:
    """The score of Lifeguard (Dadgar, Phillips, Currey, DSN 2018, §IV-A), from 0 (healthy) to `highest`.

    Whoever hears nobody is probably slow itself: each failed probe and each pause adds 1, each answered probe takes 1
    away. Time-outs are multiplied by 1 + `score`.
    """

    __slots__ = ("_highest", "score")

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self.score = 0

    def improve(self) -> None:
        """Count a sign of good health: an answered probe."""
        self.score = max(0, self.score - 1)

    def worsen(self) -> None:
        """Count a sign of bad health: a probe without answer, or a pause of this process."""
        self.score = min(self._highest, self.score + 1)
