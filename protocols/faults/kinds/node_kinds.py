"""Node faults: define the faults that can hit a whole node (crash, pause, wiped disk, wrong clock rate …).

`target` is the node; with `role`, the next node that shows that role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.faults.kinds.fault_targets import ALL_LEVELS, SIMULATED, Level, TargetRole

__all__ = ["ClockRate", "Crash", "Outage", "Pause", "SlowNode", "StaleDisk", "WallJump", "WipedDisk"]


@dataclass(frozen=True, slots=True)
class Crash:
    """The node ends abruptly, `delay_s` after it was chosen, and starts again `down_s` later.

    Nothing is shut down. Data that the disk had not synced is kept, lost or torn by the rules of the level's disk, and
    so are the names in directories that were not synced.
    """

    KIND: ClassVar[str] = "crash"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    target: str
    role: TargetRole = TargetRole.ANY
    delay_s: float = 0.0
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """At `at_s` the power fails: every node crashes at once. Node number i starts after entry i of `down_s`.

    A shorter `down_s` is repeated: one entry serves all nodes.
    """

    KIND: ClassVar[str] = "outage"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    down_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """The node stops for `duration_s`, as after a SIGSTOP; then everything overdue happens at once."""

    KIND: ClassVar[str] = "pause"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    target: str
    duration_s: float
    role: TargetRole = TargetRole.ANY


@dataclass(frozen=True, slots=True)
class SlowNode:
    """For `duration_s` each turn of the node (one batch of messages) takes `turn_s` longer."""

    KIND: ClassVar[str] = "slow_node"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    duration_s: float
    turn_s: float
    role: TargetRole = TargetRole.ANY


@dataclass(frozen=True, slots=True)
class StaleDisk:
    """The node crashes and starts after `down_s` with its disk as it was `age_s` before the crash.

    Such a replica has lost durable state: it must not come back under its old name.
    """

    KIND: ClassVar[str] = "stale_disk"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    age_s: float
    role: TargetRole = TargetRole.ANY
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WipedDisk:
    """The node crashes and starts after `down_s` with an empty disk: it must not come back under its old name."""

    KIND: ClassVar[str] = "wiped_disk"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    target: str
    role: TargetRole = TargetRole.ANY
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WallJump:
    """The node's wall clock jumps by `offset_s`, backwards if that is negative; its monotonic clock does not."""

    KIND: ClassVar[str] = "wall_jump"
    LEVELS: ClassVar[frozenset[Level]] = frozenset({Level.SYSTEM})

    at_s: float
    target: str
    offset_s: float
    role: TargetRole = TargetRole.ANY


@dataclass(frozen=True, slots=True)
class ClockRate:
    """For `duration_s` the node's monotonic clock runs at `rate`: at 1.1, eleven seconds pass on it in ten."""

    KIND: ClassVar[str] = "clock_rate"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    duration_s: float
    rate: float
    role: TargetRole = TargetRole.ANY
