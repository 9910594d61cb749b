"""`LoadMonitor`: measures, on demand, how much time each actor takes on the event loop, and how late the loop runs.

Depths, high-water marks, counts and restarts are always recorded; these two would cost time at every visit. They are
measured only for `LEASE_S` seconds after each call of `renew`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from coterie.runtime.observing.lag_probe import LagProbe

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.cells.run_queue import Runnable
    from coterie.runtime.system import System

__all__ = ["LEASE_S", "LoadMonitor"]

LEASE_S: Final = 10.0
"""How long one `renew` keeps the measurement running, seconds."""

PROBE_S: Final = 0.1
"""Time between two probes of the loop's lag, seconds."""

PRUNE_MIN: Final = 1000
"""The fewest recorded actors at which those that have ended are pruned."""


class LoadMonitor:
    """Measures while its lease lasts. All measurements are discarded when it stops."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._lease_ends_at = 0.0
        self._started_at = 0.0
        self._busy_s: dict[Runnable, float] = {}
        self._probe: LagProbe | None = None
        self._lag_s = 0.0
        self._prune_at = PRUNE_MIN

    @property
    def is_measuring(self) -> bool:
        """True while the lease lasts."""
        return self._probe is not None

    def renew(self) -> None:
        """Measure for at least `LEASE_S` seconds from now."""
        clock = self._system.host.clock
        now = clock.monotonic()
        self._lease_ends_at = now + LEASE_S
        if self._probe is None:
            self._started_at = now
            self._system.run_queue.observe_visits(self._on_visit)
            self._probe = LagProbe(self._system.loop, clock.monotonic, PROBE_S, self._on_probe)

    def stop(self) -> None:
        """Stop measuring; calling it twice is harmless."""
        if self._probe is not None:
            self._probe.stop()
            self._probe = None
            self._system.run_queue.observe_visits(None)
            self._busy_s.clear()
            self._prune_at = PRUNE_MIN
            self._lag_s = 0.0

    def busy_share(self, cell: Cell) -> float:
        """Return the share of the time since measuring began that the loop spent in this actor's visits: 0 … 1.

        An `async def` handler runs in a separate task, whose time is not included.
        """
        seconds = self._system.host.clock.monotonic() - self._started_at
        return min(1.0, self._busy_s.get(cell, 0.0) / seconds) if self.is_measuring and seconds > 0 else 0.0

    def take_lag_s(self) -> float:
        """Return the greatest lag of the loop (s) since the last call."""
        lag_s, self._lag_s = self._lag_s, 0.0
        return lag_s

    def _on_visit(self, cell: Runnable, seconds: float) -> None:
        self._busy_s[cell] = self._busy_s.get(cell, 0.0) + seconds

    def _prune_ended(self) -> None:
        """Drop ended actors, but only once the table has doubled since the last time: there may be many actors."""
        if len(self._busy_s) > self._prune_at:
            self._busy_s = {cell: self._busy_s[cell] for cell in self._system.registry.cells if cell in self._busy_s}
            self._prune_at = 2 * len(self._busy_s) + PRUNE_MIN

    def _on_probe(self, lag_s: float) -> None:
        self._lag_s = max(self._lag_s, lag_s)
        self._prune_ended()
        if self._system.host.clock.monotonic() >= self._lease_ends_at:
            self.stop()
