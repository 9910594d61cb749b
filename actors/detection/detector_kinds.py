"""Detector kinds: the actor of each kind of failure detector; all are `DetectorActor`s with settings of their own.

Each sends its messages in `DetectorPeerMessage` to the actor of the same path on the other nodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coterie.actors.detection.detector_actor import DetectorActor
from coterie.actors.detection.peer_listeners import PeerListener
from coterie.protocols.detection.failure_detector import MakeDetector
from coterie.protocols.detection.heartbeats.chen_nfde import ChenConfig
from coterie.protocols.detection.heartbeats.deadline import DeadlineConfig
from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrualConfig
from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig
from coterie.protocols.detection.swim.swim import Leave
from coterie.protocols.detection.swim.swim_config import SwimConfig

__all__ = ["ChenActor", "HeartbeatActor", "PhiAccrualActor", "RttPhiActor", "SwimActor", "detector_class"]


class HeartbeatActor(DetectorActor):
    """Heartbeats with a fixed time-out. It sends a `Heartbeat` to all peers at each interval."""

    def __init__(self, config: DeadlineConfig, nodes: Sequence[str], listeners: Sequence[PeerListener] = ()) -> None:
        super().__init__(config, nodes, listeners)


class PhiAccrualActor(DetectorActor):
    """Heartbeats, and a time-out that is learned from their intervals. It sends a `Heartbeat` to all peers."""

    def __init__(self, config: PhiAccrualConfig, nodes: Sequence[str], listeners: Sequence[PeerListener] = ()) -> None:
        super().__init__(config, nodes, listeners)


class ChenActor(DetectorActor):
    """Heartbeats, each expected at a time that is estimated from those before. It sends a `Heartbeat` to all peers."""

    def __init__(self, config: ChenConfig, nodes: Sequence[str], listeners: Sequence[PeerListener] = ()) -> None:
        super().__init__(config, nodes, listeners)


class RttPhiActor(DetectorActor):
    """Probes, and a time-out that is learned from their round trips.

    It exchanges `Probe` and `ProbeReply`, and through other nodes `ProbeRequest` and `ProbeReport`.
    """

    def __init__(self, config: RttPhiConfig, nodes: Sequence[str], listeners: Sequence[PeerListener] = ()) -> None:
        super().__init__(config, nodes, listeners)


class SwimActor(DetectorActor):
    """SWIM with Lifeguard: probes one member at a time, and gossips what it finds.

    It exchanges `Ping`, `Ack`, `IndirectPing`, `Nack`, `Gossip` and `StateExchange`. When it stops in order it
    announces that it leaves, so that nobody suspects it.
    """

    def __init__(self, config: SwimConfig, nodes: Sequence[str], listeners: Sequence[PeerListener] = ()) -> None:
        super().__init__(config, nodes, listeners)

    def on_stop(self) -> None:
        """Announce that this member leaves, unless it has failed and is restarted; end this life."""
        if self._driver is not None and not self._has_failed:
            self._driver.feed(Leave())
            self._driver.flush()
        super().on_stop()


_CLASS_BY_CONFIG: Final[dict[type, type[DetectorActor]]] = {
    DeadlineConfig: HeartbeatActor,
    PhiAccrualConfig: PhiAccrualActor,
    ChenConfig: ChenActor,
    RttPhiConfig: RttPhiActor,
    SwimConfig: SwimActor,
}


def detector_class(config: MakeDetector) -> type[DetectorActor]:
    """Return the actor class for these settings: that of their kind, or `DetectorActor` for a detector of your own."""
    return _CLASS_BY_CONFIG.get(type(config), DetectorActor)
