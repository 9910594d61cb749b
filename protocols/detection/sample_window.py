"""`SampleWindow`: keeps the mean and the deviation of the last samples, without rounding drift."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["SampleWindow"]

_NS = 1e9


class SampleWindow:
    """The last `size` samples (s). Adding one takes constant time, whatever the size.

    Samples are kept as whole nanoseconds, and their sums as whole numbers, which Python adds and subtracts exactly. So
    a window that has been in use for years equals one that is computed anew, and its variance is never negative. (A
    running sum of floats keeps the rounding error of every sample that ever passed through it.)
    """

    __slots__ = ("_samples_ns", "_size", "_square_sum", "_sum_ns")

    def __init__(self, size: int) -> None:
        self._size = size
        self._samples_ns: deque[int] = deque()
        self._sum_ns = 0
        self._square_sum = 0

    def __len__(self) -> int:
        return len(self._samples_ns)

    def add(self, sample_s: float) -> None:
        """Add a sample; the oldest one leaves a full window."""
        sample_ns = round(sample_s * _NS)
        if len(self._samples_ns) == self._size:
            self._remove_oldest()
        self._samples_ns.append(sample_ns)
        self._sum_ns += sample_ns
        self._square_sum += sample_ns * sample_ns

    @property
    def mean_s(self) -> float:
        """The mean (s). ZeroDivisionError if the window is empty."""
        return self._sum_ns / len(self._samples_ns) / _NS

    @property
    def deviation_s(self) -> float:
        """The standard deviation of these samples (s; divided by n, not by n - 1). ZeroDivisionError if empty."""
        count = len(self._samples_ns)
        return math.sqrt(count * self._square_sum - self._sum_ns * self._sum_ns) / count / _NS

    def _remove_oldest(self) -> None:
        oldest_ns = self._samples_ns.popleft()
        self._sum_ns -= oldest_ns
        self._square_sum -= oldest_ns * oldest_ns
