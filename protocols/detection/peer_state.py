"""`PeerState`: holds a detector's opinion of one peer, and turns its changes into effects, such as `Suspected`."""

from __future__ import annotations

from collections.abc import Mapping

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import Failed, MemberState, MemberStatus, Suspected, Trusted

__all__ = ["PeerState"]


class PeerState:
    """The state of one peer in the eyes of one detector. It begins as ALIVE.

    The diagram is in `failure_detector.py`. `reason` is the sentence of the last change.
    """

    __slots__ = ("peer", "reason", "state")

    def __init__(self, peer: NodeId) -> None:
        self.peer = peer
        self.state = MemberState.ALIVE
        self.reason = "not suspected so far"

    @property
    def is_alive(self) -> bool:
        """Whether the peer is neither suspected nor failed."""
        return self.state is MemberState.ALIVE

    def suspect(self, reason: str, evidence: Mapping[str, object]) -> Suspected:
        """Change from ALIVE to SUSPECTED."""
        self.state, self.reason = MemberState.SUSPECTED, reason
        return Suspected(self.peer, reason, evidence)

    def fail(self, reason: str, evidence: Mapping[str, object]) -> Failed:
        """Change from SUSPECTED to FAILED."""
        self.state, self.reason = MemberState.FAILED, reason
        return Failed(self.peer, reason, evidence)

    def trust(self, reason: str, evidence: Mapping[str, object]) -> Trusted:
        """Change from SUSPECTED or FAILED to ALIVE."""
        self.state, self.reason = MemberState.ALIVE, reason
        return Trusted(self.peer, reason, evidence)

    def status(self, suspicion: float, round_trip_s: float | None = None) -> MemberStatus:
        """Return the opinion as others see it."""
        return MemberStatus(self.peer, self.state, suspicion, self.reason, round_trip_s=round_trip_s)
