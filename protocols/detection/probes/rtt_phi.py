"""`RttPhi`: learns from the round trips of one peer's probes how long to wait for an answer, and counts those missed.

    time-out = clamp((μ + y σ) · (1 + local score + 1 if indirect), ½ … 4 times the initial time-out)

y is the number of deviations at which phi reaches the threshold in Akka's approximation (`LogisticTail`): 5.226 for 8.
It is what Orleans adopted (dotnet/orleans #10510, 2026), with its constants: phi over round trips instead of intervals.

1. Only round trips of direct probes are sampled. A probe without answer is a censored measurement: its time-out is not
   a round trip. An indirect answer has taken another path.
2. σ is at least initial / (2 y): so the time-out exceeds μ by half of the initial time-out at least.
3. A round trip in which this process was paused is not sampled.

Suspicion grows from 0 at the last sign of life to 1 at the expected end of the last probe that may be missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from coterie.protocols.detection.sample_window import SampleWindow
from coterie.protocols.detection.suspicion_level import suspicion_level

if TYPE_CHECKING:
    from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig

__all__ = ["RttPhi"]


class RttPhi:
    """A `PeerDetector` by probes, which begins at `now` (monotonic, s). Its user calls, for each probe:

    `sent`, and then one of `answered` (a direct answer), `heard` (an answer through another node) or `missed_one`.
    `missed`: how many probes in a row had no answer. `since`: the time from which the present suspicion grows.
    """

    __slots__ = (
        "_config",
        "_due_at",
        "_heard_at",
        "_level",
        "_round_trips",
        "_sent_at",
        "last_round_trip_s",
        "missed",
        "since",
    )

    def __init__(self, config: RttPhiConfig, *, now: float) -> None:
        self._config = config
        self._round_trips = SampleWindow(config.window_samples)
        self._sent_at: float | None = None
        self._due_at = now
        self.since = self._heard_at = now
        self._level = 0.0
        self.missed = 0
        self.last_round_trip_s: float | None = None

    def timeout_s(self, *, local_score: int = 0, is_indirect: bool = False) -> float:
        """Return how long the answer to a probe is waited for (s).

        `local_score`: the health of this process, 0 for healthy; see `LocalHealth`. An indirect probe has two hops, and
        gets one more share.
        """
        config = self._config
        learned_s = config.probe_timeout_s
        if len(self._round_trips) >= config.min_samples:
            learned_s = self._round_trips.mean_s + config.deviations * self._deviation_s()
        extended_s = learned_s * (1 + local_score + is_indirect)
        return min(max(extended_s, config.shortest_timeout_s), config.longest_timeout_s)

    def sent(self, timeout_s: float, *, now: float) -> None:
        """Record that a probe leaves at `now`, whose answer is waited for `timeout_s`."""
        self._anchor(now)
        self._sent_at, self._due_at = now, now + timeout_s

    def answered(self, *, now: float, is_sampled: bool = True) -> None:
        """Record a direct answer; `is_sampled`: whether its round trip is one of the network alone."""
        if self._sent_at is not None and is_sampled:
            self.last_round_trip_s = now - self._sent_at
            self._round_trips.add(self.last_round_trip_s)
        self.heard(now=now)

    def heard(self, *, now: float, sequence: int | None = None) -> None:
        """Record a sign of life that is no round trip: misses are forgotten, nothing is sampled."""
        self.missed = 0
        self._level, self.since, self._heard_at = 0.0, now, now
        sent_at = now if self._sent_at is None else self._sent_at
        self._sent_at, self._due_at = None, max(now, sent_at + self.timeout_s())

    def missed_one(self, *, now: float) -> None:
        """Record that a probe has had no answer in time. It is not sampled: the time-out is no round trip."""
        self._level = max(self.suspicion(now=now), (self.missed + 1) / self._config.missed_limit)
        self.missed += 1
        self.since = now
        self._sent_at, self._due_at = None, now

    def suspicion(self, *, now: float) -> float:
        """Return the suspicion: at least the share of missed probes; 1 when as many are missed as may be."""
        at = self.suspects_at()
        if self._level >= 1.0:
            return self._level
        share = (now - self.since) / max(at - self.since, 1e-9)
        return suspicion_level(self._level + (1.0 - self._level) * share, now=now, suspects_at=at)

    def suspects_at(self) -> float:
        """Return when the last probe that may be missed ends, if all later ones are sent and none is answered."""
        to_miss = self._config.missed_limit - self.missed
        if to_miss <= 0:
            return self.since
        if self._sent_at is not None:
            to_miss -= 1
        indirect_s = self.timeout_s(is_indirect=True) if to_miss > 0 else 0.0
        return self._due_at + max(0, to_miss - 1) * self.timeout_s() + indirect_s

    def paused(self, pause_s: float) -> None:
        """Leave `pause_s` seconds out of account; the caller answers with `is_sampled=False` if a probe is out."""
        self.since += pause_s
        self._heard_at += pause_s
        self._due_at += pause_s
        if self._sent_at is not None:
            self._sent_at += pause_s

    def evidence(self, *, now: float) -> Mapping[str, object]:
        """Return the time since the last sign of life, the missed probes, and the numbers behind the time-out."""
        is_empty = not len(self._round_trips)
        return {
            "silence_s": now - self._heard_at,
            "missed_probes": self.missed,
            "timeout_s": self.timeout_s(),
            "mean_round_trip_s": 0.0 if is_empty else self._round_trips.mean_s,
            "deviation_s": 0.0 if is_empty else self._deviation_s(),
            "samples": len(self._round_trips),
        }

    def _deviation_s(self) -> float:
        return max(self._round_trips.deviation_s, self._config.min_deviation_s)

    def _anchor(self, now: float) -> None:
        """Continue from the suspicion reached so far: it must not fall because a time-out has become longer."""
        if self._level < 1.0:
            self._level = self.suspicion(now=now)
            self.since = now
