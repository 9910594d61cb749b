"""`RetryBudget`: limits the retries of one caller to a share of its requests, so that retries cannot multiply a load.

    budget = RetryBudget(ratio=0.2, min_per_s=10).make()
    budget.sent(now=now)                # for each request, when it is sent for the first time
    if budget.take(now=now): ...        # before each retry: False means that the error must be returned instead

The source is Finagle's `RetryBudget` (deposits that expire, and a reserve for callers of few requests). Here the
withdrawals of a window are compared with its deposits, which is the same rule without its scaled integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

__all__ = ["RetryBudget", "RetryTokens"]

SLICES: Final = 10
"""The number of slices of a window: deposits and withdrawals expire a slice at a time."""


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """The settings of a retry budget. Each caller makes its own `RetryTokens`.

    In each window of `window_s` there are at most `ratio` × requests + `min_per_s` × `window_s` retries. Requests and
    retries together are therefore at most 1 + `ratio` times the requests, and the reserve.

    Attributes:
        ratio: retries per request, 0 … 1000. Default 0.2 (Finagle): if all requests fail, the load grows by a fifth.
            Too low: failures of single targets become visible to callers; too high: retries overload the targets that
            still work.
        min_per_s: the reserve, in retries per second, at least 0. Default 10 (Finagle): callers of few requests may
            retry, too. Too high: many such callers overload a target together.
        window_s: how long a request counts, s, above 0. Default 10 (Finagle). Too short: a burst of failures finds an
            empty budget; too long: after a quiet time there are as many retries as requests.

    Raises:
        ValueError: a field is out of its range; the error names the value.
    """

    ratio: float = 0.2
    min_per_s: float = 10.0
    window_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1000:
            raise ValueError(f"ratio={self.ratio} must be from 0 to 1000")
        if not 0 <= self.min_per_s < math.inf:
            raise ValueError(f"min_per_s={self.min_per_s} must be at least 0 and finite")
        if not 0 < self.window_s < math.inf:
            raise ValueError(f"window_s={self.window_s} must be above 0 and finite")

    def make(self) -> RetryTokens:
        """Return the full budget of a caller that has sent nothing."""
        return RetryTokens(self)


class RetryTokens:
    """The retry budget of one caller. `now` is monotonic, in seconds.

    `taken` and `refused`: the retries that were allowed and refused, since it was made.
    """

    __slots__ = ("_deposits", "_ratio", "_reserve", "_sent", "_slice", "_slice_s", "_used", "_withdrawals", "refused",
                 "taken")  # fmt: skip

    def __init__(self, budget: RetryBudget) -> None:
        self._ratio = budget.ratio
        self._reserve = budget.min_per_s * budget.window_s
        self._slice_s = budget.window_s / SLICES
        self._slice: int | None = None  # the number of the newest slice; its place in the lists is the rest by SLICES
        self._deposits = [0] * SLICES
        self._withdrawals = [0] * SLICES
        self._sent = self._used = 0  # the sums of the two lists
        self.taken = self.refused = 0

    def sent(self, *, now: float) -> None:
        """Count a request, when it is sent for the first time."""
        self._deposits[self._place(now)] += 1
        self._sent += 1

    def take(self, *, now: float) -> bool:
        """Take a retry from the budget; return False, and take nothing, if there is none."""
        place = self._place(now)
        if self._free() < 1:
            self.refused += 1
            return False
        self._withdrawals[place] += 1
        self._used += 1
        self.taken += 1
        return True

    def left(self, *, now: float) -> int:
        """Return how many retries may be taken now."""
        self._place(now)
        return max(0, math.floor(self._free()))

    def _free(self) -> float:
        return self._ratio * self._sent + self._reserve - self._used + 1e-9  # 0.29 × 100 is slightly below 29

    def _place(self, now: float) -> int:
        """Return the place of the newest slice, after the expired ones are cleared. A clock may not go back."""
        newest = math.floor(now / self._slice_s)
        oldest = newest if self._slice is None else self._slice
        if newest > oldest:
            for number in range(max(oldest + 1, newest - SLICES + 1), newest + 1):
                self._clear(number % SLICES)
        self._slice = max(newest, oldest)
        return self._slice % SLICES

    def _clear(self, place: int) -> None:
        self._sent -= self._deposits[place]
        self._used -= self._withdrawals[place]
        self._deposits[place] = self._withdrawals[place] = 0
