"""`Deadline`: suspects a peer whose heartbeats stay away for a fixed time: the simplest detector, and often enough.

    suspicion = silence / timeout_s

It is the detector of most systems (Akka's DeadlineFailureDetector, Raft's election time-out). Its time-out must suit
the worst link, because it learns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from coterie.protocols.detection.heartbeats.heartbeat_config import HeartbeatConfig
from coterie.protocols.detection.suspicion_level import suspicion_level

__all__ = ["Deadline", "DeadlineConfig"]


class Deadline:
    """A `PeerDetector` with a fixed time-out (s), which begins to wait at `now` (monotonic, s)."""

    __slots__ = ("_heard_at", "_timeout_s")

    def __init__(self, timeout_s: float, *, now: float) -> None:
        self._timeout_s = timeout_s
        self._heard_at = now

    def heard(self, *, now: float, sequence: int | None = None) -> None:
        """Record a heartbeat; its number does not matter."""
        self._heard_at = now

    def suspicion(self, *, now: float) -> float:
        """Return the silence as a share of the time-out."""
        level = (now - self._heard_at) / self._timeout_s
        return suspicion_level(level, now=now, suspects_at=self.suspects_at())

    def suspects_at(self) -> float:
        """Return the time of the last heartbeat plus the time-out."""
        return self._heard_at + self._timeout_s

    def paused(self, pause_s: float) -> None:
        """Leave `pause_s` seconds out of the silence."""
        self._heard_at += pause_s

    def evidence(self, *, now: float) -> Mapping[str, object]:
        """Return the silence and the time-out."""
        return {"silence_s": now - self._heard_at, "timeout_s": self._timeout_s}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlineConfig(HeartbeatConfig):
    """The settings of `Deadline`. The defaults are those of `lan()`.

    Attributes:
        timeout_s: the silence after which a peer is suspected (s). Default 2, four intervals: three heartbeats in a
            row must be lost or late. Too low: every pause for garbage collection is a suspicion. Too high: every
            crash is noticed that much later.
    """

    timeout_s: float = 2.0

    def __post_init__(self) -> None:
        HeartbeatConfig.__post_init__(self)
        if not self.interval_s < self.timeout_s < float("inf"):
            raise ValueError(
                f"timeout_s ({self.timeout_s}) must be longer than interval_s ({self.interval_s}) and finite: "
                "otherwise every peer is suspected between two heartbeats"
            )

    def peer_detector(self, *, now: float) -> Deadline:
        """Return a `Deadline` that begins to wait at `now`."""
        return Deadline(self.timeout_s, now=now)

    @classmethod
    def local(cls) -> DeadlineConfig:
        """Return settings for processes on one machine: suspects after 0.5 s, 10 heartbeats a second."""
        return cls(interval_s=0.1, timeout_s=0.5, fail_after_s=1.0, lag_tolerance_s=0.05, start_grace_s=5.0)

    @classmethod
    def lan(cls) -> DeadlineConfig:
        """Return settings for one data centre: suspects after 2 s, two heartbeats a second."""
        return cls()

    @classmethod
    def wan(cls) -> DeadlineConfig:
        """Return settings for several regions: suspects after 10 s, one heartbeat a second."""
        return cls(interval_s=1.0, timeout_s=10.0, fail_after_s=30.0, start_grace_s=20.0)
