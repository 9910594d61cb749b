"""`KeyTable`: defines the interface of policies that hash keys: says to which target a hash belongs."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing.policy import NOTHING, Picker, RoutingKey, Target
from coterie.protocols.stable_hash import HASHES, mix, stable_hash

__all__ = ["KeyTable", "find_by_rehash", "keyed"]

GAMMA = 0x9E3779B97F4A7C15
"""The increment of SplitMix64's sequence, 2 ** 64 / the golden ratio."""

ATTEMPTS = 8
"""How often a key is hashed again if its target is excluded; then the targets are looked through in their order."""


class KeyTable(ABC):
    """Which target each hash (`stable_hash`) belongs to."""

    @abstractmethod
    def build(self, targets: Sequence[Target]) -> None:
        """Replace the targets. It is called only if their keys, weights or order have changed."""

    @abstractmethod
    def find(self, key_hash: int, exclude: AbstractSet[str]) -> str | None:
        """Return the target of a hash, or the next one that is not in `exclude`; None if there is none."""

    @abstractmethod
    def shares(self) -> Mapping[str, float]:
        """Return the part of all hashes that belongs to each target; they add up to 1, if there are targets."""

    def warning(self) -> str:
        """Return what is wrong with the table for these targets; empty if nothing."""
        return ""


def keyed(table: KeyTable, rng: random.Random) -> Picker:
    """Return a picker that finds the target of a request's key in `table`; `rng` draws keys for requests without."""
    return _KeyedPicker(table, rng)


def find_by_rehash(
    keys: Sequence[str], number_of: Callable[[int], int], key_hash: int, exclude: AbstractSet[str]
) -> str | None:
    """Return the target of a hash; if it is excluded, of the hash of the hash, and so on; None if there is none.

    Args:
        keys: of the targets.
        number_of: returns the number of a hash's target in `keys`.
        key_hash: the hash.
        exclude: the targets that are not looked for.
    """
    if not keys:
        return None
    for _ in range(1 + ATTEMPTS):
        key = keys[number_of(key_hash)]
        if key not in exclude:
            return key
        key_hash = mix((key_hash + GAMMA) % HASHES)
    start = key_hash % len(keys)
    return next((key for key in (*keys[start:], *keys[:start]) if key not in exclude), None)


class _KeyedPicker(Picker):
    def __init__(self, table: KeyTable, rng: random.Random) -> None:
        self._table = table
        self._rng = rng
        self._known: list[tuple[str, float]] | None = None
        self._warning = ""
        self._events: list[Observe] = []
        self._last: tuple[RoutingKey | None, int, str | None] = (None, 0, None)

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        known = [(target.key, target.weight) for target in targets]
        if known == self._known:
            return
        self._known = known
        self._table.build(targets)
        warning = self._table.warning()
        if warning and warning != self._warning:
            self._events = [Observe("balancing.table_too_small", {"reason": warning})]
        self._warning = warning

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        key_hash = self._rng.getrandbits(64) if key is None else stable_hash(key)
        target = self._table.find(key_hash, exclude)
        self._last = (key, key_hash, target)
        return target

    def observations(self) -> Sequence[Observe]:
        events, self._events = self._events, []
        return events

    def explain(self) -> str:
        if not self._known:
            return "there are no targets"
        key, key_hash, target = self._last
        if target is None:
            return "no target is allowed"
        own = self._table.find(key_hash, NOTHING)
        named = "without a key, the random hash" if key is None else f"the hash of key {key!r},"
        found = f"{named} {key_hash:#018x} belongs to {own}"
        if target != own:
            found += f", which is excluded: {target} is next"
        return f"{found}; {self._warning}" if self._warning else found

    def shares(self, *, now: float) -> Mapping[str, float] | None:
        return self._table.shares()
