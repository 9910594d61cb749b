"""`VirtualClock`: returns a time that changes only when `advance_to` is called."""

from __future__ import annotations

__all__ = ["VirtualClock"]

_EPOCH_S = (
    946_684_800.0  # 2000-01-01 00:00:00 UTC: clearly not today, so that virtual time is not mistaken for real time
)


class VirtualClock:
    """Implements `coterie.runtime.hosts.host.Clock` without reading this machine's clocks.

    `start_s` is the first monotonic time; `epoch_s` is the wall time at monotonic zero (seconds since the epoch).
    """

    def __init__(self, *, start_s: float = 0.0, epoch_s: float = _EPOCH_S) -> None:
        self.now_s = start_s
        """The monotonic time (s), as an attribute for fast reading; `advance_to` moves it."""
        self._epoch_s = epoch_s

    def monotonic(self) -> float:
        """Return the virtual time in seconds; it never goes back."""
        return self.now_s

    def wall(self) -> float:
        """Return virtual seconds since the epoch."""
        return self._epoch_s + self.now_s

    def advance_to(self, when_s: float) -> None:
        """Move to `when_s` (monotonic, s). ValueError if it is in the past."""
        if when_s < self.now_s:
            raise ValueError(f"time cannot go back: {when_s} s is before {self.now_s} s")
        self.now_s = when_s
