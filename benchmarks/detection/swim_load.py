"""SWIM load: counts messages and bytes per member and period, and measures speed and memory of many simulated members.

Preset `lan`, nothing crashes, 1 % of all datagrams lost. Full exchange is told apart: it goes over streams, and grows
with the number of members. Bytes are those of IP datagrams: 110 for each message, besides its records. Speed is in
processor time; memory is the whole process. Each size runs in a process of its own, with seed 1.
"""

from __future__ import annotations

import resource
import time

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.separate_process import in_separate_process
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.simulation.directed.swim_schedules import swim_world

__all__ = ["load", "run"]

SIZES = (16, 64, 250, 1000, 4000)
MEMBER_PERIODS = 60_000
"""Periods of one member that each size simulates, at least 15 periods."""

EXCHANGE = "StateExchange"


async def load(count: int) -> Measurement:
    """Simulate `count` members; the value is the messages per member and period, without full exchange."""
    config = SwimConfig.lan()
    periods = max(15, MEMBER_PERIODS // count)
    world, names = swim_world(count, config, seed=1, loss=0.01)
    world.run(2 * config.period_s)
    counts, before = world.counts, world.counts.copy()
    started_s = time.process_time()
    world.run(periods * config.period_s)
    cpu_s = time.process_time() - started_s
    each = len(names) * periods
    messages = sum(counts.messages.values()) - sum(before.messages.values())
    size_bytes = sum(counts.size_bytes.values()) - sum(before.size_bytes.values())
    exchanges = counts.messages[EXCHANGE] - before.messages[EXCHANGE]
    exchange_bytes = counts.size_bytes[EXCHANGE] - before.size_bytes[EXCHANGE]
    detail = {
        "bytes": (size_bytes - exchange_bytes) / each,
        "exchange_messages": exchanges / each,
        "exchange_bytes": exchange_bytes / each,
        "times_real_time": periods * config.period_s / cpu_s,
        "false_changes": float(len(world.changes)),
        "process_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    return Measurement((messages - exchanges) / each, detail)


async def run(*, sizes: tuple[int, ...] = SIZES, results: list[Result] | None = None) -> list[Result]:
    """Measure all sizes."""
    progress = Progress()
    results = [] if results is None else results
    for count in sizes:
        progress.show(f"{count} members")
        measured = await in_separate_process(__name__, "load", count)
        detail: dict[str, float | int | str] = {**measured.detail}
        results.append(Result(f"swim_load/{count}", "coterie", "messages", (measured.value,), detail=detail))
    progress.clear()
    return results
