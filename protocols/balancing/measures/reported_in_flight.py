"""`ReportedInFlight`: measures load as all callers' requests in flight: those reported, and those sent since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.measure import Meter
from coterie.protocols.balancing.policy import RequestOutcome, Target

__all__ = ["ReportedInFlight"]


@dataclass(frozen=True, slots=True)
class ReportedInFlight:
    """The RIF of a target's last report, plus this caller's requests to it since; its own alone without a report.

    It sees other callers' requests, but only as of the last reply: a target that is avoided is not heard of again until
    `max_age_s` has passed. (Prequal sends probes for this reason.)

    Attributes:
        max_age_s: a report that is older counts no longer, s, above 0. Default 10. Too low: quiet targets count as
            idle; too high: a target that was busy once is avoided for longer.
    """

    uses_load_reports: ClassVar[bool] = True

    max_age_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.max_age_s < float("inf"):
            raise ValueError(f"max_age_s={self.max_age_s} must be above 0 and finite")

    def make(self) -> Meter:
        """Return a meter without reports."""
        return _ReportedInFlightMeter(self.max_age_s)


class _Reported:
    __slots__ = ("own", "reported", "reported_at", "sent_since")

    def __init__(self) -> None:
        self.own = self.reported = self.sent_since = 0
        self.reported_at = float("-inf")


class _ReportedInFlightMeter(Meter):
    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._by_target: dict[str, _Reported] = {}

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        known = self._by_target
        self._by_target = {target.key: known.get(target.key) or _Reported() for target in targets}

    def load(self, target: str, *, now: float) -> float:
        state = self._by_target[target]
        if now - state.reported_at > self._max_age_s:
            return state.own
        return max(state.own, state.reported + state.sent_since)

    def picked(self, target: str, *, now: float) -> None:
        state = self._by_target[target]
        state.own += 1
        state.sent_since += 1

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        state = self._by_target[target]
        state.own -= 1
        if load is not None:
            state.reported, state.reported_at, state.sent_since = load.in_flight, now, 0

    def describe(self, target: str, *, now: float) -> str:
        state = self._by_target[target]
        if now - state.reported_at > self._max_age_s:
            return f"{state.own} in flight, without a report"
        return f"{state.reported} in flight reported and {state.sent_since} sent since"
