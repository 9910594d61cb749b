"""`ShardTable`: divides all points (hashes, or keys in their order) into ranges, each of which is one shard.

    split(shard, at):    [start ─── shard ─── end)   ──▶   [start ─ left ─ at)[at ─ right ─ end)
    merge(left, right):  the reverse; the two must be neighbours, in this order

Both give their results new identities, one after the other, that no shard had before: what was written for a shard that
has been split or merged (an epoch, a route, a client's retry) can never be taken for something of another shard. (The
tablets of Bigtable, OSDI 2006, §5.1, are named by their end, so that a name comes back.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, NewType, TypeVar

__all__ = ["ShardId", "ShardRange", "ShardTable", "founding_table"]

ShardId = NewType("ShardId", int)
"""The identity of a shard: 0, 1, 2, … in the order in which shards were made. Never used again."""

P = TypeVar("P", int, bytes)
"""A point: a hash, or a key. The lowest point is 0 or b""."""


@dataclass(frozen=True, slots=True)
class ShardRange(Generic[P]):
    """The points of one shard.

    Attributes:
        shard: the shard.
        start: its first point.
        end: the first point after it; None: it has all from `start` on.
    """

    shard: ShardId
    start: P
    end: P | None

    def has(self, point: P) -> bool:
        """Return whether `point` is in the range."""
        return self.start <= point and (self.end is None or point < self.end)


@dataclass(frozen=True, slots=True)
class ShardTable(Generic[P]):
    """The ranges of all shards: each point is in exactly one.

    Attributes:
        ranges: in the order of their points, without a gap: the first starts at the lowest point, each other one where
            the one before it ends, and the last has no end.
        next_id: the identity of the next shard, above all that were ever used.

    Raises:
        ValueError: the ranges leave a gap, overlap or are empty; a shard is there twice, or not below `next_id`.
    """

    ranges: tuple[ShardRange[P], ...]
    next_id: ShardId
    _starts: tuple[P, ...] = field(init=False, repr=False, compare=False)
    _at_by_shard: dict[ShardId, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_cover(self.ranges)
        _check_ids(self.ranges, self.next_id)
        object.__setattr__(self, "_starts", tuple(it.start for it in self.ranges))
        object.__setattr__(self, "_at_by_shard", {it.shard: at for at, it in enumerate(self.ranges)})

    def __len__(self) -> int:
        """Return the number of shards."""
        return len(self.ranges)

    def __iter__(self) -> Iterator[ShardRange[P]]:
        """Iterate over the ranges in the order of their points."""
        return iter(self.ranges)

    def shard_at(self, point: P) -> ShardId:
        """Return the shard of a point, which is not below the lowest one. O(log n)."""
        return self.ranges[bisect_right(self._starts, point) - 1].shard

    def range_of(self, shard: ShardId) -> ShardRange[P]:
        """Return the range of a shard. LookupError if it is not in the table."""
        return self.ranges[self._at(shard)]

    def split(self, shard: ShardId, at: P) -> tuple[ShardTable[P], ShardId, ShardId]:
        """Return the table with two shards in place of `shard`, and these two: before `at`, and from `at` on.

        Raises:
            LookupError: the shard is not in the table.
            ValueError: one half would be empty: `at` is not within the shard, or is its first point.
        """
        place = self._at(shard)
        whole = self.ranges[place]
        if not whole.has(at) or at == whole.start:
            raise ValueError(f"shard {shard} cannot be split at {at!r}: this must be above {whole.start!r} and in it")
        left, right = _halves(whole, at, self.next_id)
        return self._with(place, place + 1, left, right), left.shard, right.shard

    def merge(self, left: ShardId, right: ShardId) -> tuple[ShardTable[P], ShardId]:
        """Return the table with one shard in place of `left` and `right`, and this shard.

        Raises:
            LookupError: one of them is not in the table.
            ValueError: `right` does not begin where `left` ends.
        """
        place = self._at(left)
        if self._at(right) != place + 1:
            raise ValueError(f"shards {left} and {right} cannot be merged: {right} does not begin where {left} ends")
        merged = ShardRange(self.next_id, self.ranges[place].start, self.ranges[place + 1].end)
        return self._with(place, place + 2, merged), merged.shard

    def _at(self, shard: ShardId) -> int:
        at = self._at_by_shard.get(shard)
        if at is None:
            been = "it has been split or merged" if 0 <= shard < self.next_id else "there never was one"
            raise LookupError(f"there is no shard {shard}: {been}")
        return at

    def _with(self, start: int, end: int, *ranges: ShardRange[P]) -> ShardTable[P]:
        return ShardTable(self.ranges[:start] + ranges + self.ranges[end:], ShardId(self.next_id + len(ranges)))


def founding_table(starts: Sequence[P]) -> ShardTable[P]:
    """Return a table of shards 0, 1, 2, …, each from its start to the next one's.

    Raises:
        ValueError: the first start is not the lowest point, or they do not grow.
    """
    ranges: list[ShardRange[P]] = []
    for at, start in enumerate(starts):
        ranges.append(ShardRange(ShardId(at), start, starts[at + 1] if at + 1 < len(starts) else None))
    return ShardTable(tuple(ranges), ShardId(len(ranges)))


def _halves(whole: ShardRange[P], at: P, next_id: ShardId) -> tuple[ShardRange[P], ShardRange[P]]:
    return ShardRange(next_id, whole.start, at), ShardRange(ShardId(next_id + 1), at, whole.end)


def _check_cover(ranges: Sequence[ShardRange[P]]) -> None:
    if not ranges or ranges[0].start or ranges[-1].end is not None:
        raise ValueError(f"the first of {len(ranges)} shards must start at the lowest point, and the last have no end")
    for one, other in pairwise(ranges):
        if one.end is None or one.end != other.start or one.start >= one.end:
            raise ValueError(f"shards must grow, each from where the one before it ends, not {one} and then {other}")


def _check_ids(ranges: Sequence[ShardRange[P]], next_id: ShardId) -> None:
    ids = [it.shard for it in ranges]
    if len(dict.fromkeys(ids)) != len(ids) or min(ids) < 0 or max(ids) >= next_id:
        raise ValueError(f"each shard must be there once, from 0 to {next_id - 1}, not {ids}")
