"""`SpaceReclaimer`: copies the live records of the oldest log file to the end of the log, then deletes that file.

Only the oldest segment is ever removed, so a replay of the log needs no map of segments. A segment with live records is
emptied only while the live part of the log is small (`StorageConfig.reclaim_below`), so that the copying stays
proportional to the writes. Thus the few records of an idle group are copied forward and do not pin segments.
"""

from __future__ import annotations

import asyncio

from coterie.errors import StorageError
from coterie.runtime.storage.group_commit import GroupCommit
from coterie.runtime.storage.record_index import GroupIndex, offset_of, segment_of
from coterie.runtime.storage.segment_files import Segment
from coterie.runtime.storage.space.live_share import live_by_segment, live_bytes

__all__ = ["SpaceReclaimer"]

_COPY_BYTES = 256 * 1024  # read and written at once; other writes wait for it
_COPY_RECORDS = 512
_REMOVED_AT_ONCE = 4  # other writes wait for it


class SpaceReclaimer:
    """Tracks the share of live records and removes segments. Runs at most one task, and none while idle."""

    def __init__(self, group_commit: GroupCommit, reclaim_below: float) -> None:
        self._group_commit = group_commit
        self._reclaim_below = reclaim_below
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        # The live share is computed only when it may have decreased.
        self._has_new_garbage = True
        self._last_seen = 0

    def note_garbage(self) -> None:
        """Note that records were dropped or truncated."""
        self._has_new_garbage = True

    def start_if_needed(self) -> None:
        """Start the task if there is something to reclaim; called after each batch."""
        last = self._group_commit.segments[-1].number
        if self._task is None and (self._has_new_garbage or last != self._last_seen):
            self._has_new_garbage = False
            self._last_seen = last
            if self._segment_to_reclaim() is not None:
                self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """Stop the task at its next safe point."""
        self._is_stopping = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while not self._is_stopping and (segment := self._segment_to_reclaim()) is not None:
                await self._empty(segment)
                if (count := self._dead_segments()) > 0:
                    await self._group_commit.remove_oldest(min(count, _REMOVED_AT_ONCE))
        except StorageError:
            return  # `GroupCommit` has reported it already
        finally:
            self._task = None

    def _dead_segments(self) -> int:
        """Return how many of the oldest segments hold no live record; the last segment never counts."""
        live, segments = live_by_segment(self._group_commit.groups.values()), self._group_commit.segments
        return next((at for at, each in enumerate(segments[:-1]) if live[each.number]), len(segments) - 1)

    def _segment_to_reclaim(self) -> Segment | None:
        """Return the oldest segment if it should be removed."""
        segments = self._group_commit.segments
        if len(segments) < 2:
            return None
        live = live_by_segment(self._group_commit.groups.values())
        if not live[segments[0].number]:
            return segments[0]
        total_bytes = sum(each.size_bytes for each in segments)
        return segments[0] if live_bytes(segments, live) <= self._reclaim_below * total_bytes else None

    async def _empty(self, segment: Segment) -> None:
        for group in list(self._group_commit.groups.values()):
            positions = group.positions_in(segment.number)
            while positions and not self._is_stopping:
                copied = await self._copy(group, positions[:_COPY_RECORDS], segment)
                positions = positions[copied:]
        await self._group_commit.wait_until_durable()

    async def _copy(self, group: GroupIndex, positions: list[int], segment: Segment) -> int:
        """Copy the first few of `positions` to the end of the log; return how many positions are done."""
        held = [
            (at, place) for at in positions for place in group.places(at, at) if segment_of(place) == segment.number
        ]
        if not held:  # dropped meanwhile
            return len(positions)
        targets = [(at, segment, offset_of(place)) for at, place in held]
        records = await self._group_commit.read(group, targets, _COPY_BYTES)
        for (at, place), record in zip(held, records, strict=False):
            # A truncation that is submitted but not yet applied precedes the copy in the log: the copy would restore
            # the truncated record. It is left for the next round.
            if group.places(at, at) == [place] and not group.pending_truncations:
                self._group_commit.batch.add_copy(group, at, place, record)
        await self._group_commit.wait_until_durable()
        return positions.index(held[len(records) - 1][0]) + 1
