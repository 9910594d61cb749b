"""`PhiAccrual`: suspects when so long a silence is improbable, given the intervals of the peer's heartbeats so far.

    suspicion = phi(silence - acceptable pause) / threshold        phi: see `tail_models.py`

Hayashibara, Défago, Yared, Katayama, *The φ accrual failure detector*, SRDS 2004. From Akka come the acceptable pause,
which is added to μ, the lower bound of σ, and the first estimate: two samples, interval_s ± interval_s / 4.

1. The time until the first heartbeat is no interval between heartbeats: it is not sampled. (A peer that started a
   minute later than this node would count as one whose heartbeats come every minute.)
2. A silence that was suspected is not sampled either, as in Akka: it would hide the next crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from coterie.protocols.detection.heartbeats.heartbeat_config import HeartbeatConfig
from coterie.protocols.detection.heartbeats.tail_models import LogisticTail, TailModel
from coterie.protocols.detection.sample_window import SampleWindow
from coterie.protocols.detection.suspicion_level import suspicion_level

__all__ = ["PhiAccrual", "PhiAccrualConfig"]


class PhiAccrual:
    """A `PeerDetector` by phi. It begins to wait for the first heartbeat at `now` (monotonic, s)."""

    __slots__ = ("_config", "_has_heard", "_heard_at", "_suspects_at", "_window")

    def __init__(self, config: PhiAccrualConfig, *, now: float) -> None:
        self._config = config
        self._window = SampleWindow(config.window_samples)
        self._window.add(config.interval_s * 0.75)
        self._window.add(config.interval_s * 1.25)
        self._heard_at = now
        self._has_heard = False
        self._suspects_at = now + self._tolerated_silence_s()

    def heard(self, *, now: float, sequence: int | None = None) -> None:
        """Sample the interval since the last heartbeat, unless it is the first or was suspected."""
        if self._has_heard and now < self._suspects_at:
            self._window.add(now - self._heard_at)
        self._has_heard = True
        self._heard_at = now
        self._suspects_at = now + self._tolerated_silence_s()

    def suspicion(self, *, now: float) -> float:
        """Return phi as a share of the threshold."""
        return suspicion_level(self.phi(now=now) / self._config.threshold, now=now, suspects_at=self._suspects_at)

    def suspects_at(self) -> float:
        """Return when phi reaches the threshold."""
        return self._suspects_at

    def paused(self, pause_s: float) -> None:
        """Leave `pause_s` seconds out of the silence, and out of the sample that ends it."""
        self._heard_at += pause_s
        self._suspects_at += pause_s

    def evidence(self, *, now: float) -> Mapping[str, object]:
        """Return phi, its threshold, and the numbers from which it is computed."""
        return {
            "silence_s": now - self._heard_at,
            "phi": self.phi(now=now),
            "threshold_phi": self._config.threshold,
            "mean_s": self._mean_s(),
            "deviation_s": self._deviation_s(),
            "samples": len(self._window),
        }

    def phi(self, *, now: float) -> float:
        """Return phi itself, without unit: -log10 of the probability of so long a silence."""
        silence_s = now - self._heard_at - self._config.acceptable_pause_s
        return self._config.model.phi(silence_s, self._mean_s(), self._deviation_s())

    def _tolerated_silence_s(self) -> float:
        config = self._config
        silence_s = config.model.silence_s(config.threshold, self._mean_s(), self._deviation_s())
        return config.acceptable_pause_s + silence_s

    def _mean_s(self) -> float:
        return max(self._window.mean_s, self._config.min_deviation_s)  # above 0 even if heartbeats come in bursts

    def _deviation_s(self) -> float:
        return max(self._window.deviation_s, self._config.min_deviation_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhiAccrualConfig(HeartbeatConfig):
    """The settings of `PhiAccrual`. The defaults are those of `lan()`.

    Attributes:
        threshold: the phi at which a peer is suspected, at least 1. Default 8 as in Akka and Cassandra: one mistake in
            1e8 heartbeats, if the model is right, which it never quite is. Too low: mistakes. Too high: with
            `NormalTail` and `LogisticTail` hardly any cost: 12 instead of 8 takes 1.1 to 1.4 σ longer; with
            `ExponentialTail` each unit takes 2.3 μ.
        model: the distribution of intervals. Default `LogisticTail()`. `NormalTail()` is exact and a little slower to
            suspect; `ExponentialTail()` ignores regularity and waits 18 intervals.
        window_samples: the number of intervals from which μ and σ are computed, at least 2. Default 200, 100 s of
            heartbeats. Too low: an unsteady estimate. Too high: a change of the link is learned late.
        min_deviation_s: the least σ, and the least μ, that is assumed (s); at most interval_s. Default 0.1 as in Akka.
            Too low: on a quiet link the first small delay is a suspicion. Too high: detection takes longer by 5.2
            times the difference.
        acceptable_pause_s: a silence that is tolerated on top of what phi tolerates (s), for pauses that the intervals
            do not show, and for lost heartbeats. Default 1, two intervals. Too low: garbage collection is a
            suspicion. Too high: every crash is noticed that much later.
    """

    threshold: float = 8.0
    model: TailModel = field(default_factory=LogisticTail)
    window_samples: int = 200
    min_deviation_s: float = 0.1
    acceptable_pause_s: float = 1.0

    def __post_init__(self) -> None:
        HeartbeatConfig.__post_init__(self)
        if not 1 <= self.threshold < float("inf"):
            raise ValueError(
                f"threshold is {self.threshold}: it must be at least 1 and finite, because one punctual heartbeat in "
                "ten is later than phi 1"
            )
        if self.window_samples < 2:
            raise ValueError(f"window_samples is {self.window_samples}: a deviation needs at least 2")
        if not 0 < self.min_deviation_s <= self.interval_s:
            raise ValueError(
                f"min_deviation_s ({self.min_deviation_s}) must be above 0 and at most interval_s ({self.interval_s})"
            )
        if not 0 <= self.acceptable_pause_s < float("inf"):
            raise ValueError(f"acceptable_pause_s is {self.acceptable_pause_s}: it must be at least 0 and finite")

    def peer_detector(self, *, now: float) -> PhiAccrual:
        """Return a `PhiAccrual` that begins to wait at `now`."""
        return PhiAccrual(self, now=now)

    @classmethod
    def local(cls) -> PhiAccrualConfig:
        """Return settings for processes on one machine: suspects after about 0.5 s, 10 heartbeats a second."""
        return cls(
            interval_s=0.1,
            fail_after_s=1.0,
            lag_tolerance_s=0.05,
            start_grace_s=5.0,
            min_deviation_s=0.04,
            acceptable_pause_s=0.2,
        )

    @classmethod
    def lan(cls) -> PhiAccrualConfig:
        """Return settings for one data centre: suspects after about 2 s, two heartbeats a second."""
        return cls()

    @classmethod
    def wan(cls) -> PhiAccrualConfig:
        """Return settings for several regions: suspects after about 5 s on a steady link, one heartbeat a second."""
        return cls(
            interval_s=1.0,
            fail_after_s=30.0,
            start_grace_s=20.0,
            threshold=12.0,
            min_deviation_s=0.2,
            acceptable_pause_s=3.0,
        )
