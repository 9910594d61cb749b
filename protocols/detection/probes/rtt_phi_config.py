"""`RttPhiConfig`: holds the settings of detection by probes, and makes its detectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.heartbeats.tail_models import LogisticTail
from coterie.protocols.detection.probes.rtt_phi_detector import RttPhiDetector

__all__ = ["RttPhiConfig"]

_INFINITY = float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class RttPhiConfig:
    """The settings of `RttPhiDetector`; the same on every node. The defaults are those of `lan()`.

    The constants are those of Orleans (#10510) unless said otherwise.

    Attributes:
        probe_timeout_s: the time-out of a probe, and so the time from one probe to the next, until round trips have
            been measured (s). Default 1 (Orleans: 5). On a quick link half of it results. Too low: a link that is
            slower than `max_factor` times it never gets an answer in time. Too high: slow detection.
        min_factor, max_factor: the bounds of the learned time-out, as multiples of probe_timeout_s. Default ½ and 4.
            min_factor too low: probes too often on a quick link, and no room for a pause. max_factor too low: slow
            links are suspected; too high: a slow link, or a slow process, detects very late.
        missed_limit: how many probes in a row must stay without answer. Default 3. With more than one, the last one
            goes through another node, so that one broken link is no suspicion. Too low: a lost message or two is a
            suspicion. Too high: each takes one more time-out.
        threshold: the phi of a round trip that is waited for, at least 1. Default 8. Too low: slow answers are missed.
            Too high: little cost.
        window_samples: the number of round trips in the estimate. Default 100. Too low: unsteady. Too high: a change
            of the link is learned late.
        min_samples: how many round trips are needed before the time-out is learned, at most window_samples. Default 4.
        local_score_limit: the highest score of the own health, see `LocalHealth`. Default 8, as in Lifeguard's paper.
            Too low: a slow process accuses others. Too high: no cost, because of max_factor.
        fail_after_s: how long a peer stays suspected before it is `Failed` (s). Default 5.
        lag_tolerance_s: a timer of this process that is late by more shows that the process was paused, and nobody is
            accused. Default 0.1 (s).
        start_grace_s: a peer that has never answered is not suspected so soon after the start of this process (s).
            Default 10: the nodes of a cluster do not start at the same moment. Too low: each start of a cluster ends in
            false alarms. Too high: a node that does not start at all is noticed late.
    """

    probe_timeout_s: float = 1.0
    min_factor: float = 0.5
    max_factor: float = 4.0
    missed_limit: int = 3
    threshold: float = 8.0
    window_samples: int = 100
    min_samples: int = 4
    local_score_limit: int = 8
    fail_after_s: float = 5.0
    lag_tolerance_s: float = 0.1
    start_grace_s: float = 10.0

    def __post_init__(self) -> None:
        self._check_times()
        self._check_counts()

    @property
    def deviations(self) -> float:
        """The number of standard deviations at which phi reaches the threshold: 5.226 for 8."""
        return LogisticTail().silence_s(self.threshold, 0.0, 1.0)

    @property
    def min_deviation_s(self) -> float:
        """The least σ that is assumed (s)."""
        return self.probe_timeout_s / (2.0 * self.deviations)

    @property
    def shortest_timeout_s(self) -> float:
        """The shortest time-out of a probe (s)."""
        return self.probe_timeout_s * self.min_factor

    @property
    def longest_timeout_s(self) -> float:
        """The longest time-out of a probe (s)."""
        return self.probe_timeout_s * self.max_factor

    def make(self, node: NodeId, peers: Sequence[NodeId], *, seed: int) -> RttPhiDetector:
        """Return the detector of node `node`, which probes `peers`; `seed` draws first probes and intermediaries.

        Raises:
            ValueError: `peers` contains `node`, or a peer twice.
        """
        return RttPhiDetector(node, peers, self, seed=seed)

    @classmethod
    def local(cls) -> RttPhiConfig:
        """Return settings for processes on one machine: 10 probes a second, suspects after 0.3 to 0.8 s."""
        return cls(probe_timeout_s=0.2, fail_after_s=1.0, lag_tolerance_s=0.05, start_grace_s=5.0)

    @classmethod
    def lan(cls) -> RttPhiConfig:
        """Return settings for one data centre: two probes a second, suspects after 2 to 4 s."""
        return cls()

    @classmethod
    def wan(cls) -> RttPhiConfig:
        """Return settings for several regions: a probe in about 2 s, suspects after 6 to 12 s."""
        return cls(probe_timeout_s=3.0, fail_after_s=30.0, start_grace_s=20.0)

    def _check_times(self) -> None:
        if not 0 < self.probe_timeout_s < _INFINITY:
            raise ValueError(f"probe_timeout_s is {self.probe_timeout_s}: it must be above 0 and finite")
        if not 0 < self.min_factor <= 1 <= self.max_factor < _INFINITY:
            raise ValueError(
                f"0 < min_factor <= 1 <= max_factor must hold, not min_factor {self.min_factor} and max_factor "
                f"{self.max_factor}: the initial time-out is within the bounds"
            )
        if not 0 <= self.fail_after_s < _INFINITY:
            raise ValueError(f"fail_after_s is {self.fail_after_s}: it must be at least 0 and finite")
        if not 0 <= self.start_grace_s < _INFINITY:
            raise ValueError(f"start_grace_s is {self.start_grace_s}: it must be at least 0 and finite")
        if not 0 <= self.lag_tolerance_s < self.shortest_timeout_s:
            raise ValueError(
                f"lag_tolerance_s ({self.lag_tolerance_s}) must be at least 0 and below the shortest time-out, "
                f"probe_timeout_s * min_factor ({self.shortest_timeout_s}): a longer pause misses probes"
            )

    def _check_counts(self) -> None:
        if self.missed_limit < 1:
            raise ValueError(f"missed_limit is {self.missed_limit}: it must be at least 1")
        if not 1 <= self.threshold < _INFINITY:
            raise ValueError(
                f"threshold is {self.threshold}: it must be at least 1 and finite, because one round trip in ten is "
                "longer than phi 1"
            )
        if not 1 <= self.min_samples <= self.window_samples:
            raise ValueError(
                f"min_samples ({self.min_samples}) must be between 1 and window_samples ({self.window_samples}): "
                "otherwise the time-out is never learned"
            )
        if self.local_score_limit < 0:
            raise ValueError(f"local_score_limit is {self.local_score_limit}: it must be at least 0")
