"""Detection messages: define the heartbeats and probes that failure detectors send each other."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId
from coterie.protocols.fast_dataclass import fast_dataclass

__all__ = ["Heartbeat", "Probe", "ProbeReply", "ProbeReport", "ProbeRequest"]


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Its sender is alive. Number `sequence` is sent one interval after number `sequence` - 1.

    `run` is a number that the sender draws when it starts: after a restart its sequence begins again at 1, and must
    not be taken for old heartbeats.
    """

    run: int
    sequence: int


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Probe:
    """Asks for a `ProbeReply` with the same `number`, at once."""

    number: int


@fast_dataclass
@dataclass(frozen=True, slots=True)
class ProbeReply:
    """Answers `Probe(number)`."""

    number: int


@fast_dataclass
@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """Asks the receiver to probe `target` on behalf of the sender, and to report within `timeout_s`."""

    number: int
    target: NodeId
    timeout_s: float


@fast_dataclass
@dataclass(frozen=True, slots=True)
class ProbeReport:
    """Answers `ProbeRequest(number)`: whether the target has replied. A negative report proves that its sender is well.

    Lifeguard (Dadgar, Phillips, Currey, DSN 2018) calls a negative report a nack.
    """

    number: int
    has_replied: bool
