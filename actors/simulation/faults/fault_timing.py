"""When faults begin and end."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

__all__ = ["EXTENSION_S", "Timing"]

EXTENSION_S = 0.1
"""By how much a fault is prolonged, again and again, while it has hit nothing."""


class Timing:
    """Calls things later, until `end`.

    Args:
        now: the time (s).
        call_later: has something called in so many seconds, as nobody's own affair.
    """

    def __init__(self, now: Callable[[], float], call_later: Callable[[float, Callable[[], object]], object]) -> None:
        self.now = now
        """Return the time (s)."""
        self._call_later = call_later
        self._is_over = False

    def after(self, delay_s: float, act: Callable[[], object]) -> None:
        """Call `act` in `delay_s` seconds, unless all is over by then."""
        self._call_later(delay_s, partial(self._act, act))

    def lasting(self, duration_s: float, has_hit: Callable[[], bool], stop: Callable[[], object]) -> None:
        """Call `stop` in `duration_s` seconds, or once `has_hit` after that."""

        def stop_if_hit() -> None:
            if has_hit():
                stop()
            else:
                self.after(EXTENSION_S, stop_if_hit)

        self.after(duration_s, stop_if_hit)

    def end(self) -> None:
        """Call nothing more."""
        self._is_over = True

    def _act(self, act: Callable[[], object]) -> None:
        if not self._is_over:
            act()
