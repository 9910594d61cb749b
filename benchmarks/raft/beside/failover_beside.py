"""Failover beside: measures the time from SIGKILL of the leader to the next acknowledged write, of coterie and others.

A write is started every 10 ms, whether or not the others are answered. The time ends when a write is acknowledged that
was started after the signal. The systems take turns; each kill is in a new cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Final, Protocol

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile
from benchmarks.raft.closed_loop import VALUE
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.errors import CoterieError

__all__ = [
    "INTERVAL_S",
    "ROUNDS",
    "SETTLE_S",
    "KillAndWait",
    "Opened",
    "SteadyWrites",
    "coterie_failover",
    "measure_failovers",
    "timed",
]

INTERVAL_S: Final = 0.01
SETTLE_S: Final = 2.0
ROUNDS: Final = 10

LIMIT_S: Final = 60.0
"""How long a failover may take, s."""

KillAndWait = Callable[[], Awaitable[float]]
"""Kills the leader, and returns the seconds until a later write is acknowledged."""

Opened = Callable[[], contextlib.AbstractAsyncContextManager[KillAndWait]]
"""Starts a cluster and its steady writes."""


class Acknowledging(Protocol):
    """Steady writes, of which it is known when they are acknowledged."""

    async def first_acknowledged(self) -> None:
        """Wait until a write is acknowledged that was started after this call."""


async def timed(kill: Callable[[], None], writes: Acknowledging) -> float:
    """Kill the leader; return the seconds until a later write is acknowledged."""
    began = time.perf_counter()
    kill()
    await writes.first_acknowledged()
    return time.perf_counter() - began


class SteadyWrites:
    """Steady writes to `store`: one is started every `interval_s`, whether or not the others are answered."""

    def __init__(self, store: KeyValueClient, *, interval_s: float) -> None:
        self._store = store
        self._interval_s = interval_s
        self._writes: set[asyncio.Task[None]] = set()
        self._marked_at: float | None = None
        self._recovered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Write until it is cancelled."""
        try:
            while True:
                write = asyncio.create_task(self._write())
                self._writes.add(write)
                write.add_done_callback(self._writes.discard)
                await asyncio.sleep(self._interval_s)
        finally:
            writes = list(self._writes)
            for write in writes:
                write.cancel()
            await asyncio.gather(*writes, return_exceptions=True)

    async def _write(self) -> None:
        started = time.perf_counter()
        with contextlib.suppress(CoterieError):  # it is not acknowledged: another one will be
            await self._store.put(b"key", VALUE)
            if self._marked_at is not None and started >= self._marked_at and not self._recovered.done():
                self._recovered.set_result(None)

    async def first_acknowledged(self) -> None:
        """Wait until a write is acknowledged that was started after this call."""
        self._recovered = asyncio.get_running_loop().create_future()
        self._marked_at = time.perf_counter()
        await self._recovered


@contextlib.asynccontextmanager
async def coterie_failover() -> AsyncIterator[KillAndWait]:
    """Run three nodes of coterie, and steady writes by a client that knows all of them."""
    async with BenchmarkCluster() as cluster, Client(list(cluster.address_by_node.values())) as client:
        store = client.key_value(STORE)
        await store.put(b"first", b"")
        await client.all_linked()
        writes = SteadyWrites(store, interval_s=INTERVAL_S)
        writing = asyncio.create_task(writes.run())

        async def kill_and_wait() -> float:
            leader = (await cluster.leader(client)).node
            return await timed(lambda: cluster.child_by_node[leader].signal(signal.SIGKILL), writes)

        try:
            yield kill_and_wait
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


async def measure_failovers(
    benchmark: str, systems: Mapping[str, Opened], *, rounds: int, settle_s: float, results: list[Result]
) -> None:
    """Measure the systems in turn, on new clusters in each round, `rounds` times.

    Args:
        benchmark: the name of the results.
        systems: by name.
        rounds: kills of each system.
        settle_s: how long the writes go on before a kill, s.
        results: gets the results, also if it is interrupted.

    Raises:
        RuntimeError: a process has ended.
        TimeoutError: no write was acknowledged for a minute.
    """
    ms: dict[str, list[float]] = {system: [] for system in systems}
    progress = Progress(rounds * len(systems))
    try:
        for number in range(1, rounds + 1):
            for system, opened in systems.items():
                progress.show(f"{benchmark}: {system}, round {number} of {rounds}")
                async with opened() as kill_and_wait:
                    await asyncio.sleep(settle_s)
                    async with asyncio.timeout(LIMIT_S):
                        ms[system].append(1000 * await kill_and_wait())
    finally:
        progress.clear()
        results += [_result(benchmark, system, some) for system, some in ms.items() if some]


def _result(benchmark: str, system: str, ms: list[float]) -> Result:
    detail = {"p50_ms": percentile(ms, 0.50), "p95_ms": percentile(ms, 0.95), "max_ms": max(ms)}
    return Result(benchmark, system, "ms", tuple(ms), detail={**detail})
