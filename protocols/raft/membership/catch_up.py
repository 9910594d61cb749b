"""`CatchUp`: decides when a learner has caught up with its leader (dissertation §4.2.1).

The entries are sent in rounds: a round ends when the learner has everything that the leader's log held at its
beginning. A learner that needs less than an election time-out for a round is near enough: as a voter it will not hold
up the group for longer than an election does. One that is too slow for that in every one of ten rounds is given up, as
is one that is silent or makes no progress.

One that needs the leader's snapshot makes progress while it asks for later chunks. To store the last one may take long,
so its patience is longer; one that begins again and again, since it cannot keep what it gets, is given up, too.
"""

from __future__ import annotations

import enum
from typing import Final

from coterie.protocols.replicated_log import LogIndex

__all__ = ["CatchUp", "CatchUpState"]

ROUNDS_MAX: Final = 10
SILENCES_MAX: Final = 10
"""For how many (longest) election time-outs a learner may be silent, or make no progress."""

CHUNK_SILENCES_MAX: Final = 75
"""The same for one that is sent a snapshot, and asks for no later chunk: 30 s, if an election time-out has 0.4 s."""

FETCHES_MAX: Final = 5
"""How often a learner may begin to fetch a snapshot anew without having one in the end."""


class CatchUpState(enum.Enum):
    """What is known about the learner."""

    BEHIND = "behind"
    CAUGHT_UP = "caught up"
    TOO_SLOW = "too slow"
    SILENT = "silent"
    STALLED = "stalled"
    LOSES_SNAPSHOTS = "loses snapshots"


class CatchUp:
    """The rounds of one learner under one leader.

    Args:
        now: the beginning (monotonic, s).
        last_index: the end of the leader's log then.
        shortest_s, longest_s: the election time-outs of the group.
    """

    __slots__ = (
        "_answered_at_s",
        "_began_at_s",
        "_fetched",
        "_fetches_before",
        "_longest_s",
        "_match_index",
        "_moved_at_s",
        "_round",
        "_shortest_s",
        "_target",
    )

    def __init__(self, *, now: float, last_index: LogIndex, shortest_s: float, longest_s: float) -> None:
        self._shortest_s = shortest_s
        self._longest_s = longest_s
        self._target = last_index
        self._round = 1
        self._began_at_s = self._moved_at_s = self._answered_at_s = now
        self._match_index = LogIndex(0)
        self._fetched: tuple[int, int] | None = None
        self._fetches_before = 0  # when it had a snapshot at last, or was seen first

    def observe(
        self,
        *,
        match_index: LogIndex,
        last_index: LogIndex,
        has_answered: bool,
        fetched: tuple[int, int] | None,
        now: float,
    ) -> CatchUpState:
        """Compare the learner with the leader's log; return what that shows.

        Args:
            match_index: what the learner is known to hold.
            last_index: the end of the leader's log.
            has_answered: whether it has answered lately; else it has not caught up, whatever it holds.
            fetched: if it is sent a snapshot: how often it has begun to fetch one, and from which byte on it lacks it.
            now: monotonic, s.
        """
        if has_answered:
            self._answered_at_s = now
        if match_index > self._match_index or fetched != self._fetched:
            self._moved_at_s = now
        if fetched is not None and (self._fetched is None or match_index > self._match_index):
            self._fetches_before = fetched[0]
        self._match_index, self._fetched = max(self._match_index, match_index), fetched
        if has_answered and match_index >= self._target:
            return self._end_round(last_index, now)
        if now - self._answered_at_s >= SILENCES_MAX * self._longest_s:
            return CatchUpState.SILENT
        if fetched is not None and fetched[0] - self._fetches_before > FETCHES_MAX:
            return CatchUpState.LOSES_SNAPSHOTS
        patience_s = (SILENCES_MAX if fetched is None else CHUNK_SILENCES_MAX) * self._longest_s
        return CatchUpState.STALLED if now - self._moved_at_s >= patience_s else CatchUpState.BEHIND

    def _end_round(self, last_index: LogIndex, now: float) -> CatchUpState:
        took_s, self._target = now - self._began_at_s, last_index
        self._began_at_s = self._moved_at_s = now
        if took_s < self._shortest_s:  # the next round shows whether it stays so, while its promotion is held
            return CatchUpState.CAUGHT_UP
        if self._round == ROUNDS_MAX:
            return CatchUpState.TOO_SLOW
        self._round += 1
        return CatchUpState.BEHIND
