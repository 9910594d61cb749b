"""`LoadReport`: defines what a target reports about its load, with replies and in answers to probes.

Reports come from other processes, so their numbers are checked: a NaN would make every comparison of a policy false.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

__all__ = ["LoadReport", "NodeResources"]


@dataclass(frozen=True, slots=True)
class NodeResources:
    """The resources of a target's node. Shares are of the whole node, 0 … 1; None where it cannot be measured.

    ValueError: a number is negative, infinite or NaN.

    Attributes:
        cpu_used: share of the processor time of all cores in use, by anything.
        cpu_granted: of the processor time that this process wanted, the share that it got: below 1 if others compete.
        loop_used: share of the time in which the event loop was busy.
        loop_used_elsewhere: the part of `loop_used` that was not spent for the requests of this pool.
        loop_lag_s: how late the event loop ran its timers lately, at most, s.
        memory_used: share of the memory in use.
        memory_available_bytes, memory_total_bytes: of the node.
        mailbox_depth: the number of messages that wait in all mailboxes.
        actors: the number of actors.
    """

    cpu_used: float | None = None
    cpu_granted: float | None = None
    loop_used: float | None = None
    loop_used_elsewhere: float | None = None
    loop_lag_s: float = 0.0
    memory_used: float | None = None
    memory_available_bytes: int | None = None
    memory_total_bytes: int | None = None
    mailbox_depth: int = 0
    actors: int = 0

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """The load of one target, over all its callers. ValueError: a number is negative, infinite or NaN.

    Attributes:
        in_flight: the requests that it has received and not answered (Prequal's RIF).
        latency_s: its estimate of the latency of a request that arrives now, s; None if it has no sample.
        service_s: the average time in which it handles one request, without waiting, s; None if it has no sample.
        requests_per_s, errors_per_s: answered lately, and those of them that failed, per second.
        utilization: the share of its capacity in use: 0 … 1, above 1 if overloaded; None if it is not measured.
        resources: of its node, if they are sampled.
    """

    in_flight: int = 0
    latency_s: float | None = None
    service_s: float | None = None
    requests_per_s: float = 0.0
    errors_per_s: float = 0.0
    utilization: float | None = None
    resources: NodeResources | None = None

    def __post_init__(self) -> None:
        if not (
            self.in_flight >= 0
            and 0 <= self.requests_per_s < math.inf
            and 0 <= self.errors_per_s < math.inf
            and (self.latency_s is None or 0 <= self.latency_s < math.inf)
            and (self.service_s is None or 0 <= self.service_s < math.inf)
            and (self.utilization is None or 0 <= self.utilization < math.inf)
        ):
            _check(self)


def _check(report: LoadReport | NodeResources) -> None:
    """Raise ValueError with the name of the first number that is negative, infinite or NaN."""
    for field in fields(report):
        value = getattr(report, field.name)
        if isinstance(value, int | float) and not 0 <= value < math.inf:
            raise ValueError(f"{field.name}={value} of a load report must be at least 0 and finite")
