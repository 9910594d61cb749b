"""The clock of one node: it may run fast or slow, and its wall time may be wrong and jump."""

from __future__ import annotations

import math
from collections.abc import Callable

from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock

__all__ = ["NodeClock"]


class NodeClock:
    """Keeps the `Clock` contract of `coterie.runtime.hosts.host`, by `world`, the clock that the loop moves.

    It shows the world's time until somebody says otherwise. It outlives its node's crashes.
    """

    def __init__(self, world: VirtualClock) -> None:
        self.rate = 1.0
        """How many seconds it shows for one of the world's; `set_rate` changes it."""
        self.wall_offset_s = 0.0
        """By how much its wall time is wrong (s); may be changed at any time, also backwards."""
        self.on_rate: Callable[[], None] | None = None
        """Called after a change of the rate: whoever has set timers by this clock sets them anew."""
        self._world = world
        self._shown_then_s = 0.0
        self._world_then_s = 0.0

    def monotonic(self) -> float:
        """Return what it shows (s): it never goes back."""
        return self._shown_then_s + (self._world.now_s - self._world_then_s) * self.rate

    def wall(self) -> float:
        """Return seconds since the epoch, as this node believes."""
        return self._world.wall() + (self.monotonic() - self._world.monotonic()) + self.wall_offset_s

    def world_time(self, when_s: float) -> float:
        """Return the first time of the world (s) at which this shows `when_s` or more, as things are."""
        if self.rate == 1.0 and self._shown_then_s == self._world_then_s:
            return when_s
        at = self._world_then_s + (when_s - self._shown_then_s) / self.rate
        # Rounding must not wake anybody a moment too soon: he would set his timer again, for the very same moment.
        while self._shown_then_s + (at - self._world_then_s) * self.rate < when_s:
            at = math.nextafter(at, math.inf)
        return at

    def set_rate(self, rate: float) -> None:
        """Let it run at `rate` from now on: 1.1 shows eleven seconds where ten have passed. ValueError if not > 0."""
        if not 0.0 < rate < math.inf:
            raise ValueError(f"a clock's rate must be above 0, not {rate}")
        self._shown_then_s, self._world_then_s = self.monotonic(), self._world.monotonic()
        self.rate = rate
        if self.on_rate is not None:
            self.on_rate()
