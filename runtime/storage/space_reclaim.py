"""Getting the space of old segments back: from the oldest on, live records are written again at the end.

Only the oldest segment is ever removed, so replaying the log needs no map of what is where; and the live part of the
log must be small (`StorageConfig.reclaim_below`) before a segment with live records is emptied, so that the copying
stays in proportion to what is written. An idle group's few records thus travel along instead of pinning segments.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from coterie.errors import StorageError
from coterie.runtime.storage.group_commit import Journal
from coterie.runtime.storage.record_index import GroupIndex, offset_of, segment_of
from coterie.runtime.storage.segment_files import Segment

__all__ = ["Reclaimer"]

_COPY_BYTES = 256 * 1024  # read and written at once: what others' writes wait behind
_COPY_RECORDS = 512


class Reclaimer:
    """Watches the share of live records and removes segments. One task at a time, none while nothing is to do."""

    def __init__(self, journal: Journal, reclaim_below: float) -> None:
        self._journal = journal
        self._reclaim_below = reclaim_below
        self._task: asyncio.Task[None] | None = None
        self._is_stopping = False
        # The balance is computed only when it may have changed for the better.
        self._has_new_garbage = True
        self._last_seen = 0

    def note_garbage(self) -> None:
        """Take note that records were dropped or truncated."""
        self._has_new_garbage = True

    def poke(self) -> None:
        """Begin to work if there is something to reclaim; call it after each batch."""
        last = self._journal.segments[-1].number
        if self._task is None and (self._has_new_garbage or last != self._last_seen):
            self._has_new_garbage = False
            self._last_seen = last
            if self._victim() is not None:
                self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """End the work at the next safe point."""
        self._is_stopping = True
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while not self._is_stopping and (victim := self._victim()) is not None:
                await self._empty(victim)
                if not self._live_by_segment()[victim.number]:
                    await self._journal.remove_oldest()
        except StorageError:
            return  # the journal has already told its owner
        finally:
            self._task = None

    def _victim(self) -> Segment | None:
        """Return the oldest segment if it should go."""
        segments = self._journal.segments
        if len(segments) < 2:
            return None
        live = self._live_by_segment()
        if not live[segments[0].number]:
            return segments[0]
        live_bytes = sum(each.size_bytes * live[each.number] / max(each.records, 1) for each in segments)
        total_bytes = sum(each.size_bytes for each in segments)
        return segments[0] if live_bytes <= self._reclaim_below * total_bytes else None

    def _live_by_segment(self) -> Counter[int]:
        live: Counter[int] = Counter()
        for group in self._journal.groups.values():
            live.update(dict(group.live_by_segment()))
        return live

    async def _empty(self, victim: Segment) -> None:
        for group in list(self._journal.groups.values()):
            positions = group.positions_in(victim.number)
            while positions and not self._is_stopping:
                copied = await self._copy(group, positions[:_COPY_RECORDS], victim)
                positions = positions[copied:]
        await self._journal.settled()

    async def _copy(self, group: GroupIndex, positions: list[int], victim: Segment) -> int:
        """Write the first few of `positions` again; return how many of them are dealt with."""
        held = [(at, place) for at in positions for place in group.places(at, at) if segment_of(place) == victim.number]
        if not held:  # dropped meanwhile
            return len(positions)
        targets = [(at, victim, offset_of(place)) for at, place in held]
        records = await self._journal.read(group, targets, _COPY_BYTES)
        for (at, place), record in zip(held, records, strict=False):
            # A truncation that is submitted but not yet applied stands before the copy in the log: the copy would
            # bring the old record back. It is left for the next round.
            if group.places(at, at) == [place] and not group.pending_truncations:
                self._journal.batch.add_copy(group, at, place, record)
        await self._journal.settled()
        return positions.index(held[len(records) - 1][0]) + 1
