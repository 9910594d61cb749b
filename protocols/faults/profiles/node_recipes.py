"""How faults of processes, clocks, disks, actors and schedules are drawn.

Plain random crashes miss the worst moments (Raft's Figure 8, a vote forgotten by a fast restart): most crashes here
are aimed at whoever leads, stands for election or has just voted, and most restarts come within 5 ms.
"""

from __future__ import annotations

from collections.abc import Mapping

from coterie.protocols.faults.fault_budget import LARGEST_DRIFT
from coterie.protocols.faults.kinds.fault_kinds import (
    BitRot,
    CancelHandler,
    ClockRate,
    Crash,
    DiskFull,
    Fault,
    FsyncError,
    FullMailbox,
    HangHandler,
    Outage,
    Pause,
    PoisonMessage,
    Priorities,
    RaiseInHandler,
    RandomOrder,
    Role,
    ShortWrite,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    WallJump,
    WipedDisk,
)
from coterie.protocols.faults.profiles.random_draws import Draw, Recipe

__all__ = ["NODE_RECIPES"]


def _crash(draw: Draw) -> tuple[Fault, ...]:
    delay_s = draw.among(0.0, draw.rng.uniform(0, 0.005))
    return (Crash(draw.at_s, draw.node(), draw.role(), delay_s, draw.down_s()),)


def _fast_crash(draw: Draw) -> tuple[Fault, ...]:
    role = draw.among(Role.LEADER, Role.CANDIDATE, Role.VOTER)
    return (Crash(draw.at_s, draw.node(), role, draw.rng.uniform(0, 0.005), draw.rng.uniform(0, 0.005)),)


def _outage(draw: Draw) -> tuple[Fault, ...]:
    return (Outage(draw.at_s, tuple(draw.down_s() for _ in draw.nodes)),)


def _pause(draw: Draw) -> tuple[Fault, ...]:
    return (Pause(draw.at_s, draw.node(), draw.lasting_s(), draw.among(Role.ANY, Role.LEADER)),)


def _slow_node(draw: Draw) -> tuple[Fault, ...]:
    role = draw.among(Role.ANY, Role.LEADER, Role.BUSIEST)
    return (SlowNode(draw.at_s, draw.node(), draw.lasting_s(), draw.among(0.005, 0.05), role),)


def _stale_disk(draw: Draw) -> tuple[Fault, ...]:
    if not draw.doomed:
        return ()
    return (StaleDisk(draw.at_s, draw.rng.choice(draw.doomed), draw.rng.uniform(0.1, 5.0), down_s=draw.down_s()),)


def _wiped_disk(draw: Draw) -> tuple[Fault, ...]:
    return (WipedDisk(draw.at_s, draw.rng.choice(draw.doomed), down_s=draw.down_s()),) if draw.doomed else ()


def _bit_rot(draw: Draw) -> tuple[Fault, ...]:
    return (BitRot(draw.at_s, draw.rng.choice(draw.doomed), down_s=draw.down_s()),) if draw.doomed else ()


def _wall_jump(draw: Draw) -> tuple[Fault, ...]:
    return (WallJump(draw.at_s, draw.node(), draw.among(-3600.0, -1.0, 1.0, 86400.0)),)


def _clock_rate(draw: Draw) -> tuple[Fault, ...]:
    rate = draw.among(1 - LARGEST_DRIFT, 1 + LARGEST_DRIFT, draw.rng.uniform(1 - LARGEST_DRIFT, 1 + LARGEST_DRIFT))
    return (ClockRate(draw.at_s, draw.node(), 2 * draw.lasting_s(), rate, draw.among(Role.ANY, Role.LEADER)),)


def _wild_clock(draw: Draw) -> tuple[Fault, ...]:
    return (ClockRate(draw.at_s, draw.node(), 2 * draw.lasting_s(), draw.among(0.3, 3.0)),)


def _fsync_error(draw: Draw) -> tuple[Fault, ...]:
    return (FsyncError(draw.at_s, draw.node(), draw.among(Role.ANY, Role.LEADER, Role.VOTER), draw.down_s()),)


def _disk_full(draw: Draw) -> tuple[Fault, ...]:
    return (DiskFull(draw.at_s, draw.node(), draw.lasting_s(), draw.among(0, 4096)),)


def _short_write(draw: Draw) -> tuple[Fault, ...]:
    return (ShortWrite(draw.at_s, draw.node(), down_s=draw.down_s()),)


def _slow_disk(draw: Draw) -> tuple[Fault, ...]:
    role = draw.among(Role.ANY, Role.LEADER)
    return (SlowDisk(draw.at_s, draw.node(), draw.lasting_s(), draw.among(5.0, 50.0), role),)


def _random_order(draw: Draw) -> tuple[Fault, ...]:
    return (RandomOrder(draw.at_s, draw.lasting_s()),)


def _priorities(draw: Draw) -> tuple[Fault, ...]:
    return (Priorities(draw.at_s, draw.lasting_s(), draw.rng.randint(1, 4)),)


def _starve(draw: Draw) -> tuple[Fault, ...]:
    return (Starve(draw.at_s, draw.node(), draw.lasting_s()),)


def _raise(draw: Draw) -> tuple[Fault, ...]:
    return (RaiseInHandler(draw.at_s, draw.node()),)


def _cancel(draw: Draw) -> tuple[Fault, ...]:
    return (CancelHandler(draw.at_s, draw.node()),)


def _hang(draw: Draw) -> tuple[Fault, ...]:
    return (HangHandler(draw.at_s, draw.node(), draw.lasting_s()),)


def _poison(draw: Draw) -> tuple[Fault, ...]:
    return (PoisonMessage(draw.at_s, draw.node()),)


def _full_mailbox(draw: Draw) -> tuple[Fault, ...]:
    return (FullMailbox(draw.at_s, draw.node(), draw.lasting_s()),)


NODE_RECIPES: Mapping[str, Recipe] = {
    "bit_rot": _bit_rot,
    "cancel_handler": _cancel,
    "clock_rate": _clock_rate,
    "crash": _crash,
    "disk_full": _disk_full,
    "fast_crash": _fast_crash,
    "fsync_error": _fsync_error,
    "full_mailbox": _full_mailbox,
    "hang_handler": _hang,
    "outage": _outage,
    "pause": _pause,
    "poison_message": _poison,
    "priorities": _priorities,
    "raise_in_handler": _raise,
    "random_order": _random_order,
    "short_write": _short_write,
    "slow_disk": _slow_disk,
    "slow_node": _slow_node,
    "stale_disk": _stale_disk,
    "starve": _starve,
    "wall_jump": _wall_jump,
    "wild_clock": _wild_clock,
    "wiped_disk": _wiped_disk,
}
