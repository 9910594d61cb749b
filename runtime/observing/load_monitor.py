"""A closer look at a system, for as long as somebody looks: who keeps the loop busy, and how late it is.

Depths, high-water marks, counts and restarts are always there; these two would cost time at every visit. So they are
measured only while `keep` was called in the last `LEASE_S` seconds.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.cells.run_queue import Runnable
    from coterie.runtime.system import System

__all__ = ["LEASE_S", "Lookout"]

LEASE_S: Final = 10.0
PROBE_S: Final = 0.1
PRUNE_AT_LEAST: Final = 1000


class Lookout:
    """Measures while it is kept. What it has measured is forgotten when it ends."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._kept_until = 0.0
        self._since = 0.0
        self._busy_s: dict[Runnable, float] = {}
        self._probe: asyncio.TimerHandle | None = None
        self._probe_due = 0.0
        self._lag_s = 0.0
        self._prune_at = PRUNE_AT_LEAST

    @property
    def is_looking(self) -> bool:
        """Whether it measures now."""
        return self._probe is not None

    def keep(self) -> None:
        """Measure for `LEASE_S` seconds from now, at least."""
        now = self._system.host.clock.monotonic()
        self._kept_until = now + LEASE_S
        if self._probe is None:
            self._since = now
            self._system.run_queue.time_visits(self._took)
            self._set_probe(now)

    def end(self) -> None:
        """Measure no more. Twice is harmless."""
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
            self._system.run_queue.time_visits(None)
            self._busy_s.clear()
            self._prune_at = PRUNE_AT_LEAST
            self._lag_s = 0.0

    def busy_share(self, cell: Cell) -> float:
        """Return which share of the time since the look began the loop was in this actor's visits: 0 … 1.

        An `async def` handler runs in a task of its own, whose time is not in it.
        """
        seconds = self._system.host.clock.monotonic() - self._since
        return min(1.0, self._busy_s.get(cell, 0.0) / seconds) if self.is_looking and seconds > 0 else 0.0

    def take_lag_s(self) -> float:
        """Return how late (s) the loop was at worst since this was last called."""
        lag_s, self._lag_s = self._lag_s, 0.0
        return lag_s

    def _took(self, cell: Runnable, seconds: float) -> None:
        self._busy_s[cell] = self._busy_s.get(cell, 0.0) + seconds

    def _forget_ended(self) -> None:
        """Look through all actors only when as many more have been visited as lived the last time: they may be many."""
        if len(self._busy_s) > self._prune_at:
            self._busy_s = {cell: self._busy_s[cell] for cell in self._system.cells if cell in self._busy_s}
            self._prune_at = 2 * len(self._busy_s) + PRUNE_AT_LEAST

    def _set_probe(self, now: float) -> None:
        self._probe_due = now + PROBE_S
        self._probe = self._system.loop.call_later(PROBE_S, self._probed)

    def _probed(self) -> None:
        now = self._system.host.clock.monotonic()
        self._lag_s = max(self._lag_s, now - self._probe_due)
        self._forget_ended()
        if now >= self._kept_until:
            self.end()
        else:
            self._set_probe(now)
