"""`VisitOrder`: picks the actor that handles messages next in a simulation: at random, by priority, or starving one.

A real run queue is first in, first out, and programs may depend on that unknowingly. Here only the runtime's own
guarantees hold: urgent cells first, and the messages of each cell in their order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Protocol

from coterie.runtime.cells.run_queue import Runnable

__all__ = ["PriorityVisitOrder", "RandomVisitOrder", "StarvationVisitOrder", "VisitOrder", "cell_path"]

_MAX_CONSECUTIVE_PICKS: Final = 200


class VisitOrder(Protocol):
    """A rule that picks the next cell to visit."""

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return the index of the next cell in `waiting` (never empty); None: none now, call again later."""
        ...


class RandomVisitOrder:
    """Picks each waiting cell with equal probability."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return a random index."""
        count = len(waiting)
        return 0 if count == 1 else int(self._rng.random() * count)


class PriorityVisitOrder:
    """Picks the cell with the highest random priority; at a few change points the highest becomes the lowest.

    Few change points find bugs of small depth with a known probability (PCT: Burckhardt et al., ASPLOS 2010, §3):
    `change_points` of them fall at random among the first `steps` picks. A cell picked 200 times in a row becomes the
    lowest, too: a cell that always has messages must not stop the world.
    """

    def __init__(self, rng: random.Random, *, change_points: int = 3, steps: int = 10_000) -> None:
        if change_points < 0 or steps < 1:
            raise ValueError(
                f"PriorityVisitOrder needs change_points >= 0 and steps >= 1, not {change_points} and {steps}"
            )
        self._rng = rng
        self._changes_at = sorted(rng.randrange(steps) for _ in range(change_points))
        self._steps = 0
        self._lowest = 0.0
        self._priorities: dict[Runnable, float] = {}
        self._last: Runnable | None = None
        self._consecutive_picks = 0

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return the index of the cell with the highest priority."""
        at = max(range(len(waiting)), key=lambda at: (self._priority(waiting[at]), -at))
        self._steps += 1
        self._consecutive_picks = self._consecutive_picks + 1 if waiting[at] is self._last else 0
        self._last = waiting[at]
        if self._is_change() or self._consecutive_picks >= _MAX_CONSECUTIVE_PICKS:
            self._lowest -= 1.0
            self._priorities[waiting[at]] = self._lowest
            self._consecutive_picks = 0
        return at

    def _is_change(self) -> bool:
        if not self._changes_at or self._steps <= self._changes_at[0]:
            return False
        del self._changes_at[0]
        return True

    def _priority(self, cell: Runnable) -> float:
        found = self._priorities.get(cell)
        if found is None:
            found = self._priorities[cell] = self._rng.random()
        return found


class StarvationVisitOrder:
    """Picks as `others` does, but starves the actor at `path`: never while another cell waits, and else rarely."""

    def __init__(self, rng: random.Random, path: str, others: VisitOrder) -> None:
        self._rng = rng
        self._path = path
        self._others = others
        self.times_skipped = 0
        """Number of picks that passed over the starved actor."""

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return the index of a cell other than the starved one, if possible."""
        rest = [at for at, cell in enumerate(waiting) if cell_path(cell) != self._path]
        if len(rest) == len(waiting):
            return self._others.pick(waiting)
        if rest:
            self.times_skipped += 1
            chosen = self._others.pick([waiting[at] for at in rest])
            return None if chosen is None else rest[chosen]
        if self._rng.random() < 0.9:
            self.times_skipped += 1
            return None
        return 0


def cell_path(cell: Runnable) -> str:
    """Return a cell's path; empty for an object without one."""
    return str(getattr(cell, "path", ""))
