"""`AnswerRecord`: counts for how long a node has not answered; pure, no clock.

Time is counted in rounds of questions. A round that took longer than it can take (`round_s_max`) means that this
process itself stood still: only `round_s_max` of it counts, because answers may be waiting, unread.
"""

from __future__ import annotations

__all__ = ["AnswerRecord"]


class AnswerRecord:
    """For how long one node has not answered.

    Args:
        round_s_max: the longest that a round takes if this process runs: pause and time-out, s.
    """

    def __init__(self, round_s_max: float) -> None:
        self._round_s_max = round_s_max
        self.silent_s = 0.0
        """How long the node has not answered, without the pauses of this process, s; 0: it answered just now."""

    def answered(self) -> None:
        """Record a round with an answer, or the start of another process: nothing is missing."""
        self.silent_s = 0.0

    def missed(self, round_s: float) -> None:
        """Record a round of `round_s` seconds without an answer."""
        self.silent_s += min(round_s, self._round_s_max)
