"""`NodeClock`: simulates one node's clock: it may run fast or slow, and its wall time may be wrong or jump."""

from __future__ import annotations

import math
from collections.abc import Callable

from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock

__all__ = ["NodeClock"]


class NodeClock:
    """Implements `coterie.runtime.hosts.host.Clock`, based on `world`, the clock that the loop moves.

    It shows the world's time until a fault changes it. It survives crashes of its node.
    """

    def __init__(self, world: VirtualClock) -> None:
        self.rate = 1.0
        """Seconds that it shows per second of the world; changed by `set_rate`."""
        self.wall_offset_s = 0.0
        """Error of its wall time (s); may be changed at any time, also backwards."""
        self.on_rate_changed: Callable[[], None] | None = None
        """Called after a change of the rate: timers set on this clock must be recomputed."""
        self._world = world
        self._shown_then_s = 0.0
        self._world_then_s = 0.0

    def monotonic(self) -> float:
        """Return its time (s); it never goes back."""
        return self._shown_then_s + (self._world.now_s - self._world_then_s) * self.rate

    def wall(self) -> float:
        """Return seconds since the epoch, by this node's clock."""
        return self._world.wall() + (self.monotonic() - self._world.monotonic()) + self.wall_offset_s

    def world_time(self, when_s: float) -> float:
        """Return the first time of the world (s) at which this clock shows `when_s` or more, at its current rate."""
        if self.rate == 1.0 and self._shown_then_s == self._world_then_s:
            return when_s
        at = self._world_then_s + (when_s - self._shown_then_s) / self.rate
        # Rounding must not wake a timer too early: the code would set it again, for the same time.
        while self._shown_then_s + (at - self._world_then_s) * self.rate < when_s:
            at = math.nextafter(at, math.inf)
        return at

    def set_rate(self, rate: float) -> None:
        """Run at `rate` from now on: 1.1 shows 11 s after 10 s of the world's time. ValueError if not > 0."""
        if not 0.0 < rate < math.inf:
            raise ValueError(f"a clock's rate must be above 0, not {rate}")
        self._shown_then_s, self._world_then_s = self.monotonic(), self._world.monotonic()
        self.rate = rate
        if self.on_rate_changed is not None:
            self.on_rate_changed()
