"""Node recipes: choose faults of processes, clocks, disks, actors and schedules at random, with targets and durations.

Uniformly random crashes miss the worst moments (Raft's Figure 8, a vote lost by a fast restart): most crashes here
hit leaders, candidates or nodes that have just voted, and most restarts follow within 5 ms.
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
    ShortWrite,
    SlowDisk,
    SlowNode,
    StaleDisk,
    Starve,
    TargetRole,
    WallJump,
    WipedDisk,
)
from coterie.protocols.faults.profiles.random_draws import RandomDraws, Recipe

__all__ = ["NODE_RECIPES"]


def _crash(draws: RandomDraws) -> tuple[Fault, ...]:
    delay_s = draws.one_of(0.0, draws.rng.uniform(0, 0.005))
    return (Crash(draws.at_s, draws.node(), draws.role(), delay_s, draws.down_s()),)


def _fast_crash(draws: RandomDraws) -> tuple[Fault, ...]:
    role = draws.one_of(TargetRole.LEADER, TargetRole.CANDIDATE, TargetRole.VOTER)
    return (Crash(draws.at_s, draws.node(), role, draws.rng.uniform(0, 0.005), draws.rng.uniform(0, 0.005)),)


def _outage(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Outage(draws.at_s, tuple(draws.down_s() for _ in draws.nodes)),)


def _pause(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Pause(draws.at_s, draws.node(), draws.duration_s(), draws.one_of(TargetRole.ANY, TargetRole.LEADER)),)


def _slow_node(draws: RandomDraws) -> tuple[Fault, ...]:
    role = draws.one_of(TargetRole.ANY, TargetRole.LEADER, TargetRole.BUSIEST)
    return (SlowNode(draws.at_s, draws.node(), draws.duration_s(), draws.one_of(0.005, 0.05), role),)


def _stale_disk(draws: RandomDraws) -> tuple[Fault, ...]:
    if not draws.state_loss_nodes:
        return ()
    return (
        StaleDisk(
            draws.at_s, draws.rng.choice(draws.state_loss_nodes), draws.rng.uniform(0.1, 5.0), down_s=draws.down_s()
        ),
    )


def _wiped_disk(draws: RandomDraws) -> tuple[Fault, ...]:
    return (
        (WipedDisk(draws.at_s, draws.rng.choice(draws.state_loss_nodes), down_s=draws.down_s()),)
        if draws.state_loss_nodes
        else ()
    )


def _bit_rot(draws: RandomDraws) -> tuple[Fault, ...]:
    return (
        (BitRot(draws.at_s, draws.rng.choice(draws.state_loss_nodes), down_s=draws.down_s()),)
        if draws.state_loss_nodes
        else ()
    )


def _wall_jump(draws: RandomDraws) -> tuple[Fault, ...]:
    return (WallJump(draws.at_s, draws.node(), draws.one_of(-3600.0, -1.0, 1.0, 86400.0)),)


def _clock_rate(draws: RandomDraws) -> tuple[Fault, ...]:
    rate = draws.one_of(1 - LARGEST_DRIFT, 1 + LARGEST_DRIFT, draws.rng.uniform(1 - LARGEST_DRIFT, 1 + LARGEST_DRIFT))
    return (
        ClockRate(
            draws.at_s, draws.node(), 2 * draws.duration_s(), rate, draws.one_of(TargetRole.ANY, TargetRole.LEADER)
        ),
    )


def _wild_clock(draws: RandomDraws) -> tuple[Fault, ...]:
    return (ClockRate(draws.at_s, draws.node(), 2 * draws.duration_s(), draws.one_of(0.3, 3.0)),)


def _fsync_error(draws: RandomDraws) -> tuple[Fault, ...]:
    return (
        FsyncError(
            draws.at_s, draws.node(), draws.one_of(TargetRole.ANY, TargetRole.LEADER, TargetRole.VOTER), draws.down_s()
        ),
    )


def _disk_full(draws: RandomDraws) -> tuple[Fault, ...]:
    return (DiskFull(draws.at_s, draws.node(), draws.duration_s(), draws.one_of(0, 4096)),)


def _short_write(draws: RandomDraws) -> tuple[Fault, ...]:
    return (ShortWrite(draws.at_s, draws.node(), down_s=draws.down_s()),)


def _slow_disk(draws: RandomDraws) -> tuple[Fault, ...]:
    role = draws.one_of(TargetRole.ANY, TargetRole.LEADER)
    return (SlowDisk(draws.at_s, draws.node(), draws.duration_s(), draws.one_of(5.0, 50.0), role),)


def _random_order(draws: RandomDraws) -> tuple[Fault, ...]:
    return (RandomOrder(draws.at_s, draws.duration_s()),)


def _priorities(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Priorities(draws.at_s, draws.duration_s(), draws.rng.randint(1, 4)),)


def _starve(draws: RandomDraws) -> tuple[Fault, ...]:
    return (Starve(draws.at_s, draws.node(), draws.duration_s()),)


def _raise(draws: RandomDraws) -> tuple[Fault, ...]:
    return (RaiseInHandler(draws.at_s, draws.node()),)


def _cancel(draws: RandomDraws) -> tuple[Fault, ...]:
    return (CancelHandler(draws.at_s, draws.node()),)


def _hang(draws: RandomDraws) -> tuple[Fault, ...]:
    return (HangHandler(draws.at_s, draws.node(), draws.duration_s()),)


def _poison(draws: RandomDraws) -> tuple[Fault, ...]:
    return (PoisonMessage(draws.at_s, draws.node()),)


def _full_mailbox(draws: RandomDraws) -> tuple[Fault, ...]:
    return (FullMailbox(draws.at_s, draws.node(), draws.duration_s()),)


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
