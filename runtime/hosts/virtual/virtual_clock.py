"""The clock of a virtual world: it stands still until somebody moves it."""

from __future__ import annotations

__all__ = ["VirtualClock"]

_EPOCH_S = 946_684_800.0  # 2000-01-01 00:00:00 UTC: visibly not today, so that nobody takes a trace for real time


class VirtualClock:
    """Keeps the `Clock` contract of `coterie.runtime.hosts.host` without ever looking at this machine's clocks.

    `start_s` is the first monotonic time; `epoch_s` is the wall time at monotonic zero (seconds since the epoch).
    """

    def __init__(self, *, start_s: float = 0.0, epoch_s: float = _EPOCH_S) -> None:
        self.now_s = start_s
        """The monotonic time (s), for who reads it all the time; `advance_to` moves it."""
        self._epoch_s = epoch_s

    def monotonic(self) -> float:
        """Return the virtual time in seconds; it never goes back."""
        return self.now_s

    def wall(self) -> float:
        """Return virtual seconds since the epoch."""
        return self._epoch_s + self.now_s

    def advance_to(self, when_s: float) -> None:
        """Move to `when_s` (monotonic, s). ValueError if that lies in the past."""
        if when_s < self.now_s:
            raise ValueError(f"time cannot go back: {when_s} s is before {self.now_s} s")
        self.now_s = when_s
