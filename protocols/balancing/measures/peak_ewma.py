"""`PeakEwma`: measures load as a latency that rises at once and decays slowly, times the requests in flight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.measure import Meter
from coterie.protocols.balancing.policy import RequestOutcome, Target

__all__ = ["PeakEwma"]


@dataclass(frozen=True, slots=True)
class PeakEwma:
    """Finagle's peak-sensitive moving average: load = cost · (requests in flight + 1), weights are ignored.

    A latency above the cost replaces it at once; else, with w = e^(−Δt/decay), cost = cost · w + latency · (1 − w).
    Reading the load decays the cost as a latency of 0 would: a target that was slow once is tried again. Without any
    answer the load is 0, and `penalty_s` + requests in flight from the first request on: a new target is tried once,
    and then waits for its answer.

    All outcomes count with their time, as in Finagle: a target that fails fast looks fast (wrap the policy in outlier
    ejection). A request that was lost counts when that is known, at its time-out.

    Source: `PeakEwma` in twitter/finagle's load balancers ("Beyond round robin: load balancing for latency", 2016).

    Attributes:
        decay_s: the time constant of the average, s, above 0. Default 10, Finagle's. Too low: a slow target is tried
            again soon, and spoils requests; too high: one that has recovered stays idle for long.
        penalty_s: the load of a target with requests in flight and without any answer, s, above 0. Default 1,000,000:
            above any latency, as in Finagle. Too low: a new target gets many requests before its first answer.
    """

    decay_s: float = 10.0
    penalty_s: float = 1e6

    def __post_init__(self) -> None:
        for name in ("decay_s", "penalty_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and finite")

    def make(self) -> Meter:
        """Return a meter without any answer."""
        return _PeakEwmaMeter(self)


class _Cost:
    __slots__ = ("at", "cost_s", "in_flight")

    def __init__(self) -> None:
        self.cost_s = 0.0
        self.at = 0.0
        self.in_flight = 0

    def observe(self, latency_s: float, now: float, decay_s: float) -> None:
        if latency_s > self.cost_s:
            self.cost_s = latency_s
        elif now > self.at:
            kept = exp((self.at - now) / decay_s)
            self.cost_s = self.cost_s * kept + latency_s * (1 - kept)
        self.at = now


class _PeakEwmaMeter(Meter):
    def __init__(self, settings: PeakEwma) -> None:
        self._decay_s = settings.decay_s
        self._penalty_s = settings.penalty_s
        self._by_target: dict[str, _Cost] = {}

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        known = self._by_target
        self._by_target = {target.key: known.get(target.key) or _Cost() for target in targets}

    def load(self, target: str, *, now: float) -> float:
        cost = self._by_target[target]
        cost_s = cost.cost_s
        if cost_s == 0:
            return self._penalty_s + cost.in_flight if cost.in_flight else 0.0
        if now > cost.at:
            cost_s = cost.cost_s = cost_s * exp((cost.at - now) / self._decay_s)
            cost.at = now
        return cost_s * (cost.in_flight + 1)

    def picked(self, target: str, *, now: float) -> None:
        self._by_target[target].in_flight += 1

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        cost = self._by_target[target]
        cost.in_flight -= 1
        cost.observe(latency_s, now, self._decay_s)

    def describe(self, target: str, *, now: float) -> str:
        cost = self._by_target[target]
        if cost.cost_s == 0:
            return f"no answer yet, {cost.in_flight} in flight"
        return f"{cost.cost_s * 1000:.3g} ms × {cost.in_flight + 1}"
