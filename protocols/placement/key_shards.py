"""`HashShards` and `RangeShards`: say which shard a key belongs to, by the key's hash or by its order.

A shard of either kind is a range, of hashes or of keys, so that both are split and merged by the same operations.

* By hash: keys are spread evenly, whatever they look like; neighbouring keys are in different shards. A fixed number
  of points per node, as in Dynamo (SOSP 2007, §6.2, strategy 3: Q/S equal parts), without its ring: which node has a
  shard is a separate decision (`plan_placement`).
* By range: a scan of neighbouring keys visits few shards (Bigtable, OSDI 2006, §5.1), but load follows the keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Generic, Self, TypeVar

from coterie.protocols.placement.shard_table import ShardId, ShardRange, ShardTable, founding_table
from coterie.protocols.stable_hash import HASHES, key_bytes, stable_hash

__all__ = ["SHARDS_MAX", "HashShards", "RangeShards", "Shards"]

SHARDS_MAX = 1 << 20
"""The most shards that a keyspace is founded with."""

P = TypeVar("P", int, bytes)


class Shards(ABC, Generic[P]):
    """A keyspace in shards: each key belongs to exactly one. Immutable; equal ones are the same on all nodes."""

    __slots__ = ()

    table: ShardTable[P]
    """The ranges of the shards, after all splits and merges."""

    @abstractmethod
    def point_of(self, key: str | bytes) -> P:
        """Return where a key is: its hash, or the key itself."""

    @abstractmethod
    def with_table(self, table: ShardTable[P]) -> Self:
        """Return the same keyspace with other ranges."""

    @property
    def shards(self) -> tuple[ShardId, ...]:
        """All shards, in the order of their ranges."""
        return tuple(it.shard for it in self.table)

    def shard_of(self, key: str | bytes) -> ShardId:
        """Return the shard of a key; "a" and b"a" are the same key."""
        return self.table.shard_at(self.point_of(key))

    def range_of(self, shard: ShardId) -> ShardRange[P]:
        """Return the range of a shard. LookupError if there is no such shard (any more)."""
        return self.table.range_of(shard)

    def split(self, shard: ShardId, at: P) -> tuple[Self, ShardId, ShardId]:
        """Split a shard; return the keyspace with its halves, before `at` and from `at` on, and these two shards.

        Raises:
            LookupError: there is no such shard (any more).
            ValueError: one half would be empty.
        """
        table, left, right = self.table.split(shard, at)
        return self.with_table(table), left, right

    def merge(self, left: ShardId, right: ShardId) -> tuple[Self, ShardId]:
        """Merge two neighbours; return the keyspace, and the shard that has the keys of both.

        Raises:
            LookupError: one of them is not there (any more).
            ValueError: `right` does not begin where `left` ends.
        """
        table, merged = self.table.merge(left, right)
        return self.with_table(table), merged


@dataclass(frozen=True, slots=True)
class HashShards(Shards[int]):
    """Shards by the stable 64-bit hash of the key (`stable_hash`), whose range is divided evenly.

    Attributes:
        count: the number of shards at the founding, 1 … `SHARDS_MAX`. Splits and merges do not change it.
        table: the ranges of hashes, from 0 to `HASHES` - 1.

    Args:
        count: see above.
        present: the table after splits and merges; None: as founded.

    Raises:
        ValueError: `count` is out of its range, or the table has a start of `HASHES` or more.
    """

    count: int
    present: InitVar[ShardTable[int] | None] = None
    table: ShardTable[int] = field(init=False)

    def __post_init__(self, present: ShardTable[int] | None) -> None:
        _check_count(self.count)
        table = founding_table([at * HASHES // self.count for at in range(self.count)]) if present is None else present
        if table.ranges[-1].start >= HASHES:
            raise ValueError(f"there is no hash {table.ranges[-1].start}: the last one is 2**64 - 1")
        object.__setattr__(self, "table", table)

    def point_of(self, key: str | bytes) -> int:
        """Return the hash of a key."""
        return stable_hash(key)

    def with_table(self, table: ShardTable[int]) -> Self:
        """Return the same keyspace with other ranges. ValueError if a range begins above the last hash."""
        return type(self)(self.count, table)


@dataclass(frozen=True, slots=True)
class RangeShards(Shards[bytes]):
    """Shards by the order of keys: bytes, and text as UTF-8.

    Attributes:
        boundaries: the first key of each shard at the founding but of the first one, which has all keys before. Splits
            and merges do not change them.
        table: the ranges of keys.

    Args:
        boundaries: see above; n of them make n + 1 shards.
        present: the table after splits and merges; None: as founded.

    Raises:
        ValueError: the boundaries do not grow, one is empty, or they are too many.
    """

    boundaries: Sequence[str | bytes] = ()
    present: InitVar[ShardTable[bytes] | None] = None
    table: ShardTable[bytes] = field(init=False)

    def __post_init__(self, present: ShardTable[bytes] | None) -> None:
        boundaries = tuple(map(key_bytes, _listed(self.boundaries)))
        _check_count(len(boundaries) + 1)
        object.__setattr__(self, "boundaries", boundaries)
        object.__setattr__(self, "table", founding_table([b"", *boundaries]) if present is None else present)

    def point_of(self, key: str | bytes) -> bytes:
        """Return the key as bytes."""
        return key_bytes(key)

    def with_table(self, table: ShardTable[bytes]) -> Self:
        """Return the same keyspace with other ranges."""
        return type(self)(self.boundaries, table)

    def split(self, shard: ShardId, at: str | bytes) -> tuple[Self, ShardId, ShardId]:
        """Split a shard; return the keyspace with its halves, before key `at` and from it on, and these two shards.

        Raises:
            LookupError: there is no such shard (any more).
            ValueError: one half would be empty.
        """
        table, left, right = self.table.split(shard, key_bytes(at))
        return self.with_table(table), left, right


def _listed(boundaries: Any) -> Sequence[str | bytes]:
    if isinstance(boundaries, str | bytes):
        raise TypeError(f"boundaries is one key, {boundaries!r:.60}: give a list of keys")
    return list(boundaries)


def _check_count(count: int) -> None:
    if not 1 <= count <= SHARDS_MAX:
        raise ValueError(f"a keyspace has 1 to {SHARDS_MAX} shards, not {count}")
