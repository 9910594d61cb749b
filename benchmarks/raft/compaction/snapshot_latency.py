"""Snapshot latency: measures writes of 64 clients, and stalls of the loop, while a large store is saved, and between.

One node process with many keys, fsync on, 100-byte values. Snapshots are taken more often than by the standard policy,
so that a short run has several.
"""

from __future__ import annotations

import asyncio
import random
import time

from benchmarks.harness.results import Result, percentile
from benchmarks.raft.compaction.measured_node import STORE, MeasuredNode, Report, load_keys
from coterie import Client

__all__ = ["run"]

AFTER_BYTES = 4 * 1024 * 1024
VALUE_BYTES = 100
WRITTEN_BYTES = 400
"""Values that clients write: large enough that a snapshot is soon due."""


async def run(
    *,
    keys: int = 100_000,
    clients: int = 64,
    seconds: float = 20.0,
    after_bytes: int = AFTER_BYTES,
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure for `seconds` after `keys` keys were put; a snapshot is taken after `after_bytes` of commands."""
    results = [] if results is None else results
    async with MeasuredNode(after_bytes) as node, Client([node.address]) as client:
        await load_keys(client, keys, VALUE_BYTES)
        await asyncio.sleep(1.0)
        begin_s = time.monotonic()
        latencies = await _write(client, keys, clients, seconds)
        report = await node.report()
    report = Report(
        [one for one in report.snapshots if one[1] > begin_s], [one for one in report.stalls if one[0] > begin_s]
    )
    if not report.snapshots:
        raise RuntimeError("no snapshot was taken meanwhile: it must run for longer")
    normal = [1000 * latency for at_s, latency in latencies if not report.is_saving(at_s)]
    saving = [1000 * latency for at_s, latency in latencies if report.is_saving(at_s)]
    p99, p99_normal = percentile(saving, 0.99), percentile(normal, 0.99)
    detail: dict[str, float | int | str] = {
        "p50_ms": percentile(saving, 0.5),
        "p50_normal_ms": percentile(normal, 0.5),
        "snapshots": len(report.snapshots),
        "snapshot_s": max(end_s - at_s for at_s, end_s, _ in report.snapshots),
        "writes": len(latencies),
    }
    results.append(Result("snapshot_latency/p99", "coterie", "ms", (p99,), floor=p99_normal, detail=detail))
    results.append(_stalls(report))
    return results


def _stalls(report: Report) -> Result:
    saving = [one for one in report.stalls if report.is_saving(one[0])]
    between = [one for one in report.stalls if not report.is_saving(one[0])]

    def longest_ms(stalls: list[tuple[float, float, float]], at: int) -> float:
        return 1000 * max((one[at] for one in stalls), default=0.0)

    detail: dict[str, float | int | str] = {
        "longest_between_ms": longest_ms(between, 1),
        "cpu_ms": longest_ms(saving, 2),
        "cpu_between_ms": longest_ms(between, 2),
        "beginning_ms": 1000 * max(one[2] for one in report.snapshots),
    }
    return Result("snapshot_latency/stall", "coterie", "ms", (longest_ms(saving, 1),), detail=detail)


async def _write(client: Client, keys: int, clients: int, seconds: float) -> list[tuple[float, float]]:
    """Write random keys in a closed loop; return when each write ended, and how long it took (s)."""
    store, end_s, value = client.key_value(STORE), time.monotonic() + seconds, b"w" * WRITTEN_BYTES
    latencies: list[tuple[float, float]] = []

    async def put(number: int) -> None:
        rng = random.Random(number)
        while (sent_s := time.monotonic()) < end_s:
            await store.put(b"key-%09d" % rng.randrange(keys), value)
            done_s = time.monotonic()
            latencies.append((done_s, done_s - sent_s))

    await asyncio.gather(*(put(number) for number in range(clients)))
    return latencies
