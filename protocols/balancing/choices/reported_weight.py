"""`ReportedWeight`: computes the weight that the reports of one target give, and says when it counts."""

from __future__ import annotations

from coterie.protocols.balancing.load_report import LoadReport

__all__ = ["ReportedWeight"]


class ReportedWeight:
    """The weight of one target, by gRFC A58: requests per second / (utilization + error share · penalty).

    ┌──────────┐  first usable report   ┌──────────┐  after blackout_s  ┌────────┐
    │ unknown  │ ─────────────────────▶ │ blackout │ ─────────────────▶ │ usable │
    └──────────┘                        └──────────┘                    └────────┘
         ▲      no usable report for expiry_s │                             │
         └────────────────────────────────────┴─────────────────────────────┘

    A report without utilization or without requests is ignored, as if it had not come.
    """

    __slots__ = ("_reported_at", "_since", "_weight")

    def __init__(self) -> None:
        self._weight = 0.0
        self._since: float | None = None  # the first usable report, after joining or an expiry
        self._reported_at = 0.0

    def report(self, load: LoadReport, *, error_penalty: float, now: float) -> None:
        """Take a report."""
        if not load.utilization or load.utilization < 0 or load.requests_per_s <= 0:
            return
        error_share = load.errors_per_s / load.requests_per_s
        self._weight = load.requests_per_s / (load.utilization + error_share * error_penalty)
        self._reported_at = now
        if self._since is None:
            self._since = now

    def usable(self, *, blackout_s: float, expiry_s: float, now: float) -> float | None:
        """Return the weight; None if there is none, in the blackout, and after the expiry, which starts anew."""
        if self._since is not None and now - self._reported_at >= expiry_s:
            self._since = None
        if self._since is None or now - self._since < blackout_s:
            return None
        return self._weight

    def describe(self, *, blackout_s: float, now: float) -> str | None:
        """Return why the weight is not used, as `usable` found it; None if it is."""
        if self._since is None:
            return "mean weight: no report"
        if now - self._since < blackout_s:
            return f"mean weight: reports since {now - self._since:.1f} s (used after {blackout_s:g} s)"
        return None
