"""Stranger storm: measures how soon a killed node rejoins, and whether writes go on, while strangers dial and stay.

Three nodes with a shared key and at most 1,024 open files each (`ulimit -n 1024`, fsync on); 5,000 connections without
the key are open, or are opened again a few seconds after a node has ended them. A client writes all the time. In the
middle one node is killed and started again. Reach: no other node ends, no write fails, and the node is linked with both
others within 5 s.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.harness.processes import Child
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from benchmarks.raft.connection_storm import kill_and_rejoin
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.errors import CoterieError
from coterie.runtime.transport import SharedKey

__all__ = ["run"]

OPEN_FILES = 1024
PROCESSES = 2
WRITE_PAUSE_S = 0.02


class Writer:
    """Writes without a break, and keeps the longest wait for a write (s)."""

    def __init__(self, client: Client) -> None:
        self._store = client.key_value(STORE)
        self.writes = 0
        self.failures = 0
        self.longest_s = 0.0

    async def run(self) -> None:
        """Write until it is cancelled."""
        while True:
            begun_s = time.monotonic()
            try:
                await self._store.put(b"key", b"%d" % self.writes)
                self.writes += 1
            except CoterieError:
                self.failures += 1
            self.longest_s = max(self.longest_s, time.monotonic() - begun_s)
            await asyncio.sleep(WRITE_PAUSE_S)


async def run(
    *, strangers: int = 5000, seconds: float = 40.0, victim: str = "n1", results: list[Result] | None = None
) -> list[Result]:
    """Measure one kill of `victim`.

    Raises:
        RuntimeError: a node ended.
        TimeoutError: the node was not linked within a minute.
    """
    results = [] if results is None else results
    progress, key = Progress(3), secrets.token_bytes(32)
    async with BenchmarkCluster(3, open_files=OPEN_FILES, key=key) as cluster:
        addresses = [cluster.address_by_node[name] for name in cluster.names]
        async with Client(addresses, auth=SharedKey(key)) as client:
            await cluster.leader(client)
            async with _storm(strangers, seconds, addresses) as storm, _writing(client) as writer:
                progress.show("the storm has begun")
                await asyncio.sleep(seconds / 3)
                progress.show(f"{victim} is killed")
                up_s, rejoined_s = await kill_and_rejoin(cluster, client, victim)
                progress.show("waiting for the end of the storm")
                lines = [(await child.line()).decode().split() for child in storm]
        ended = [name for name, child in cluster.child_by_node.items() if not child.is_running]
    progress.clear()
    if ended:
        raise RuntimeError(f"nodes ended in the storm: {', '.join(ended)}")
    detail: dict[str, float | int | str] = {
        "up": up_s,
        "strangers": float(strangers),
        "connections": float(sum(int(line[1]) for line in lines)),
        "writes": float(writer.writes),
        "failed_writes": float(writer.failures),
        "longest_write": writer.longest_s,
    }
    results.append(Result("stranger_storm/rejoin", "coterie", "s", (rejoined_s,), detail=detail))
    return results


@asynccontextmanager
async def _storm(strangers: int, seconds: float, addresses: list[str]) -> AsyncIterator[list[Child]]:
    each = ["benchmarks.raft.storm_strangers", str(strangers // PROCESSES), str(seconds), *addresses]
    children = [Child(each) for _ in range(PROCESSES)]
    try:
        await asyncio.gather(*(child.start() for child in children))
        yield children
    finally:
        await asyncio.gather(*(child.end() for child in children))


@asynccontextmanager
async def _writing(client: Client) -> AsyncIterator[Writer]:
    writer = Writer(client)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
