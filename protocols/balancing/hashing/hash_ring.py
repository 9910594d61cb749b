"""`HashRing`: consistent hashing: puts targets at many points of a ring; a key belongs to the next point clockwise."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.balancing.hashing.keyed_picker import KeyTable, keyed
from coterie.protocols.balancing.policy import Picker, Target
from coterie.protocols.balancing.weights_in_range import weights_in_range
from coterie.protocols.stable_hash import HASHES, stable_hashes

__all__ = ["HashRing"]

MOST_POINTS = 1_000_000
"""The most points of all targets, but that each has one."""


@dataclass(frozen=True, slots=True)
class HashRing:
    """Picks by the key, on a ring (Karger et al., "Consistent Hashing and Random Trees", STOC 1997).

    If a target leaves, only its keys move; if one joins, it takes about 1/n of the keys, some from each. The order of
    the targets does not matter. Keys of an excluded target go to the next point clockwise. A pick takes O(log points).

    Points are in proportion to weight / mean weight, so only the proportions of the weights count. If weights differ,
    a target that joins or leaves changes the mean, and with it the points of the others: apart from the keys of its
    own share s, at most the larger of s and 1/n of the keys move. Of equal weights none do. (A mean that is rounded to
    a power of two would keep the points as a rule, but move half of all keys whenever it is crossed.)

    Attributes:
        virtual_nodes: the points of a target of mean weight (one of twice that weight has twice as many, and each has
            at least one), 1 … 100,000. Default 128. The shares of targets deviate by about 1 / √`virtual_nodes` of
            their mean. Too few: one target has far more keys than another; too many: memory, and time when targets
            change. All targets together have 1,000,000 points at most, and one each: of more than 1,000,000 /
            `virtual_nodes` targets each has fewer points, and shares deviate more.

    Raises:
        ValueError: `virtual_nodes` is out of its range; the error names it.
    """

    uses_keys: ClassVar[bool] = True

    virtual_nodes: int = 128

    def __post_init__(self) -> None:
        if not 1 <= self.virtual_nodes <= 100_000:
            raise ValueError(f"virtual_nodes={self.virtual_nodes} must be from 1 to 100000")

    def points(self, weights: Sequence[float]) -> list[int]:
        """Return the number of points of targets of these weights (above 0, finite): at least 1 each."""
        if not weights:
            return []
        scaled, total = weights_in_range(weights), min(self.virtual_nodes * len(weights), MOST_POINTS)
        per_weight = total / math.fsum(scaled)
        return [max(1, round(weight * per_weight)) for weight in scaled]

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
        counts = self._settings.points([target.weight for target in targets])
        for target, count in zip(targets, counts, strict=True):
            points = known.get(target.key, [])
            enough = len(points) >= count  # fewer points are the first ones of more
            self._points_by_target[target.key] = points[:count] if enough else stable_hashes(target.key, count)
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
