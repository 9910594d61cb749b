"""`CommitWatch`: notices that a leader's commit index stands still although entries wait, and that it moves again."""

from __future__ import annotations

import enum

from coterie.protocols.replicated_log import LogIndex

__all__ = ["CommitChange", "CommitWatch"]


class CommitChange(enum.Enum):
    """A change that an operator would ask about."""

    STALLED = "stalled"
    RESUMED = "resumed"


class CommitWatch:
    """The progress of one leadership's commit index; its leader calls `observe` at each heartbeat.

    Args:
        now: the beginning of the leadership (monotonic, s).
        stalled_after_s: for how long the index may stand still while entries wait.
    """

    __slots__ = ("_commit_index", "_is_stalled", "_moved_at_s", "_stalled_after_s", "waited_s")

    def __init__(self, now: float, stalled_after_s: float) -> None:
        self._stalled_after_s = stalled_after_s
        self._commit_index: LogIndex | None = None
        self._moved_at_s = now
        self._is_stalled = False
        self.waited_s = 0.0
        """How long the index had stood still at the last call of `observe`."""

    def observe(self, commit_index: LogIndex, last_index: LogIndex, now: float) -> CommitChange | None:
        """Compare the index with that of the last call; return what has changed, each change once.

        While no entry waits (`commit_index` is `last_index`), the index may stand still.
        """
        self.waited_s = now - self._moved_at_s
        if commit_index == self._commit_index and commit_index < last_index:
            if self._is_stalled or self.waited_s < self._stalled_after_s:
                return None
            self._is_stalled = True
            return CommitChange.STALLED
        was_stalled, self._is_stalled = self._is_stalled, False
        self._commit_index, self._moved_at_s = commit_index, now
        return CommitChange.RESUMED if was_stalled else None
