"""A failure detector for tests: it records its events, and returns the effects that a test has prepared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState, MemberStatus


class FakeDetector:
    """Answers each batch, and each tick, with the next effects of `effects`."""

    def __init__(self, node: NodeId, peers: Sequence[NodeId]) -> None:
        self.node = node
        self.peers = tuple(peers)
        self.events: list[Any] = []
        self.effects: list[list[Any]] = []
        self.deadline: float | None = None
        self.error: Exception | None = None

    def handle(self, events: Sequence[Any], *, now: float) -> Sequence[Any]:
        if self.error is not None:
            raise self.error
        self.events += events
        return self.effects.pop(0) if self.effects else []

    def tick(self, *, now: float) -> Sequence[Any]:
        self.deadline = None
        return self.effects.pop(0) if self.effects else []

    def members(self, *, now: float) -> Sequence[MemberStatus]:
        return [MemberStatus(peer, MemberState.ALIVE, 0.5, "heard", 3, 0.001, (NodeId("n3"),)) for peer in self.peers]

    def suspicion(self, peer: NodeId, *, now: float) -> float:
        return 0.5


@dataclass(frozen=True)
class FakeConfig:
    """Makes fake detectors, and keeps them."""

    made: list[FakeDetector] = field(default_factory=list)

    def make(self, node: NodeId, peers: Sequence[NodeId], *, seed: int) -> FakeDetector:
        if node in peers:
            raise ValueError(f"{node!r} is named as its own peer")
        self.made.append(FakeDetector(node, peers))
        return self.made[-1]
