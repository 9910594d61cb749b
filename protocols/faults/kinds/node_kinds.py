"""Faults of processes and of clocks. `target` is the node; `role` sends the fault to whoever shows it next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.faults.kinds.fault_targets import ALL_LEVELS, SIMULATED, Level, Role

__all__ = ["ClockRate", "Crash", "Outage", "Pause", "SlowNode", "StaleDisk", "WallJump", "WipedDisk"]


@dataclass(frozen=True, slots=True)
class Crash:
    """The node ends at once, `delay_s` after it was chosen, and starts again `down_s` later.

    Nothing is said good-bye to. What the disk had not synced is kept, lost or torn by the rules of the level's disk,
    and so are the names in directories that were not synced.
    """

    KIND: ClassVar[str] = "crash"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    target: str
    role: Role = Role.ANY
    delay_s: float = 0.0
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Outage:
    """At `at_s` the power fails: every node crashes at once. Node number i starts after entry i of `down_s`.

    A shorter `down_s` is gone through again: one entry serves all.
    """

    KIND: ClassVar[str] = "outage"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    down_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """The node stands still for `duration_s`, as after a SIGSTOP; then everything is due at once."""

    KIND: ClassVar[str] = "pause"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    target: str
    duration_s: float
    role: Role = Role.ANY


@dataclass(frozen=True, slots=True)
class SlowNode:
    """For `duration_s` each turn of the node (what it handles at once) takes `turn_s` longer."""

    KIND: ClassVar[str] = "slow_node"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    duration_s: float
    turn_s: float
    role: Role = Role.ANY


@dataclass(frozen=True, slots=True)
class StaleDisk:
    """The node crashes and starts after `down_s` with its disk as it was `age_s` before the crash.

    Such a replica has forgotten what it promised: it must not come back under its old name.
    """

    KIND: ClassVar[str] = "stale_disk"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    age_s: float
    role: Role = Role.ANY
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WipedDisk:
    """The node crashes and starts after `down_s` with an empty disk: it must not come back under its old name."""

    KIND: ClassVar[str] = "wiped_disk"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    target: str
    role: Role = Role.ANY
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WallJump:
    """The node's wall clock jumps by `offset_s`, backwards if that is negative; its monotonic clock goes on."""

    KIND: ClassVar[str] = "wall_jump"
    LEVELS: ClassVar[frozenset[Level]] = frozenset({Level.SYSTEM})

    at_s: float
    target: str
    offset_s: float
    role: Role = Role.ANY


@dataclass(frozen=True, slots=True)
class ClockRate:
    """For `duration_s` the node's monotonic clock runs at `rate`: 1.1 shows eleven seconds where ten have passed."""

    KIND: ClassVar[str] = "clock_rate"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    duration_s: float
    rate: float
    role: Role = Role.ANY
