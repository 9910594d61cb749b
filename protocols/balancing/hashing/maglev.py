"""`Maglev`: fills a table of prime size by turns, each target in its own order of preference; keys index the table."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.balancing.hashing.keyed_picker import KeyTable, find_by_rehash, keyed
from coterie.protocols.balancing.hashing.prime_numbers import is_prime, next_prime
from coterie.protocols.balancing.policy import Picker, Target
from coterie.protocols.balancing.weights_in_range import weights_in_range
from coterie.protocols.stable_hash import stable_hashes

__all__ = ["Maglev", "fill_table"]

LARGEST = 10_000_000
"""The largest table size."""

ADVISED_ENTRIES = 100
"""The number of entries per target that the paper advises, for shares that differ by about 1 % (§5.3)."""


@dataclass(frozen=True, slots=True)
class Maglev:
    """Picks by the key, from a lookup table (Eisenbud et al., "Maglev", NSDI 2016, §3.4).

    The shares are as even as the table allows; if a target leaves or joins, a few keys more than necessary move. The
    order of the targets does not matter. Keys of an excluded target are hashed again. A pick takes O(1), a change of
    the targets O(table_size × log table_size): about a tenth of a second for the default size.

    Weights (an addition; the paper mentions them): a target of half the largest weight has every other turn.

    Attributes:
        table_size: a prime, 2 … 10,000,000. Default 65,537 (the paper's small size). Too small: with fewer than 100
            entries per target the shares are uneven, and `explain` and an event say so; too large: slow changes.

    Raises:
        ValueError: `table_size` is not prime or out of its range; the error names it, and the next prime.
    """

    uses_keys: ClassVar[bool] = True

    table_size: int = 65_537

    def __post_init__(self) -> None:
        if not 2 <= self.table_size <= LARGEST:
            raise ValueError(f"table_size={self.table_size} must be a prime from 2 to {LARGEST}")
        if not is_prime(self.table_size):
            following = next_prime(self.table_size)
            raise ValueError(f"table_size={self.table_size} is not prime: the next prime is {following}")

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets; `rng` draws the keys of requests without one."""
        return keyed(_Table(self.table_size), rng)


def fill_table(preferences: Sequence[tuple[int, int]], size: int, weights: Sequence[float]) -> list[int]:
    """Return the table: for each entry the number of its target (the paper's Pseudocode 1).

    Args:
        preferences: of each target (offset, skip): it prefers the entries offset, offset + skip, … modulo `size`, in
            this order; 0 ≤ offset < size, 1 ≤ skip < size.
        size: of the table; prime, so that each order has every entry.
        weights: of the targets; the heaviest takes an entry in each turn, the others in a part of them.
    """
    table, free = [-1] * size, size
    scaled = weights_in_range(weights)
    parts = [weight / max(scaled) for weight in scaled]  # of the turns
    places, taken = [offset for offset, _ in preferences], [0] * len(preferences)
    due: dict[int, list[int]] = {}  # targets by the turn in which they take their next entry
    for number, part in enumerate(parts):
        due.setdefault(math.ceil(1 / part), []).append(number)
    turn = 0
    while due:
        turn += 1
        for number in sorted(due.pop(turn, ())):
            place, skip = places[number], preferences[number][1]
            while table[place] >= 0:
                place = (place + skip) % size
            table[place], places[number] = number, (place + skip) % size
            free -= 1
            if free == 0:
                return table
            taken[number] += 1
            due.setdefault(math.ceil((taken[number] + 1) / parts[number]), []).append(number)
    return table


class _Table(KeyTable):
    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: list[str] = []
        self._table: list[int] = []

    def build(self, targets: Sequence[Target]) -> None:
        ordered = sorted(targets, key=lambda target: target.key)
        self._keys = [target.key for target in ordered]
        hashes = [stable_hashes(key, 2) for key in self._keys]
        preferences = [(offset % self._size, skip % (self._size - 1) + 1) for offset, skip in hashes]
        self._table = fill_table(preferences, self._size, [target.weight for target in ordered])

    def find(self, key_hash: int, exclude: AbstractSet[str]) -> str | None:
        return find_by_rehash(self._keys, self._number, key_hash, exclude)

    def _number(self, key_hash: int) -> int:
        return self._table[key_hash % self._size]

    def shares(self) -> Mapping[str, float]:
        entries = Counter(self._table)
        return {key: entries[number] / self._size for number, key in enumerate(self._keys)}

    def warning(self) -> str:
        advised = ADVISED_ENTRIES * len(self._keys)
        if self._size >= advised:
            return ""
        return (
            f"a table of {self._size} entries is small for {len(self._keys)} targets: "
            f"use table_size={next_prime(advised)} or more"
        )
