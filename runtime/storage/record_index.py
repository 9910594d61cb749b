"""`GroupIndex`: keeps in memory one group's metadata, and for each record its place on disk and its tag (a number).

A *place* is one number: segment << 32 | offset in the segment. The index takes 8 bytes a record and holds no bodies.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence

from coterie.runtime.storage.log_store import GroupState

__all__ = ["GroupIndex", "TagRuns", "offset_of", "place_of", "segment_of"]

_OFFSET_BITS = 32


def place_of(segment: int, offset: int) -> int:
    """Return the place of `offset` (below 2**32) in `segment`."""
    return segment << _OFFSET_BITS | offset


def segment_of(place: int) -> int:
    """Return the segment of a place."""
    return place >> _OFFSET_BITS


def offset_of(place: int) -> int:
    """Return the offset of a place in its segment."""
    return place & ((1 << _OFFSET_BITS) - 1)


class TagRuns:
    """The first position of each run of equal tags, ascending."""

    __slots__ = ("_starts", "_tags")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._tags: list[int] = []

    def extend(self, first: int, tags: Iterable[int]) -> None:
        """Add the tags of the next positions, from `first` on."""
        current = self._tags[-1] if self._tags else None
        for position, tag in enumerate(tags, first):
            if tag != current:
                self._starts.append(position)
                self._tags.append(tag)
                current = tag

    def truncate(self, position: int) -> None:
        """Remove `position` and all after it."""
        kept = bisect_left(self._starts, position)
        del self._starts[kept:], self._tags[kept:]

    def drop_before(self, position: int, last: int) -> None:
        """Remove all before `position`; the run that covers it then begins there. `last` is the last held."""
        if position > last:
            self.truncate(0)
            return
        covering = bisect_right(self._starts, position) - 1
        if covering >= 0:
            del self._starts[:covering], self._tags[:covering]
            self._starts[0] = max(self._starts[0], position)

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Return the runs as (first position, tag)."""
        return tuple(zip(self._starts, self._tags, strict=True))


class GroupIndex:
    """The index of one group's durable records.

    `pending_truncations`: number of truncations that are submitted but not yet applied here.
    """

    __slots__ = ("_live_by_segment", "_places", "_tags", "first", "metadata", "name", "number", "pending_truncations")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.metadata: bytes | None = None
        self.first = 1
        self.pending_truncations = 0
        self._places = array("Q")
        self._tags = TagRuns()
        self._live_by_segment: Counter[int] = Counter()

    @property
    def last(self) -> int:
        """The last position held; `first` - 1 when empty."""
        return self.first + len(self._places) - 1

    def state(self) -> GroupState:
        """Return the durable state, as `LogStore.state` reports it."""
        return GroupState(self.metadata, self.first, self.last, self._tags.pairs())

    def append(self, places: Sequence[int], tags: Iterable[int]) -> None:
        """Add the next records: their places, all in one segment, and their tags."""
        self._tags.extend(self.last + 1, tags)
        self._places.extend(places)
        self._live_by_segment[segment_of(places[0])] += len(places)

    def truncate(self, position: int) -> None:
        """Remove `position` and all after it."""
        kept = max(position - self.first, 0)
        self._release(self._places[kept:])
        del self._places[kept:]
        self._tags.truncate(position)

    def drop_before(self, position: int) -> None:
        """Remove all before `position`, which is the first from now on, even if nothing is left."""
        if position <= self.first:
            return
        self._tags.drop_before(position, self.last)
        self._release(self._places[: position - self.first])
        del self._places[: position - self.first]
        self.first = position

    def move(self, position: int, old: int, new: int) -> None:
        """Set the place of the record at `position` to its copy at `new`, if it is still at `old`."""
        if self.places(position, position) == [old]:
            self._release((old,))
            self._places[position - self.first] = new
            self._live_by_segment[segment_of(new)] += 1

    def places(self, first: int, last: int) -> list[int]:
        """Return the places of the held positions of `first`..`last`; [] if `first` is not held."""
        if first < self.first:
            return []
        return self._places[first - self.first : max(last - self.first + 1, 0)].tolist()

    def live_in(self, segment: int) -> int:
        """Return the number of records in `segment`."""
        return self._live_by_segment.get(segment, 0)

    def live_by_segment(self) -> Iterable[tuple[int, int]]:
        """Return (segment, number of records in it)."""
        return self._live_by_segment.items()

    def positions_in(self, segment: int) -> list[int]:
        """Return the positions of the records in `segment`."""
        missing = self.live_in(segment)
        found: list[int] = []
        for position, place in enumerate(self._places, self.first):
            if len(found) == missing:  # usually soon: the oldest records come first
                break
            if segment_of(place) == segment:
                found.append(position)
        return found

    def _release(self, places: Iterable[int]) -> None:
        for segment, count in Counter(map(segment_of, places)).items():
            self._live_by_segment[segment] -= count
            if not self._live_by_segment[segment]:
                del self._live_by_segment[segment]
