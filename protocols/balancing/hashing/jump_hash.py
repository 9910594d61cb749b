"""`JumpHash`: jump consistent hash: computes the number of a key's target, without a table."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.balancing.hashing.keyed_picker import KeyTable, find_by_rehash, keyed
from coterie.protocols.balancing.policy import Picker, Target
from coterie.protocols.stable_hash import HASHES

__all__ = ["JumpHash", "jump_bucket"]


@dataclass(frozen=True, slots=True)
class JumpHash:
    """Picks by the key, with jump consistent hash (Lamping and Veach, 2014): even shares, no memory, O(log n).

    Targets are numbered in the order of `update`, and only the last one may leave, or one join at the end: then 1/n
    of the keys move. If another leaves, the numbers behind it shift, and most of their keys move: take `HashRing` or
    `Rendezvous` if targets fail. Keys of an excluded target are hashed again: those of the others stay. Weights are
    ignored.
    """

    uses_keys: ClassVar[bool] = True

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets; `rng` draws the keys of requests without one."""
        return keyed(_Numbers(), rng)


def jump_bucket(key_hash: int, buckets: int) -> int:
    """Return the bucket of a hash, 0 … `buckets` - 1; `buckets` is at least 1. The paper's Figure 1."""
    bucket, following = -1, 0
    while following < buckets:
        bucket = following
        key_hash = (key_hash * 2862933555777941757 + 1) % HASHES
        following = int((bucket + 1) * ((1 << 31) / ((key_hash >> 33) + 1)))
    return bucket


class _Numbers(KeyTable):
    def __init__(self) -> None:
        self._keys: list[str] = []

    def build(self, targets: Sequence[Target]) -> None:
        self._keys = [target.key for target in targets]

    def find(self, key_hash: int, exclude: AbstractSet[str]) -> str | None:
        return find_by_rehash(self._keys, self._number, key_hash, exclude)

    def _number(self, key_hash: int) -> int:
        return jump_bucket(key_hash, len(self._keys))

    def shares(self) -> Mapping[str, float]:
        return dict.fromkeys(self._keys, 1 / len(self._keys)) if self._keys else {}
