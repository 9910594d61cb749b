"""Disk faults: define the faults that can hit a node's disk (failed sync, full disk, flipped bit …).

`target` is the node; with `role` the fault hits the next node that shows that role.

What happens at a crash to unsynced data (kept, dropped or torn; names without a directory sync lost) is not a kind of
fault: the rules of the disk apply to every crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.faults.kinds.fault_targets import SIMULATED, Level, TargetRole

__all__ = ["BitRot", "DiskFull", "FsyncError", "ShortWrite", "SlowDisk"]

BYTES = frozenset({Level.SYSTEM})


@dataclass(frozen=True, slots=True)
class FsyncError:
    """The node's next sync fails, its data is lost, and later syncs would succeed.

    The node stops: nothing of that sync may be acknowledged. It starts again after `down_s` with the surviving data.
    """

    KIND: ClassVar[str] = "fsync_error"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    role: TargetRole = TargetRole.ANY
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class DiskFull:
    """For `duration_s` only `free_bytes` more fit on the node's disk; what does not fit waits.

    A node that starts meanwhile may stop again: it starts once more after that.
    """

    KIND: ClassVar[str] = "disk_full"
    LEVELS: ClassVar[frozenset[Level]] = BYTES

    at_s: float
    target: str
    duration_s: float
    free_bytes: int = 0
    role: TargetRole = TargetRole.ANY


@dataclass(frozen=True, slots=True)
class ShortWrite:
    """The node's next write stops in the middle, with an error. A node that stopped starts again after `down_s`."""

    KIND: ClassVar[str] = "short_write"
    LEVELS: ClassVar[frozenset[Level]] = BYTES

    at_s: float
    target: str
    role: TargetRole = TargetRole.ANY
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class BitRot:
    """The node crashes, one bit of an old record flips, and it starts after `down_s`: it must detect that."""

    KIND: ClassVar[str] = "bit_rot"
    LEVELS: ClassVar[frozenset[Level]] = BYTES

    at_s: float
    target: str
    role: TargetRole = TargetRole.ANY
    down_s: float = 0.0


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """For `duration_s` the node's disk takes `factor` times as long."""

    KIND: ClassVar[str] = "slow_disk"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    duration_s: float
    factor: float
    role: TargetRole = TargetRole.ANY
