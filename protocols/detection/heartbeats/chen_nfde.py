"""`ChenNFDE`: suspects a peer a fixed margin after the expected arrival of its next heartbeat.

    EA(l+1) = mean of (A(i) - η s(i)) over the last n heartbeats + (l + 1) η        trust until EA(l+1) + α

Chen, Toueg, Aguilera, *On the Quality of Service of Failure Detectors*, IEEE Transactions on Computers 51(5), 2002,
§6: algorithm NFD-E. A(i) is the arrival of the heartbeat with number s(i), η the interval, l the highest number so far.
Because the expected arrival is reckoned from the numbers and from many arrivals, a heartbeat that arrives early or late
does not move the next deadline with it, and lost heartbeats leave no trace in the estimate. Of all detectors with the
same interval and the same longest detection time it has the fewest mistakes (§3.4), if delays do not depend on load.

A heartbeat that is later than the expected arrival of the next one plus the margin does not lift a suspicion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.protocols.detection.heartbeats.chen_quality import chen_parameters
from coterie.protocols.detection.heartbeats.heartbeat_config import HeartbeatConfig
from coterie.protocols.detection.sample_window import SampleWindow
from coterie.protocols.detection.suspicion_level import suspicion_level

__all__ = ["ChenConfig", "ChenNFDE"]


class ChenNFDE:
    """A `PeerDetector` by expected arrivals. It begins to wait for the first heartbeat at `now` (monotonic, s)."""

    __slots__ = ("_arrivals", "_config", "_heard_at", "_sequence", "_trusted_until")

    def __init__(self, config: ChenConfig, *, now: float) -> None:
        self._config = config
        self._arrivals = SampleWindow(config.window_heartbeats)
        self._sequence = 0
        self._heard_at = now
        self._trusted_until = now + config.interval_s + config.margin_s

    def heard(self, *, now: float, sequence: int | None = None) -> None:
        """Estimate the next arrival. A number that is not higher than the last one is ignored (§6.3, line 7)."""
        number = self._sequence + 1 if sequence is None else sequence
        if number <= self._sequence:
            return
        interval_s = self._config.interval_s
        self._sequence = number
        self._heard_at = now
        self._arrivals.add(now - number * interval_s)
        self._trusted_until = self._arrivals.mean_s + (number + 1) * interval_s + self._config.margin_s

    def suspicion(self, *, now: float) -> float:
        """Return 1 at the end of trust, and less before by the time that is left, in units of interval + margin.

        NFD-E itself knows trust and suspicion only; the scale between is ours.
        """
        level = 1.0 + (now - self._trusted_until) / (self._config.interval_s + self._config.margin_s)
        return suspicion_level(level, now=now, suspects_at=self._trusted_until)

    def suspects_at(self) -> float:
        """Return the expected arrival of the next heartbeat plus the margin."""
        return self._trusted_until

    def paused(self, pause_s: float) -> None:
        """Trust the peer for `pause_s` seconds longer. The estimate stays: the sender was not paused."""
        self._heard_at += pause_s
        self._trusted_until += pause_s

    def evidence(self, *, now: float) -> Mapping[str, object]:
        """Return the silence, by how much the deadline has passed, and the numbers of the estimate."""
        return {
            "silence_s": now - self._heard_at,
            "overdue_s": now - (self._trusted_until - self._config.margin_s),
            "margin_s": self._config.margin_s,
            "arrival_deviation_s": self._arrivals.deviation_s if len(self._arrivals) else 0.0,
            "samples": len(self._arrivals),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ChenConfig(HeartbeatConfig):
    """The settings of `ChenNFDE`. The defaults are those of `lan()`. `for_quality` computes them from what is wanted.

    Attributes:
        margin_s: α, how long after its expected arrival a heartbeat is waited for (s). Default 1.5: two heartbeats in
            a row may be lost, and the third may be half a second late. Too low: each lost heartbeat is a suspicion.
            Too high: every crash is noticed that much later; the longest detection time is interval + margin + the
            mean delay.
        window_heartbeats: n, the number of arrivals in the estimate. Default 100. Too low: the deadline jumps with
            every late heartbeat. Too high: a change of the delay, or clocks that drift, are learned late.
    """

    margin_s: float = 1.5
    window_heartbeats: int = 100

    def __post_init__(self) -> None:
        HeartbeatConfig.__post_init__(self)
        if not 0 < self.margin_s < float("inf"):
            raise ValueError(
                f"margin_s is {self.margin_s}: it must be above 0 and finite, because half of all heartbeats are later "
                "than expected"
            )
        if self.window_heartbeats < 1:
            raise ValueError(f"window_heartbeats is {self.window_heartbeats}: it must be at least 1")

    def peer_detector(self, *, now: float) -> ChenNFDE:
        """Return a `ChenNFDE` that begins to wait at `now`."""
        return ChenNFDE(self, now=now)

    @classmethod
    def for_quality(
        cls,
        *,
        detection_time_s: float,
        mistake_recurrence_s: float,
        mistake_duration_s: float,
        loss: float,
        delay_deviation_s: float,
        fail_after_s: float = 5.0,
    ) -> ChenConfig:
        """Return the settings with the fewest heartbeats that reach the wanted quality: see `chen_parameters`.

        Raises:
            QualityUnreachable: no interval reaches it on such a link.
            ValueError: the wishes are out of range.
        """
        interval_s, margin_s = chen_parameters(
            detection_time_s=detection_time_s,
            mistake_recurrence_s=mistake_recurrence_s,
            mistake_duration_s=mistake_duration_s,
            loss=loss,
            delay_deviation_s=delay_deviation_s,
        )
        lag_tolerance_s = min(cls().lag_tolerance_s, interval_s / 2)
        return cls(interval_s=interval_s, margin_s=margin_s, fail_after_s=fail_after_s, lag_tolerance_s=lag_tolerance_s)

    @classmethod
    def local(cls) -> ChenConfig:
        """Return settings for processes on one machine: suspects after about 0.4 s, 10 heartbeats a second."""
        return cls(interval_s=0.1, margin_s=0.3, fail_after_s=1.0, lag_tolerance_s=0.05, start_grace_s=5.0)

    @classmethod
    def lan(cls) -> ChenConfig:
        """Return settings for one data centre: suspects after about 2 s, two heartbeats a second."""
        return cls()

    @classmethod
    def wan(cls) -> ChenConfig:
        """Return settings for several regions: suspects after about 6 s, one heartbeat a second."""
        return cls(interval_s=1.0, margin_s=5.0, fail_after_s=30.0, start_grace_s=20.0)
