"""`ProbePool`: holds the answers of probes until a pick uses them: the best one, the worst one, the oldest one."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import NamedTuple

__all__ = ["HeldProbe", "PoolChoice", "ProbePool"]


class HeldProbe:
    """The answer of one probe, and what this caller has done with it since.

    Attributes:
        target: whose answer it is.
        in_flight: its RIF, one more for each request that this caller has sent to it since.
        latency_s: its estimate, s; None if it has no sample: it counts as fast as the fastest that is known.
        received_at: when the answer came, s.
        uses_left: the picks that it may serve still.
    """

    __slots__ = ("in_flight", "latency_s", "received_at", "target", "uses_left")

    def __init__(self, target: str, in_flight: int, latency_s: float | None, received_at: float, uses_left: float) -> None:
        self.target = target
        self.in_flight = in_flight
        self.latency_s = latency_s
        self.received_at = received_at
        self.uses_left = uses_left


class PoolChoice(NamedTuple):
    """The probe that the rule prefers, with the numbers of the moment: `cold` of `usable` probes were cold."""

    probe: HeldProbe
    is_cold: bool
    in_flight: int
    limit: float
    cold: int
    usable: int


class ProbePool:
    """The probes of one caller, at most one of each target: an answer replaces the older one of the same target.

    A probe is *hot* if its RIF exceeds a limit, else *cold* (Prequal §4, "hot-cold lexicographic rule").

    Args:
        size: the most probes that are held.
        max_age_s: older ones are dropped, s.
    """

    __slots__ = ("_by_target", "_max_age_s", "_removes_oldest", "_size")

    def __init__(self, size: int, max_age_s: float) -> None:
        self._size = size
        self._max_age_s = max_age_s
        self._by_target: dict[str, HeldProbe] = {}  # the oldest first
        self._removes_oldest = True

    def __len__(self) -> int:
        return len(self._by_target)

    def get(self, target: str) -> HeldProbe | None:
        """Return the probe of a target, if there is one."""
        return self._by_target.get(target)

    def add(self, probe: HeldProbe) -> None:
        """Add the newest probe; in a full pool it takes the place of the oldest one."""
        self._by_target.pop(probe.target, None)
        if len(self._by_target) >= self._size:
            self._remove_oldest()
        self._by_target[probe.target] = probe

    def drop(self, target: str) -> None:
        """Drop the probe of a target, if there is one."""
        self._by_target.pop(target, None)

    def expire(self, now: float) -> None:
        """Drop the probes that are too old."""
        while self._by_target:
            oldest = next(iter(self._by_target.values()))
            if now - oldest.received_at <= self._max_age_s:
                return
            del self._by_target[oldest.target]

    def use(self, target: str) -> None:
        """Record that a request goes to `target`: its RIF is one more, and its probe has one use less."""
        probe = self._by_target.get(target)
        if probe is None:
            return
        probe.in_flight += 1
        probe.uses_left -= 1
        if probe.uses_left < 1:
            del self._by_target[target]

    def choose(
        self, limit: float, exclude: AbstractSet[str], *, usable_min: int, tolerance: float = 0.0
    ) -> PoolChoice | None:
        """Return the best probe: the cold one of lowest latency if any is cold, else the one of lowest RIF.

        Cold ones count as equally fast if their latency is at most `1 + tolerance` times the lowest, or not known; of
        these the one of lowest RIF wins, then the faster one, then the older one. None if fewer than `usable_min` are
        not excluded.
        """
        usable = [probe for probe in self._by_target.values() if probe.target not in exclude]
        if len(usable) < usable_min:
            return None
        cold = [probe for probe in usable if probe.in_flight <= limit]
        if not cold:
            best = min(usable, key=_in_flight)
            return PoolChoice(best, False, best.in_flight, limit, 0, len(usable))
        lowest_s = min((probe.latency_s for probe in cold if probe.latency_s is not None), default=0.0)
        most_s = lowest_s * (1 + tolerance)
        best_rank = (float("inf"), float("inf"))
        best = cold[0]
        for probe in cold:
            latency_s = lowest_s if probe.latency_s is None else probe.latency_s
            if latency_s <= most_s and (rank := (probe.in_flight, latency_s)) < best_rank:
                best, best_rank = probe, rank
        return PoolChoice(best, True, best.in_flight, limit, len(cold), len(usable))

    def remove_one(self, limit: float) -> None:
        """Remove the oldest and the worst probe in turn, against probes that are stale, or stay because they are bad.

        The worst one is the hot one of highest RIF if any is hot, else the cold one of highest latency.
        """
        if self._by_target:
            if self._removes_oldest:
                self._remove_oldest()
            else:
                del self._by_target[self._worst(limit).target]
            self._removes_oldest = not self._removes_oldest

    def _remove_oldest(self) -> None:
        del self._by_target[next(iter(self._by_target))]

    def _worst(self, limit: float) -> HeldProbe:
        worst, *others = self._by_target.values()
        for probe in others:
            if probe.in_flight > limit:
                if probe.in_flight > worst.in_flight:  # this is so, too, if `worst` is cold: then it is at most `limit`
                    worst = probe
            elif worst.in_flight <= limit and (probe.latency_s or 0.0) > (worst.latency_s or 0.0):
                worst = probe
        return worst


_in_flight = attrgetter("in_flight")
