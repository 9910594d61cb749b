"""`CreditGroups`: keeps the credits of nginx's smooth weighted round robin, grouped by equal weight.

Every turn adds to each credit its weight, picks the highest credit, and subtracts the sum of all weights from it. Done
for each target, as in nginx, this takes time in proportion to their number. But the credits of targets of equal weight
grow together: within a group their order changes only by picks. So each group has one weight, a heap of its members,
and the credit of its best member; a turn looks at the groups only, and changes one heap. The picks are the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

__all__ = ["CreditGroups"]

TURNS_MAX: Final = 1 << 20
"""Turns after which the credits are computed anew: products of weights and turns lose digits as they grow."""


class CreditGroups:
    """The credits of targets that are known by number, 0 …. A turn takes O(groups + log targets).

    Args:
        weights: of each target, above 0.
        credit: of each target, at the start; they should add up to 0.
    """

    __slots__ = (
        "_best",
        "_group_by_target",
        "_heaps",
        "_offsets",
        "_total",
        "_turns",
        "_weights",
        "_weights_by_target",
    )

    def __init__(self, weights: Sequence[float], credit: Sequence[float]) -> None:
        self._weights_by_target = list(weights)
        self._total = sum(weights)
        group_by_weight: dict[float, int] = {}
        self._group_by_target = [group_by_weight.setdefault(weight, len(group_by_weight)) for weight in weights]
        self._weights = list(group_by_weight)
        self._start(credit)

    def _start(self, credit: Sequence[float]) -> None:
        """Sort the targets into their groups' heaps, at turn 0."""
        self._turns = 0
        self._offsets = list(credit)  # credit = offset + weight · turns
        self._heaps: list[list[tuple[float, int]]] = [[] for _ in self._weights]
        for target, group in enumerate(self._group_by_target):
            self._heaps[group].append((-credit[target], target))
        for heap in self._heaps:
            heapify(heap)
        self._best = [-heap[0][0] for heap in self._heaps]

    def credits(self) -> list[float]:
        """Return the credit of each target."""
        weights = self._weights_by_target
        return [offset + weight * self._turns for offset, weight in zip(self._offsets, weights, strict=True)]

    def take(self) -> int:
        """Return the target of the next turn: that of the highest credit; among equals, the first."""
        if self._turns >= TURNS_MAX:
            self._start(self.credits())
        self._turns += 1
        best = self._best = [credit + weight for credit, weight in zip(self._best, self._weights)]  # noqa: B905 (speed)
        highest = max(best)
        group = best.index(highest) if best.count(highest) == 1 else self._first_of_equals(highest)
        heap = self._heaps[group]
        target = heap[0][1]
        self._offsets[target] -= self._total
        heapreplace(heap, (-self._offsets[target], target))
        self._settle(group)
        return target

    def take_without(self, excluded: Sequence[int]) -> int | None:
        """Return the target of a turn in which these targets take no part: their credits stay; None if all are."""
        if len(excluded) >= len(self._offsets):
            return None
        self._turns += 1
        for target in excluded:
            weight = self._weights_by_target[target]
            self._offsets[target] -= weight
            heappush(self._heaps[self._group_by_target[target]], (-self._offsets[target], target))
        self._best = [credit + weight for credit, weight in zip(self._best, self._weights, strict=True)]
        for group in dict.fromkeys(self._group_by_target[target] for target in excluded):
            self._set_aside(group, excluded)
        group = self._first_of_equals(max(self._best))
        target = self._heaps[group][0][1]
        self._offsets[target] -= self._total - math.fsum(self._weights_by_target[other] for other in excluded)
        heapreplace(self._heaps[group], (-self._offsets[target], target))
        for other in excluded:
            heappush(self._heaps[self._group_by_target[other]], (-self._offsets[other], other))
        for changed in dict.fromkeys([group, *(self._group_by_target[other] for other in excluded)]):
            self._settle(changed)
        return target

    def _first_of_equals(self, highest: float) -> int:
        """Return the group with this credit whose best member is the first in the order of targets."""
        equals = [group for group, credit in enumerate(self._best) if credit == highest]
        return min(equals, key=lambda group: self._heaps[group][0][1])

    def _settle(self, group: int) -> None:
        """Drop outdated entries from the top of a heap, and compute the credit of the group's best member."""
        heap, offsets = self._heaps[group], self._offsets
        while offsets[heap[0][1]] != -heap[0][0]:
            heappop(heap)
        self._best[group] = self._weights[group] * self._turns - heap[0][0]

    def _set_aside(self, group: int, excluded: Sequence[int]) -> None:
        """Drop outdated entries and excluded targets from the top of a heap; an empty one has no credit at all."""
        heap, offsets = self._heaps[group], self._offsets
        while heap and (heap[0][1] in excluded or offsets[heap[0][1]] != -heap[0][0]):
            heappop(heap)
        self._best[group] = self._weights[group] * self._turns - heap[0][0] if heap else -math.inf
