"""`InFlight`: measures load as this caller's requests in flight, per weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.measure import Meter
from coterie.protocols.balancing.policy import RequestOutcome, Target
from coterie.protocols.balancing.weights_in_range import weights_in_range

__all__ = ["InFlight"]


@dataclass(frozen=True, slots=True)
class InFlight:
    """(requests in flight + 1) / weight: what a target of that weight would have with the next request.

    It needs no report, and sees this caller's requests alone: of many callers with few requests each, none knows where
    the others' are.
    """

    def make(self) -> Meter:
        """Return a meter that has counted nothing."""
        return _InFlightMeter()


class _InFlightMeter(Meter):
    def __init__(self) -> None:
        self._in_flight: dict[str, int] = {}
        self._share: dict[str, float] = {}  # 1 / weight

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        known = self._in_flight
        self._in_flight = {target.key: known.get(target.key, 0) for target in targets}
        weights = weights_in_range([target.weight for target in targets])
        self._share = {target.key: 1 / weight for target, weight in zip(targets, weights, strict=True)}

    def load(self, target: str, *, now: float) -> float:
        return (self._in_flight[target] + 1) * self._share[target]

    def picked(self, target: str, *, now: float) -> None:
        self._in_flight[target] += 1

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self._in_flight[target] -= 1

    def describe(self, target: str, *, now: float) -> str:
        weight = 1 / self._share[target]
        return f"{self._in_flight[target]} in flight" + ("" if weight == 1 else f" at weight {weight:g}")
