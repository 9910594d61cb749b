"""`ProbePool`: holds the answers of probes until a pick uses them: the best one, the worst one, the oldest one."""

from __future__ import annotations

import math
from collections.abc import Collection
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import NamedTuple

__all__ = ["HeldProbe", "PoolChoice", "ProbePool"]

_in_flight = attrgetter("in_flight")


class HeldProbe:
    """The answer of one probe, and what this caller has done with it since.

    Attributes:
        target: whose answer it is.
        in_flight: its RIF, one more for each request that this caller has sent to it since.
        latency_s: its estimate, s; None if it has no sample: it counts as fast as the fastest that is known.
        known_s: the same, or infinity: a number that can be compared.
        received_at: when the answer came, s.
        uses_left: the picks that it may serve still.
    """

    __slots__ = ("in_flight", "known_s", "latency_s", "received_at", "target", "uses_left")

    def __init__(
        self, target: str, in_flight: int, latency_s: float | None, received_at: float, uses_left: float
    ) -> None:
        self.target = target
        self.in_flight = in_flight
        self.latency_s = latency_s
        self.known_s = math.inf if latency_s is None else latency_s
        self.received_at = received_at
        self.uses_left = uses_left


class PoolChoice(NamedTuple):
    """The probe that the rule prefers among `usable` ones, with the numbers of the moment."""

    probe: HeldProbe
    is_cold: bool
    in_flight: int
    limit: float
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
        probes: Collection[HeldProbe] = self._by_target.values()
        if exclude:
            probes = [probe for probe in probes if probe.target not in exclude]
        if len(probes) < usable_min:
            return None
        infinity = lowest_s = math.inf
        for probe in probes:
            if probe.known_s < lowest_s and probe.in_flight <= limit:
                lowest_s = probe.known_s
        best: HeldProbe | None = None
        best_rif, best_s, most_s = limit, infinity, lowest_s * (1 + tolerance)
        for probe in probes:
            rif = probe.in_flight
            if rif <= best_rif:  # while there is no best one: cold
                known_s = probe.known_s
                if known_s == infinity:
                    known_s = lowest_s
                if known_s <= most_s and (rif < best_rif or known_s < best_s or best is None):
                    best, best_rif, best_s = probe, rif, known_s
        is_cold = best is not None
        best = best or min(probes, key=_in_flight, default=None)
        if best is None:
            return None
        # This is a third of the time of PoolChoice(…).
        return tuple.__new__(PoolChoice, (best, is_cold, best.in_flight, limit, len(probes)))

    def remove_one(self, limit: float) -> None:
        """Remove the oldest and the worst probe in turn, against probes that are stale, or stay because they are bad.

        The worst one is the hot one of highest RIF if any is hot, else the cold one of highest latency.
        """
        worst = None if self._removes_oldest else self._worst(limit)
        if worst is not None:
            del self._by_target[worst.target]
        elif self._by_target:
            self._remove_oldest()
        else:
            return
        self._removes_oldest = not self._removes_oldest

    def _remove_oldest(self) -> None:
        del self._by_target[next(iter(self._by_target))]

    def _worst(self, limit: float) -> HeldProbe | None:
        worst: HeldProbe | None = None
        worst_rif, worst_s = -1, -1.0  # while none is hot, and the latency of the worst cold one
        for probe in self._by_target.values():
            if probe.in_flight > limit:
                if probe.in_flight > worst_rif:
                    worst, worst_rif = probe, probe.in_flight
            elif worst_rif < 0 and (latency_s := probe.latency_s or 0.0) > worst_s:
                worst, worst_s = probe, latency_s
        return worst
