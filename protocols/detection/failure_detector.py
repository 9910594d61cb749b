"""`FailureDetector`: defines the interface of failure detectors, which suspect peers that have become silent.

A detector is an `Algorithm`: it takes messages and the time, and returns the messages to send and the changes of its
opinion: `Suspected`, `Trusted`, `Failed`. Its opinion is a guess (Chandra and Toueg, J. ACM 1996): a slow peer looks
the same as a crashed one. It may steer requests away from a peer; no safety property may depend on it.

        ┌────────── Trusted ◀─────────┐
        ▼                             │
    ALIVE ── Suspected ──▶ SUSPECTED ─┤
        ▲                      │      │
        └── Trusted ── FAILED ◀┘ Failed
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from coterie.protocols.algorithm import NodeId

__all__ = [
    "Failed",
    "FailureDetector",
    "LoopLagged",
    "MakeDetector",
    "MemberState",
    "MemberStatus",
    "PeerDetector",
    "StateChange",
    "Suspected",
    "Trusted",
    "check_peers",
]


class MemberState(enum.Enum):
    """A detector's opinion of a peer."""

    ALIVE = "alive"
    SUSPECTED = "suspected"
    FAILED = "failed"
    LEFT = "left"
    """It has announced that it leaves: it is not monitored, and nobody is alarmed."""


@dataclass(frozen=True, slots=True)
class Suspected:
    """Effect: `peer` is suspected from now on. `reason` is a sentence; `evidence` its numbers, keys with units."""

    peer: NodeId
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trusted:
    """Effect: `peer` is not suspected any more, or has come back after it had failed."""

    peer: NodeId
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Failed:
    """Effect: `peer` has been suspected for so long that others should act as if it had crashed."""

    peer: NodeId
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)


StateChange = Suspected | Trusted | Failed


@dataclass(frozen=True, slots=True)
class LoopLagged:
    """Event: this process handled a timer `lag_s` seconds late, so messages may wait unread: it doubts itself."""

    lag_s: float


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """What a detector knows about a peer.

    Attributes:
        peer: its name.
        state: the detector's opinion.
        suspicion: 0 just after the peer was heard, 1 at the threshold at which it is suspected, more beyond it.
        reason: why it is in this state.
        incarnation: the number with which the peer last refuted a suspicion; 0 in detectors that have none.
        round_trip_s: the last or average round trip of a probe, s; None if it is not measured.
        suspected_by: the nodes that suspect it, as far as they are known, sorted.
    """

    peer: NodeId
    state: MemberState
    suspicion: float
    reason: str = ""
    incarnation: int = 0
    round_trip_s: float | None = None
    suspected_by: tuple[NodeId, ...] = ()


class PeerDetector(Protocol):
    """Decides from the arrivals of one peer's messages how suspicious the peer is. Times are monotonic, in seconds."""

    def heard(self, *, now: float, sequence: int | None = None) -> None:
        """Record that a heartbeat of the peer arrived at `now`.

        `sequence` is its number, if the sender counts its heartbeats: higher than that of every earlier call, and with
        a gap where heartbeats were lost. None: one more than the last.
        """
        ...

    def suspicion(self, *, now: float) -> float:
        """Return the suspicion: 0 just after a heartbeat; never falls before the next one; suspected from 1 on."""
        ...

    def suspects_at(self) -> float:
        """Return the time at which `suspicion` reaches 1 if no further heartbeat arrives."""
        ...

    def paused(self, pause_s: float) -> None:
        """Leave `pause_s` seconds out of account, in which this process did not run and could not hear the peer."""
        ...

    def evidence(self, *, now: float) -> Mapping[str, object]:
        """Return the numbers behind the suspicion, keys with units."""
        ...


class FailureDetector(Protocol):
    """An `Algorithm` that monitors peers. Its events and effects are those of its kind, and `StateChange`.

    It never raises on a message of a peer: one from an unknown peer has no effect but an `Observe`.
    """

    def handle(self, events: Sequence[Any], *, now: float) -> Sequence[Any]:
        """Take a batch of events at monotonic time `now` (s); return ordered effects."""
        ...

    def tick(self, *, now: float) -> Sequence[Any]:
        """Handle expired timers: call it at or after `deadline`."""
        ...

    @property
    def deadline(self) -> float | None:
        """The next time (monotonic, s) at which `tick` must be called."""
        ...

    def members(self, *, now: float) -> Sequence[MemberStatus]:
        """Return the status of each monitored peer, sorted by name."""
        ...

    def suspicion(self, peer: NodeId, *, now: float) -> float:
        """Return the suspicion of `peer`, as in `MemberStatus`. KeyError names an unknown peer."""
        ...


class MakeDetector(Protocol):
    """The settings of a detector, which also make it: `PhiAccrualConfig`, `SwimConfig`, and so on."""

    def make(self, node: NodeId, peers: Sequence[NodeId], *, seed: int) -> FailureDetector:
        """Return a new detector of node `node`, which monitors `peers`. ValueError if `peers` contains `node`."""
        ...


def check_peers(node: NodeId, peers: Sequence[NodeId]) -> None:
    """Raise ValueError unless `peers` are other nodes than `node`, each named once."""
    if node in peers or len(frozenset(peers)) != len(peers):
        raise ValueError(f"the peers of {node!r} must be other nodes, each once, not {list(peers)}")
