"""`Fault`: unites all kinds of faults in one type, finds a kind by its name, and lists the nodes that a fault names.

| category | kinds |
| --- | --- |
| messages | delay, loss, duplicate, reorder |
| links | reset, reset_mid_frame, half_open, corrupt, bandwidth, partition, clog, flap |
| process | crash, outage, pause, slow_node, stale_disk, wiped_disk |
| clock | clock_rate, wall_jump |
| disk | fsync_error, disk_full, short_write, bit_rot, slow_disk |
| actors | raise_in_handler, cancel_handler, hang_handler, poison_message, full_mailbox |
| scheduling | random_order, priorities, starve |
| peers | hostile_client |
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias, get_args

from coterie.protocols.faults.kinds.actor_kinds import (
    CancelHandler,
    FullMailbox,
    HangHandler,
    PoisonMessage,
    Priorities,
    RaiseInHandler,
    RandomOrder,
    Starve,
)
from coterie.protocols.faults.kinds.disk_kinds import BitRot, DiskFull, FsyncError, ShortWrite, SlowDisk
from coterie.protocols.faults.kinds.fault_targets import ANYWHERE, Level, Shape, TargetRole
from coterie.protocols.faults.kinds.hostile_kinds import Attack, HostileClient
from coterie.protocols.faults.kinds.network_kinds import (
    Bandwidth,
    Clog,
    Corrupt,
    Delay,
    Duplicate,
    Flap,
    HalfOpen,
    Loss,
    NodePair,
    Partition,
    Reorder,
    Reset,
    ResetMidFrame,
)
from coterie.protocols.faults.kinds.node_kinds import (
    ClockRate,
    Crash,
    Outage,
    Pause,
    SlowNode,
    StaleDisk,
    WallJump,
    WipedDisk,
)

__all__ = [
    "ANYWHERE",
    "KINDS",
    "Attack",
    "Bandwidth",
    "BitRot",
    "CancelHandler",
    "ClockRate",
    "Clog",
    "Corrupt",
    "Crash",
    "Delay",
    "DiskFull",
    "Duplicate",
    "Fault",
    "Flap",
    "FsyncError",
    "FullMailbox",
    "HalfOpen",
    "HangHandler",
    "HostileClient",
    "Level",
    "Loss",
    "NodePair",
    "Outage",
    "Partition",
    "Pause",
    "PoisonMessage",
    "Priorities",
    "RaiseInHandler",
    "RandomOrder",
    "Reorder",
    "Reset",
    "ResetMidFrame",
    "Shape",
    "ShortWrite",
    "SlowDisk",
    "SlowNode",
    "StaleDisk",
    "Starve",
    "TargetRole",
    "WallJump",
    "WipedDisk",
    "kind",
    "nodes_of",
]

Fault: TypeAlias = (
    Bandwidth
    | BitRot
    | CancelHandler
    | ClockRate
    | Clog
    | Corrupt
    | Crash
    | Delay
    | DiskFull
    | Duplicate
    | Flap
    | FsyncError
    | FullMailbox
    | HalfOpen
    | HangHandler
    | HostileClient
    | Loss
    | Outage
    | Partition
    | Pause
    | PoisonMessage
    | Priorities
    | RaiseInHandler
    | RandomOrder
    | Reorder
    | Reset
    | ResetMidFrame
    | ShortWrite
    | SlowDisk
    | SlowNode
    | StaleDisk
    | Starve
    | WallJump
    | WipedDisk
)

KINDS: Mapping[str, type[Fault]] = MappingProxyType({each.KIND: each for each in get_args(Fault)})
"""The class of each kind by its name."""


def kind(fault: Fault) -> str:
    """Return the stable name under which a fault is counted: its kind, and the shape of a partition or the attack."""
    if isinstance(fault, HostileClient):
        return f"{fault.KIND}.{fault.attack.value}"
    return f"{fault.KIND}.{fault.shape.value}" if isinstance(fault, Partition) else fault.KIND


def nodes_of(fault: Fault) -> tuple[str, ...]:
    """Return the nodes that a fault names, each once, in the order of its fields; "*" names none."""
    names = [getattr(fault, field) for field in ("target", "source", "destination") if hasattr(fault, field)]
    if isinstance(fault, Partition):
        names += fault.others
    if isinstance(fault, Clog):
        names += [name for link in fault.links + fault.opens for name in link]
    return tuple(name for name in dict.fromkeys(names) if name != ANYWHERE)
