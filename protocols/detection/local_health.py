"""`LocalHealth`: counts signs that this process itself is slow, so that it waits longer before it accuses a peer."""

from __future__ import annotations

__all__ = ["LocalHealth"]


class LocalHealth:
    """The Local Health Multiplier of Lifeguard (Dadgar, Phillips, Currey, DSN-W 2018, §IV-A): 0 (healthy) to `highest`.

    A process that gets no answers is probably slow itself: each failed probe and each pause adds 1, each answered probe
    takes 1 away. Times are multiplied by `factor`. With `highest` = 0 the score is always 0.
    """

    __slots__ = ("_highest", "score")

    def __init__(self, highest: int) -> None:
        self._highest = highest
        self.score = 0
        """The present score."""

    @property
    def factor(self) -> int:
        """What to multiply times with: 1 + score."""
        return 1 + self.score

    def improve(self) -> None:
        """Count a sign of good health: an answered probe."""
        self.score = max(0, self.score - 1)

    def worsen(self, signs: int = 1) -> None:
        """Count signs of bad health: a probe without answer, a suspicion of ourselves, a pause of this process."""
        self.score = min(self._highest, self.score + signs)
