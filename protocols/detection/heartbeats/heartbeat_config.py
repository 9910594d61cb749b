"""`HeartbeatConfig`: holds the settings that all heartbeat detectors share; each kind adds its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import PeerDetector
from coterie.protocols.detection.heartbeats.heartbeat_detector import HeartbeatDetector

__all__ = ["HeartbeatConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatConfig(ABC):
    """The settings of a heartbeat detector; the same on every node of a cluster. The defaults are those of `lan()`.

    Attributes:
        interval_s: how often each node sends a heartbeat to every peer (s). Default 0.5: at 100 nodes about 200 small
            messages a second arrive at each. Too low: traffic that grows with the square of the nodes. Too high: slow
            detection, because no time-out can be shorter than the interval.
        fail_after_s: how long a peer stays suspected before it is `Failed` (s). Default 5: a pause for garbage
            collection or a reconnect ends before. Too low: others act on a mistake. Too high: they act late.
        lag_tolerance_s: a timer of this process that is late by more shows that the process was paused: the time is
            left out of account for all peers, and nobody is accused. Default 0.1 (s), far above the lag of a busy
            event loop. Too low: a busy process detects late. Too high: a pause is blamed on the peers.
        start_grace_s: a peer that was never heard is given so much more time after the start of this process (s).
            Default 10: the nodes of a cluster do not start at the same moment. Too low: each start of a cluster ends in
            false alarms. Too high: a node that does not start at all is noticed late.
    """

    interval_s: float = 0.5
    fail_after_s: float = 5.0
    lag_tolerance_s: float = 0.1
    start_grace_s: float = 10.0

    def __post_init__(self) -> None:
        if not 0 < self.interval_s < float("inf"):
            raise ValueError(f"interval_s is {self.interval_s}: it must be above 0 and finite")
        if not 0 <= self.fail_after_s < float("inf"):
            raise ValueError(f"fail_after_s is {self.fail_after_s}: it must be at least 0 and finite")
        if not 0 <= self.lag_tolerance_s <= self.interval_s:
            raise ValueError(
                f"lag_tolerance_s ({self.lag_tolerance_s}) must be between 0 and interval_s ({self.interval_s}): "
                "in a longer pause heartbeats are missed"
            )
        if not 0 <= self.start_grace_s < float("inf"):
            raise ValueError(f"start_grace_s is {self.start_grace_s}: it must be at least 0 and finite")

    @abstractmethod
    def peer_detector(self, *, now: float) -> PeerDetector:
        """Return the detector of one peer, which begins to wait for the first heartbeat at `now` (monotonic, s)."""
        ...

    def make(self, node: NodeId, peers: Sequence[NodeId], *, seed: int) -> HeartbeatDetector:
        """Return the detector of node `node`, which monitors `peers`; `seed` draws when its heartbeats are sent.

        Raises:
            ValueError: `peers` contains `node`, or a peer twice.
        """
        return HeartbeatDetector(node, peers, self, seed=seed)
