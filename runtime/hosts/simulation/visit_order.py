"""Who goes next: the order in which a system's cells that have mail are visited, drawn from a seed.

A real run queue is first come, first served, and programs come to lean on it without knowing. Here nothing is promised
but what the runtime promises: urgent cells first, and each message in its order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Protocol

from coterie.runtime.cells.run_queue import Runnable

__all__ = ["Order", "Priorities", "RandomOrder", "Starvation", "name_of"]

_PATIENCE: Final = 200


class Order(Protocol):
    """A rule for the next visit."""

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return which of `waiting` (never empty) goes next; None: nobody for now, ask again a little later."""
        ...


class RandomOrder:
    """Anybody, each as likely as the others."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return any."""
        count = len(waiting)
        return 0 if count == 1 else int(self._rng.random() * count)


class Priorities:
    """Always the one with the highest priority, drawn once for each; at a few moments the highest becomes the lowest.

    Few change points find bugs of small depth with a probability that can be stated (PCT: Burckhardt et al., ASPLOS
    2010, §3): `change_points` of them fall at random among the first `steps` picks. Who was picked 200 times running
    becomes the lowest, too: somebody who never rests must not stop the world.
    """

    def __init__(self, rng: random.Random, *, change_points: int = 3, steps: int = 10_000) -> None:
        if change_points < 0 or steps < 1:
            raise ValueError(f"Priorities needs change_points >= 0 and steps >= 1, not {change_points} and {steps}")
        self._rng = rng
        self._changes_at = sorted(rng.randrange(steps) for _ in range(change_points))
        self._steps = 0
        self._lowest = 0.0
        self._priorities: dict[Runnable, float] = {}
        self._last: Runnable | None = None
        self._running = 0

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return the highest."""
        at = max(range(len(waiting)), key=lambda at: (self._priority(waiting[at]), -at))
        self._steps += 1
        self._running = self._running + 1 if waiting[at] is self._last else 0
        self._last = waiting[at]
        if self._is_change() or self._running >= _PATIENCE:
            self._lowest -= 1.0
            self._priorities[waiting[at]] = self._lowest
            self._running = 0
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


class Starvation:
    """As `others` says, but the actor at `path` waits: while anybody else has mail, and else mostly."""

    def __init__(self, rng: random.Random, path: str, others: Order) -> None:
        self._rng = rng
        self._path = path
        self._others = others
        self.denied = 0
        """How often somebody went before it, or nobody went in its stead."""

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return anybody but the starved."""
        rest = [at for at, cell in enumerate(waiting) if name_of(cell) != self._path]
        if len(rest) == len(waiting):
            return self._others.pick(waiting)
        if rest:
            self.denied += 1
            chosen = self._others.pick([waiting[at] for at in rest])
            return None if chosen is None else rest[chosen]
        if self._rng.random() < 0.9:
            self.denied += 1
            return None
        return 0


def name_of(cell: Runnable) -> str:
    """Return a cell's path; a stand-in's has none."""
    return str(getattr(cell, "path", ""))
