"""`CurrentLife`: returns the clock time, random generator and node name of the simulated process that runs now."""

from __future__ import annotations

import random

from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.virtual.fence_error import fence_error
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["CurrentLife"]


class CurrentLife:
    """The `FencedEnvironment` of a world. Outside any life (the observer): the world's time, and `observer_rng`."""

    def __init__(self, loop: VirtualLoop, observer_rng: random.Random) -> None:
        self._loop = loop
        self._observer_rng = observer_rng

    def monotonic(self) -> float:
        """Return the monotonic time (s) of the current life."""
        return self._loop.time() + self._slept_s()

    def wall(self) -> float:
        """Return its wall time (s since the epoch)."""
        life = self._life()
        clock = self._loop.clock if life is None else life.host.clock
        return clock.wall() + self._slept_s()

    def rng(self) -> random.Random:
        """Return its random generator."""
        life = self._life()
        return self._observer_rng if life is None else life.rng

    def name(self) -> str:
        """Return the name of its node."""
        life = self._life()
        return "observer" if life is None else life.name

    def sleep(self, seconds: float) -> None:
        """Make the running blocking function take `seconds` longer. FenceError elsewhere; ValueError if negative."""
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        life = self._life()
        if life is None or not life.host.executor.is_blocking:
            raise fence_error(
                "time.sleep()", "it would block the loop; use asyncio.sleep(), or sleep in a blocking function"
            )
        life.host.executor.slept_s += seconds

    def _slept_s(self) -> float:
        life = self._life()
        return 0.0 if life is None else life.host.executor.slept_s

    def _life(self) -> Life | None:
        owner = self._loop.owner
        return owner if isinstance(owner, Life) else None
