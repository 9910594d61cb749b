"""`FaultTiming`: schedules the calls that begin and end injected faults; a fault does not end before it took effect."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

__all__ = ["EXTENSION_S", "FaultTiming"]

EXTENSION_S = 0.1
"""By how much a fault without effect is extended each time (s)."""


class FaultTiming:
    """Calls functions later, until `end`.

    Args:
        now: returns the time (s).
        call_later: calls a function after a delay (s), independently of any node.
    """

    def __init__(self, now: Callable[[], float], call_later: Callable[[float, Callable[[], object]], object]) -> None:
        self.now = now
        """Return the time (s)."""
        self._call_later = call_later
        self._is_over = False

    def after(self, delay_s: float, act: Callable[[], object]) -> None:
        """Call `act` in `delay_s` seconds, unless `end` is called before."""
        self._call_later(delay_s, partial(self._act, act))

    def stop_after(self, duration_s: float, has_hit: Callable[[], bool], stop: Callable[[], object]) -> None:
        """Call `stop` once `duration_s` seconds have passed and `has_hit()` is true."""

        def stop_if_hit() -> None:
            if has_hit():
                stop()
            else:
                self.after(EXTENSION_S, stop_if_hit)

        self.after(duration_s, stop_if_hit)

    def end(self) -> None:
        """Cancel all calls that are still scheduled."""
        self._is_over = True

    def _act(self, act: Callable[[], object]) -> None:
        if not self._is_over:
            act()
