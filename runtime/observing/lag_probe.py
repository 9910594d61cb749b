"""`LagProbe`: measures periodically how late the event loop runs its timers: blocked, paused or overloaded.

A loop that is late has not read its sockets either: what looks like silence of a peer may be a pause of this process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["LagProbe"]


class LagProbe:
    """Sets one timer after the other on `loop`, and reports how late each fired. It runs from its construction on.

    Args:
        loop: the loop that is measured.
        monotonic: the clock of the host, s.
        interval_s: time between two probes, s. A shorter stall between two probes is seen in part or not at all.
        on_probe: is called on the loop with each lag, s (0 or a little more on an idle loop).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        monotonic: Callable[[], float],
        interval_s: float,
        on_probe: Callable[[float], object],
    ) -> None:
        self._loop = loop
        self._monotonic = monotonic
        self._interval_s = interval_s
        self._on_probe = on_probe
        self._is_stopped = False
        self._set(monotonic())

    def stop(self) -> None:
        """Stop measuring; calling it twice is harmless."""
        self._is_stopped = True
        self._timer.cancel()

    def _set(self, now: float) -> None:
        self._due = now + self._interval_s
        self._timer = self._loop.call_later(self._interval_s, self._probe)

    def _probe(self) -> None:
        now = self._monotonic()
        self._on_probe(max(0.0, now - self._due))
        if not self._is_stopped:
            self._set(now)
