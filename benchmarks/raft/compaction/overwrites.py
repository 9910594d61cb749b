"""Overwrites: measures disk and memory of a node, as multiples of the live data, while the same keys are overwritten.

One node process, fsync on, the standard policy of snapshots. The live data are the keys and values that the store has.
The memory of the process before the first command is subtracted.
"""

from __future__ import annotations

import asyncio
import os

from benchmarks.harness.results import Result
from benchmarks.raft.compaction.measured_node import STORE, MeasuredNode
from coterie import Client

__all__ = ["run"]

CLIENTS = 64
SAMPLE_S = 0.25
KEY_BYTES = 13


async def run(
    *, commands: int = 200_000, keys: int = 1000, value_bytes: int = 2000, results: list[Result] | None = None
) -> list[Result]:
    """Overwrite `keys` keys, `commands` times in all; report the peaks of both halves."""
    results = [] if results is None else results
    live_bytes = keys * (KEY_BYTES + value_bytes)
    async with MeasuredNode() as node, Client([node.address]) as client:
        before_bytes = node.resident_bytes
        disk, memory = [], []
        for _ in range(2):
            peaks = await _half(node, client, commands // 2, keys, value_bytes)
            disk.append(peaks[0])
            memory.append(peaks[1] - before_bytes)
        snapshots = len((await node.report()).snapshots)
    for name, (first, second) in (("disk", disk), ("memory", memory)):
        detail: dict[str, float | int | str] = {
            "peak_mb": second / 1e6,
            "live_mb": live_bytes / 1e6,
            "growth": second / first,
            "snapshots": snapshots,
        }
        multiple = max(first, second) / live_bytes
        results.append(Result(f"overwrites/{name}", "coterie", "x live data", (multiple,), detail=detail))
    return results


async def _half(node: MeasuredNode, client: Client, count: int, keys: int, value_bytes: int) -> tuple[int, int]:
    """Overwrite `count` times; return the most that the disk and the memory took meanwhile (bytes)."""
    store, left = client.key_value(STORE), iter(range(count))
    value = os.urandom(value_bytes)

    async def put() -> None:
        for at in left:
            await store.put(b"key-%09d" % (at % keys), value)

    disk, memory = 0, 0
    writing = asyncio.gather(*(put() for _ in range(CLIENTS)))
    while not writing.done():
        disk, memory = max(disk, node.disk_bytes), max(memory, node.resident_bytes)
        await asyncio.wait([writing], timeout=SAMPLE_S)
    await writing
    return disk, memory
