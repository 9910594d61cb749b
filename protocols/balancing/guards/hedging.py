"""`Hedging`: decides when a slow request is sent a second time, to another target, and keeps this to a small share.

    hedger = Hedging(after_quantile=0.95).make()
    hedger.sent(now=now)                  # for each request, when it is sent for the first time
    delay_s = hedger.delay_s()            # wait so long for the reply; None: do not hedge
    if hedger.take(now=now): ...          # the reply is not here: send it to another target; the first reply counts
    hedger.waited(latency_s)              # for each request, when it has ended

Only for requests that may be handled twice (`Idempotent`). The source is Dean and Barroso, "The Tail at Scale" (CACM
2013), "Hedged requests": deferred until the 95th percentile of the latency, the load grows by about 5 %.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import Final

from coterie.protocols.balancing.guards.retry_budget import RetryBudget

__all__ = ["Hedger", "Hedging"]

WINDOW_S: Final = 10.0
"""The window in which hedged requests are compared with requests, s."""


@dataclass(frozen=True, slots=True)
class Hedging:
    """The settings of hedged requests. Each caller makes its own `Hedger`.

    Attributes:
        after_quantile: a request is sent again when it has waited longer than this quantile of the last latencies;
            above 0, below 1. Default 0.95 (Dean and Barroso). Too low: the budget is used up by requests that were
            nearly answered; too high: few slow requests are helped.
        after_s: a fixed delay instead, s, above 0; None (default): by quantile.
        max_share: hedged requests per request at most, above 0, up to 1. Default 0.05: what the quantile 0.95 needs.
            Too low: slow spells are not helped; too high: when all targets are slow, the load grows by this share.
        samples: how many latencies are remembered, 10 … 10,000. Default 500. Too few: the quantile is noise; too
            many: it follows a change slowly.
        min_samples: before so many latencies, the quantile is unknown and nothing is hedged; 1 … `samples`.
            Default 50.

    Raises:
        ValueError: a field is out of its range; the error names the value.
    """

    after_quantile: float = 0.95
    after_s: float | None = None
    max_share: float = 0.05
    samples: int = 500
    min_samples: int = 50

    def __post_init__(self) -> None:
        if not 0 < self.after_quantile < 1:
            raise ValueError(f"after_quantile={self.after_quantile} must be above 0 and below 1")
        if self.after_s is not None and not 0 < self.after_s < math.inf:
            raise ValueError(f"after_s={self.after_s} must be above 0 and finite")
        if not 0 < self.max_share <= 1:
            raise ValueError(f"max_share={self.max_share} must be above 0 and at most 1")
        if not 10 <= self.samples <= 10_000:
            raise ValueError(f"samples={self.samples} must be from 10 to 10000")
        if not 1 <= self.min_samples <= self.samples:
            raise ValueError(f"min_samples={self.min_samples} must be from 1 to samples={self.samples}")

    def make(self) -> Hedger:
        """Return the hedger of a caller that has sent nothing."""
        return Hedger(self)


class Hedger:
    """When one caller sends a request a second time. `now` is monotonic, in seconds."""

    __slots__ = ("_budget", "_newest", "_settings", "_sorted")

    def __init__(self, settings: Hedging) -> None:
        self._settings = settings
        self._budget = RetryBudget(settings.max_share, min_per_s=0.0, window_s=WINDOW_S).make()
        self._newest: deque[float] = deque()  # the last latencies, in the order of arrival
        self._sorted: list[float] = []  # the same ones, ascending

    def sent(self, *, now: float) -> None:
        """Count a request, when it is sent for the first time."""
        self._budget.sent(now=now)

    def delay_s(self) -> float | None:
        """Return how long to wait for a reply before the request is sent again, s; None if it must not be."""
        settings = self._settings
        if settings.after_s is not None:
            return settings.after_s
        count = len(self._sorted)
        if count < settings.min_samples:
            return None
        return self._sorted[math.ceil(settings.after_quantile * count) - 1]  # the nearest rank

    def take(self, *, now: float) -> bool:
        """Take a second request from the budget, when the delay is over; False: keep waiting for the first alone."""
        return self._budget.take(now=now)

    def waited(self, latency_s: float) -> None:
        """Record how long the first of a request's attempts took, s, or was waited for without a reply.

        If the second attempt was answered first, this is the time since the first was sent. It is less than the first
        would have taken, but above the delay, and so on the right side of the quantile; the delay settles a little
        too low (7 % are hedged instead of 5 %), and `max_share` holds. Without these samples it would collapse.
        """
        if self._settings.after_s is not None:
            return
        if len(self._newest) == self._settings.samples:
            del self._sorted[bisect_left(self._sorted, self._newest.popleft())]
        self._newest.append(latency_s)
        insort(self._sorted, latency_s)

    @property
    def taken(self) -> int:
        """How many requests were sent a second time."""
        return self._budget.taken

    @property
    def refused(self) -> int:
        """How many slow requests were not sent a second time, because of `max_share`."""
        return self._budget.refused
