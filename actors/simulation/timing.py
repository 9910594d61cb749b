"""When faults begin and end: by the world's time, as nobody's own affair."""

from __future__ import annotations

from collections.abc import Callable

from coterie.runtime.virtual.loop import VirtualLoop

__all__ = ["EXTENSION_S", "Timing"]

EXTENSION_S = 0.1
"""By how much a fault is prolonged, again and again, while it has hit nothing."""


class Timing:
    """Calls things later, until `end`."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._is_over = False

    def after(self, delay_s: float, act: Callable[[], object]) -> None:
        """Call `act` in `delay_s` seconds, unless all is over by then."""
        self._loop.call_at_for(None, self._loop.clock.monotonic() + delay_s, self._act, act)

    def now(self) -> float:
        """Return the world's time (s)."""
        return self._loop.clock.monotonic()

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
