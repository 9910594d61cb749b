"""`LatencyByLoad`: estimates the latency of a request that arrives now, from recent requests that met a similar load.

The server's part of Prequal (Wydrowski et al., "Load is not what you should balance: Introducing Prequal", NSDI 2024,
§4, load signals). The server counts its requests in flight (RIF), remembers the latency of each completed request with
the count *at its arrival*, and answers a probe with the present count and the median of recent latencies at, or near,
that count:

    in flight at arrival        0       1       2       5
    latencies, newest last     9 10    19 20   31      61 60      3 in flight now: the nearest levels are 2, 1, 5, …

An average over all recent requests would lag behind a queue that grows or shrinks; this estimate follows it at once.

Ours: requests that are still in flight count with their age, if that is above the median of the completed ones. While a
queue grows fast, only the quick requests that met it have completed: an estimate from these alone falls as the queue
grows, and attracts more. With ten equal servers and costs that vary, that made whole servers time out.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from itertools import islice
from typing import Final

__all__ = ["LatencyByLoad"]


AGES_MAX: Final = 64
"""The most requests in flight whose age counts, the oldest ones: a report must stay cheap on an overloaded server."""

NEARBY: Final = 0.25
"""Levels are nearby if they differ from the present one by at most this share of it."""


class LatencyByLoad:
    """The requests in flight of one server, and the latencies of its last requests by the count at their arrival.

    The paper gives no numbers for "recent" and "near"; these are ours.

    Args:
        samples_max: how many of the last requests are remembered, at least 1. Default 128. Too low: loads that occur
            rarely have no sample nearby; too high: the estimate follows a change of speed late.
        samples_per_estimate: the median is taken of so many, nearest levels first, at least 1. Default 21. Too low:
            a few odd requests decide; too high: requests that met another load are counted.
        max_age_s: older requests are forgotten, s, above 0. Default 10. Too low: a server with few requests has no
            estimate; too high: a server that was slow once, and is avoided since, looks slow for longer.
    """

    __slots__ = (
        "_arrival_by_number", "_last_number", "_latencies_by_rif", "_levels", "_max_age_s", "_order", "_samples_max",
        "_wanted",
    )  # fmt: skip

    def __init__(self, *, samples_max: int = 128, samples_per_estimate: int = 21, max_age_s: float = 10.0) -> None:
        if samples_max < 1 or samples_per_estimate < 1:
            raise ValueError(
                f"samples_max={samples_max} and samples_per_estimate={samples_per_estimate} must be at least 1"
            )
        if not 0 < max_age_s < float("inf"):
            raise ValueError(f"max_age_s={max_age_s} must be above 0 and finite")
        self._samples_max = samples_max
        self._wanted = samples_per_estimate
        self._max_age_s = max_age_s
        self._order: deque[tuple[float, int]] = deque()  # when completed, and the level, the oldest first
        self._latencies_by_rif: dict[int, deque[float]] = {}
        self._levels: list[int] = []  # the keys of `_latencies_by_rif`, sorted
        self._arrival_by_number: dict[int, tuple[int, float]] = {}  # of those in flight: the level, and when
        self._last_number = 0

    @property
    def in_flight(self) -> int:
        """The requests that have arrived and are not completed."""
        return len(self._arrival_by_number)

    def arrived(self, *, now: float) -> int:
        """Count a request that arrives at monotonic time `now` (s); return its number, for `completed`."""
        number = self._last_number = self._last_number + 1
        self._arrival_by_number[number] = (len(self._arrival_by_number), now)
        return number

    def completed(self, number: int, *, now: float, is_sample: bool = True) -> None:
        """Count the end of a request. Its latency is from its arrival to now, waiting included.

        Args:
            number: what `arrived` returned.
            now: monotonic, s.
            is_sample: False if its latency says nothing about the next request: it failed at once, for example.

        Raises:
            ValueError: it is not in flight: it was completed already, or has never arrived.
        """
        try:
            rif, arrived_at = self._arrival_by_number.pop(number)
        except KeyError:
            raise ValueError(f"request {number} is not in flight: it has never arrived, or was completed") from None
        if is_sample:
            self._record(rif, now - arrived_at, now)

    def _record(self, rif: int, latency_s: float, now: float) -> None:
        latencies = self._latencies_by_rif.get(rif)
        if latencies is None:
            latencies = self._latencies_by_rif[rif] = deque()
            insort(self._levels, rif)
        latencies.append(latency_s)
        self._order.append((now, rif))
        self._forget(now)

    def report(self, now: float) -> tuple[int, float | None]:
        """Return the requests in flight, and the latency of one that arrives now, s; None if nothing is known."""
        self._forget(now)
        samples = self._nearest(self.in_flight)
        median_s = _median(samples) if samples else 0.0
        ages = [now - at for _, at in islice(self._arrival_by_number.values(), AGES_MAX) if now - at > median_s]
        if ages:
            median_s = _median(samples + ages)
        return self.in_flight, median_s if samples or ages else None

    def _forget(self, now: float) -> None:
        order, oldest = self._order, now - self._max_age_s
        while order and (len(order) > self._samples_max or order[0][0] < oldest):
            _, rif = order.popleft()
            latencies = self._latencies_by_rif[rif]
            latencies.popleft()
            if not latencies:
                del self._latencies_by_rif[rif]
                del self._levels[bisect_left(self._levels, rif)]

    def _nearest(self, rif: int) -> list[float]:
        """Return the newest samples of the levels near `rif`, the nearest first; of two equally near, the higher one.

        If there is a sample nearby (at most a quarter away, or one request), farther ones do not count: else a server
        that was overloaded once, and is avoided since, would look slow for as long as it remembers that.
        """
        levels, found = self._levels, list[float]()
        nearby = max(1.0, NEARBY * rif)
        above = bisect_left(levels, rif)
        below = above - 1
        while len(found) < self._wanted and (below >= 0 or above < len(levels)):
            if below < 0 or (above < len(levels) and levels[above] - rif <= rif - levels[below]):
                level, above = levels[above], above + 1
            else:
                level, below = levels[below], below - 1
            if found and abs(level - rif) > nearby:
                break
            latencies = self._latencies_by_rif[level]
            missing = self._wanted - len(found)
            found += latencies if len(latencies) <= missing else list(latencies)[-missing:]
        return found


def _median(values: list[float]) -> float:
    values.sort()
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
