"""Restart after a history: measures the time until a killed node serves again, against the number of its commands.

One node process, fsync on, the standard policy of snapshots, 100-byte values. The time begins with the start of the
process and ends with the answer to a linearizable read.
"""

from __future__ import annotations

import asyncio
import time

from benchmarks.harness.results import Result
from benchmarks.raft.compaction.measured_node import STORE, MeasuredNode
from coterie import Client, CoterieError

__all__ = ["run"]

CLIENTS = 256
VALUE = b"v" * 100
CONNECT_INTERVAL_S = 0.01


async def run(
    *, commands: tuple[int, ...] = (10_000, 100_000), keys: int = 10_000, results: list[Result] | None = None
) -> list[Result]:
    """Measure each number of commands over the same keys."""
    results = [] if results is None else results
    for count in commands:
        async with MeasuredNode() as node:
            async with Client([node.address]) as client:
                await _overwrite(client, count, keys)
            await node.kill()
            restart_s, up_s = await _restart(node, min(count, keys))
            detail: dict[str, float | int | str] = {"until_up_s": up_s, "disk_mb": node.disk_bytes / 1e6}
            results.append(Result(f"history_restart/{count}", "coterie", "s", (restart_s,), detail=detail))
    return results


async def _overwrite(client: Client, commands: int, keys: int) -> None:
    store, numbers = client.key_value(STORE), iter(range(commands))

    async def put() -> None:
        for number in numbers:
            await store.put(b"key-%09d" % (number % keys), VALUE)

    await asyncio.gather(*(put() for _ in range(CLIENTS)))


async def _restart(node: MeasuredNode, keys: int) -> tuple[float, float]:
    """Start the node; return how long it takes to answer a read, and to accept clients (s)."""
    begin_s = time.monotonic()
    await node.start()
    up_s = time.monotonic() - begin_s
    while True:
        try:
            async with Client([node.address]) as client:
                found = await client.key_value(STORE).get(b"key-%09d" % (keys - 1))
        except CoterieError:
            await asyncio.sleep(CONNECT_INTERVAL_S)
            continue
        if found != VALUE:
            raise RuntimeError(f"a key that was written has {found!r}")
        return time.monotonic() - begin_s, up_s
