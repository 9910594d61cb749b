"""Failure detection: decides from messages and silence which peers have crashed; pure, one interface for all.

`failure_detector.py`: the interface `FailureDetector`, and its events: `Suspected`, `Trusted`, `Failed`.
`detection_messages.py`: the messages of heartbeat and probe detectors
`detection_observations.py`: names the events that detectors report to operators
`local_health.py`: `LocalHealth`, counts signs that this process itself is slow
`own_pauses.py`: `OwnPauses`, measures for how long this process did not run
`peer_state.py`: `PeerState`, a detector's opinion of one peer and its changes
`peer_timers.py`: `PeerTimers`, one timer for each peer, cheap to postpone
`relayed_probes.py`: `RelayedProbes`, remembers the probes that this node makes for others
`sample_window.py`: `SampleWindow`, mean and deviation of the last samples, without rounding drift
`suspicion_level.py`: keeps a suspicion and the time at which it reaches 1 consistent
`heartbeats/`: detectors that wait for heartbeats: fixed time-out, phi accrual, Chen's NFD-E
`probes/`: detectors that probe their peers and measure round trips
`swim/`: SWIM with Lifeguard, for clusters of any size

A detector in three steps: `config.make(node, peers, seed=…)`; pass received messages to `handle` and call `tick` at
`deadline`; carry out `Send`, and act on `Suspected`, `Trusted` and `Failed`.
"""

from coterie.protocols.detection.failure_detector import (
    Failed,
    FailureDetector,
    LoopLagged,
    MakeDetector,
    MemberState,
    MemberStatus,
    PeerDetector,
    StateChange,
    Suspected,
    Trusted,
)
from coterie.protocols.detection.heartbeats.chen_nfde import ChenConfig
from coterie.protocols.detection.heartbeats.chen_quality import QualityUnreachable
from coterie.protocols.detection.heartbeats.deadline import DeadlineConfig
from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrualConfig
from coterie.protocols.detection.heartbeats.tail_models import ExponentialTail, LogisticTail, NormalTail
from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig
from coterie.protocols.detection.swim.swim_config import SwimConfig

__all__ = [
    "ChenConfig",
    "DeadlineConfig",
    "ExponentialTail",
    "Failed",
    "FailureDetector",
    "LogisticTail",
    "LoopLagged",
    "MakeDetector",
    "MemberState",
    "MemberStatus",
    "NormalTail",
    "PeerDetector",
    "PhiAccrualConfig",
    "QualityUnreachable",
    "RttPhiConfig",
    "StateChange",
    "Suspected",
    "SwimConfig",
    "Trusted",
]
