"""`AnswerRecord`: counts for how long a node has not answered, and when to ask it again; pure, no clock.

The watch says in each round how much time has passed. A round that took longer than it can take (`round_s_max`) means
that this process itself stood still: only `round_s_max` of it counts, because answers may be waiting, unread.
"""

from __future__ import annotations

from typing import Final

__all__ = ["AnswerRecord"]

SPACING_S: Final = 1.0
"""A question is not repeated sooner, s, and later the longer the node is silent: questions stay open, and each asks
for the same, so that about ten are open after ten minutes."""


class AnswerRecord:
    """For how long one node has not answered.

    A question stays open until it is answered: an answer that comes late shows that the node works, as any other does.

    Args:
        round_s_max: the longest that a round takes if this process runs, s.
    """

    def __init__(self, round_s_max: float) -> None:
        self._round_s_max = round_s_max
        self._asked_s: float | None = None
        self.silent_s = 0.0
        """How long it has not answered, or, before its first answer, been up, s, without the pauses of this process."""
        self.has_answered = False
        """Whether its present process has answered."""
        self.returning_s: float | None = None
        """How long ago it was fenced, if it has not answered since, s; a second fence in between does not reset it."""

    @property
    def is_question_due(self) -> bool:
        """Whether it should be asked: the last question is answered, lost, or old for the length of the silence."""
        return self._asked_s is None or self._asked_s >= max(SPACING_S, self.silent_s / 2)

    def passed(self, round_s: float) -> None:
        """Record that a round of `round_s` seconds has passed."""
        counted_s = min(round_s, self._round_s_max)
        self.silent_s += counted_s
        if self._asked_s is not None:
            self._asked_s += counted_s
        if self.returning_s is not None:
            self.returning_s += counted_s

    def asked(self) -> None:
        """Record a question."""
        self._asked_s = 0.0

    def lost(self) -> None:
        """Record that no question is open any more, and none was answered: the node was not linked."""
        self._asked_s = None

    def answered(self) -> None:
        """Record an answer to any question of the present process."""
        self.silent_s = 0.0
        self.has_answered = True
        self.returning_s = None
        self._asked_s = None

    def restarted(self) -> None:
        """Record that its process is not up, or is another one than before: nothing can be missing yet."""
        self.silent_s = 0.0
        self.has_answered = False
        self._asked_s = None

    def fenced(self) -> None:
        """Record that its process was killed."""
        self.restarted()
        if self.returning_s is None:
            self.returning_s = 0.0
