"""`C3`: measures load by C3's replica score: service time times the cube of the expected queue."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.measure import Meter
from coterie.protocols.balancing.policy import RequestOutcome, Target

__all__ = ["C3"]


@dataclass(frozen=True, slots=True)
class C3:
    """Ψ = R − T + q³ · T with q = 1 + clients · own requests in flight + reported queue; weights are ignored.

    R is the average latency that this caller saw, T the average service time that the target reported, and the queue
    the average of its reported requests in flight. The cube punishes long queues: a target that is twice as fast is not
    worth a queue of twice the length. With `LeastLoaded` it is C3's replica ranking. C3's rate control, which limits
    what a caller sends to each target, is left out: a pick always names a target.

    Until a target has reported a service time, T is its latency, or else the last T of any target.

    The averages of a target that is not picked never change: one that was slow, or lost requests, would be left out for
    good. So they are forgotten `max_age_s` after its last request or answer (an addition), and it is tried again as a
    new target is: with one request, whose answer decides.

    Source: Suresh, Canini, Schmid, Feldmann, "C3: cutting tail latency in cloud data stores via adaptive replica
    selection", NSDI 2015, §3.1.

    Attributes:
        clients: n, the callers that share the targets, at least 1. Default 1. Too low: many callers choose the same
            target at once; too high: own requests outweigh all that targets report.
        newest_weight: the weight of the newest sample in the averages, above 0, at most 1. Default 0.9, as in the
            authors' Cassandra. Too low: the averages lag; at 1 the last sample alone decides.
        max_age_s: averages are forgotten so long after the last request to the target, or its last answer, s, above 0.
            Default 10 (ours), as in `ReportedInFlight`. Too low: a slow target is tried often, and spoils requests, and
            rarely used ones are picked at random; too high: one that has recovered stays idle for long.
    """

    uses_load_reports: ClassVar[bool] = True

    clients: int = 1
    newest_weight: float = 0.9
    max_age_s: float = 10.0

    def __post_init__(self) -> None:
        if self.clients < 1:
            raise ValueError(f"clients={self.clients} must be at least 1")
        if not 0 < self.newest_weight <= 1:
            raise ValueError(f"newest_weight={self.newest_weight} must be above 0 and at most 1")
        if not 0 < self.max_age_s < math.inf:
            raise ValueError(f"max_age_s={self.max_age_s} must be above 0 and finite")

    def make(self) -> Meter:
        """Return a meter without any answer."""
        return _C3Meter(self)


class _Averages:
    __slots__ = ("changed_at", "in_flight", "latency_s", "queue", "service_s")

    def __init__(self) -> None:
        self.in_flight = 0
        self.changed_at = -math.inf  # the last request or answer
        self.forget()

    def forget(self) -> None:
        self.latency_s: float | None = None
        self.service_s: float | None = None
        self.queue: float | None = None


class _C3Meter(Meter):
    def __init__(self, settings: C3) -> None:
        self._clients = settings.clients
        self._newest_weight = settings.newest_weight
        self._max_age_s = settings.max_age_s
        self._by_target: dict[str, _Averages] = {}
        self._last_service_s = 1.0  # of any target; before the first, its size has no meaning

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        known = self._by_target
        self._by_target = {target.key: known.get(target.key) or _Averages() for target in targets}

    def load(self, target: str, *, now: float) -> float:
        averages = self._by_target[target]
        if now - averages.changed_at > self._max_age_s:
            averages.forget()
        latency_s, service_s = averages.latency_s, averages.service_s
        if service_s is None:
            service_s = self._last_service_s if latency_s is None else latency_s
        if latency_s is None:
            latency_s = service_s
        queue = 1 + self._clients * averages.in_flight + (averages.queue or 0.0)
        return latency_s - service_s + queue**3 * service_s

    def picked(self, target: str, *, now: float) -> None:
        averages = self._by_target[target]
        if now - averages.changed_at > self._max_age_s:  # if it was the only one allowed, its load was not read
            averages.forget()
        averages.in_flight += 1
        averages.changed_at = now

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        averages = self._by_target[target]
        averages.in_flight -= 1
        averages.changed_at = now
        averages.latency_s = self._average(averages.latency_s, latency_s)
        if load is None:
            return
        averages.queue = self._average(averages.queue, load.in_flight)
        if load.service_s is not None:
            averages.service_s = self._last_service_s = self._average(averages.service_s, load.service_s)

    def _average(self, old: float | None, newest: float) -> float:
        return newest if old is None else old + self._newest_weight * (newest - old)

    def describe(self, target: str, *, now: float) -> str:
        averages = self._by_target[target]
        return (
            f"score {self.load(target, now=now):.3g} s with {averages.in_flight} in flight and"
            f" {averages.queue or 0:.3g} queued"
        )
