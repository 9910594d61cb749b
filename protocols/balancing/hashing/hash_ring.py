"""`HashRing`: consistent hashing: puts targets at many points of a ring; a key belongs to the next point clockwise."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.hashing.keyed_picker import KeyTable, keyed
from coterie.protocols.balancing.hashing.stable_hash import HASHES, stable_hashes
from coterie.protocols.balancing.policy import Picker, Target

__all__ = ["HashRing"]

MOST_POINTS = 1_000_000
"""The most points of one target."""


@dataclass(frozen=True, slots=True)
class HashRing:
    """Picks by the key, on a ring (Karger et al., "Consistent Hashing and Random Trees", STOC 1997).

    If a target leaves, only its keys move; if one joins, it takes about 1/n of the keys, some from each. The order of
    the targets does not matter. Keys of an excluded target go to the next point clockwise. A pick takes O(log points).

    Attributes:
        virtual_nodes: the points of a target of weight 1 (a target of weight 2 has twice as many, and at least one),
            1 … 100,000. Default 128. The shares of targets deviate by about 1 / √`virtual_nodes` of their mean. Too
            few: one target has far more keys than another; too many: memory, and time when targets change.

    Raises:
        ValueError: `virtual_nodes` is out of its range; the error names it.
    """

    virtual_nodes: int = 128

    def __post_init__(self) -> None:
        if not 1 <= self.virtual_nodes <= 100_000:
            raise ValueError(f"virtual_nodes={self.virtual_nodes} must be from 1 to 100000")

    def points(self, weight: float) -> int:
        """Return the number of points of a target of this weight: 1 … `MOST_POINTS`."""
        return max(1, round(min(self.virtual_nodes * weight, MOST_POINTS)))

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets; `rng` draws the keys of requests without one."""
        return keyed(_Ring(self), rng)


class _Ring(KeyTable):
    def __init__(self, settings: HashRing) -> None:
        self._settings = settings
        self._points_by_target: dict[str, list[int]] = {}
        self._points: list[int] = []  # ascending
        self._owners: list[str] = []  # the target of each point

    def build(self, targets: Sequence[Target]) -> None:
        known, self._points_by_target = self._points_by_target, {}
        for target in targets:
            count, points = self._settings.points(target.weight), known.get(target.key, [])
            same = len(points) == count
            self._points_by_target[target.key] = points if same else stable_hashes(target.key, count)
        # Should two points be equal, the lower key has it: the same for every caller.
        keys = sorted(self._points_by_target, reverse=True)
        owner_by_point = {point: key for key in keys for point in self._points_by_target[key]}
        self._points = sorted(owner_by_point)
        self._owners = [owner_by_point[point] for point in self._points]

    def find(self, key_hash: int, exclude: AbstractSet[str]) -> str | None:
        owners = self._owners
        if not owners or (exclude and all(key in exclude for key in self._points_by_target)):
            return None
        place = bisect_left(self._points, key_hash)
        if place == len(owners):
            place = 0
        while owners[place] in exclude:
            place += 1
            if place == len(owners):
                place = 0
        return owners[place]

    def shares(self) -> Mapping[str, float]:
        arcs = dict.fromkeys(self._points_by_target, 0)
        before = self._points[-1] - HASHES if self._points else 0
        for point, owner in zip(self._points, self._owners, strict=True):
            arcs[owner] += point - before
            before = point
        return {key: arc / HASHES for key, arc in arcs.items()}
