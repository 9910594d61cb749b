"""Failover beside etcd: measures the time from SIGKILL of the leader to the next acknowledged write, of both.

Three nodes of coterie and three members of etcd, in turn; fsync on. A write is started every 10 ms, whether or not the
others are answered, by each system's own client, which knows all nodes. The time ends when a write is acknowledged that
was started after the signal. Each kill is in a new cluster.

What it takes is mostly the election time-out, and the defaults differ: coterie 200 … 400 ms, etcd 1,000 … 1,900 ms. So
etcd is measured with its defaults, and (`etcd, 250 ms`) with a heartbeat of 50 ms and a time-out of 250 … 450 ms,
the shortest that it accepts with that.

    python -m benchmarks failover_beside_etcd

Without etcd, Go or etcd's Go client it names the Debian packages to install, and measures nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile
from benchmarks.peers.etcd.etcd_client import EtcdSteadyWrites, built_program
from benchmarks.peers.etcd.etcd_cluster import EtcdCluster
from benchmarks.peers.etcd.etcd_packages import etcd_missing
from benchmarks.raft.closed_loop import VALUE
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.errors import CoterieError

__all__ = ["SteadyWrites", "run"]

INTERVAL_S: Final = 0.01
SETTLE_S: Final = 2.0
ROUNDS: Final = 10
QUICK_ETCD: Final = ("--heartbeat-interval=50", "--election-timeout=250")

LIMIT_S: Final = 60.0
"""How long a failover may take, s."""

KillAndWait = Callable[[], Awaitable[float]]
"""Kills the leader, and returns the seconds until a later write is acknowledged."""


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
async def _coterie() -> AsyncIterator[KillAndWait]:
    async with BenchmarkCluster() as cluster, Client(list(cluster.address_by_node.values())) as client:
        store = client.key_value(STORE)
        await store.put(b"first", b"")
        await client.all_linked()
        writes = SteadyWrites(store, interval_s=INTERVAL_S)
        writing = asyncio.create_task(writes.run())

        async def kill_and_wait() -> float:
            leader = (await cluster.leader(client)).node
            began = time.perf_counter()
            cluster.child_by_node[leader].signal(signal.SIGKILL)
            await writes.first_acknowledged()
            return time.perf_counter() - began

        try:
            yield kill_and_wait
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)


@contextlib.asynccontextmanager
async def _etcd(*options: str) -> AsyncIterator[KillAndWait]:
    async with EtcdCluster(options) as cluster:
        endpoints = list(cluster.url_by_member.values())
        async with EtcdSteadyWrites(endpoints, interval_s=INTERVAL_S, size=len(VALUE)) as writes:
            await writes.ready()

            async def kill_and_wait() -> float:
                leader = await cluster.leader()
                began = time.perf_counter()
                cluster.signal(leader, signal.SIGKILL)
                await writes.first_acknowledged()
                return time.perf_counter() - began

            yield kill_and_wait


SYSTEMS: Final[dict[str, Callable[[], contextlib.AbstractAsyncContextManager[KillAndWait]]]] = {
    "coterie": _coterie,
    "etcd": _etcd,
    "etcd, 250 ms": lambda: _etcd(*QUICK_ETCD),
}


async def run(*, rounds: int = ROUNDS, settle_s: float = SETTLE_S, results: list[Result] | None = None) -> list[Result]:
    """Measure the systems in turn, on new clusters in each round, `rounds` times.

    Args:
        rounds: kills of each system.
        settle_s: how long the writes go on before a kill, s.
        results: gets the results, also if it is interrupted.

    Raises:
        RuntimeError: etcd's client cannot be built, or a member has ended.
        TimeoutError: no write was acknowledged for a minute.
    """
    results = [] if results is None else results
    if (missing := etcd_missing()) is not None:
        print(f"failover_beside_etcd is skipped: {missing}", file=sys.stderr)
        return results
    await asyncio.to_thread(built_program)
    ms: dict[str, list[float]] = {system: [] for system in SYSTEMS}
    progress = Progress(rounds * len(SYSTEMS))
    try:
        for number in range(1, rounds + 1):
            for system, opened in SYSTEMS.items():
                progress.show(f"failover_beside_etcd: {system}, round {number} of {rounds}")
                async with opened() as kill_and_wait:
                    await asyncio.sleep(settle_s)
                    async with asyncio.timeout(LIMIT_S):
                        ms[system].append(1000 * await kill_and_wait())
    finally:
        progress.clear()
        results += [_result(system, some) for system, some in ms.items() if some]
    return results


def _result(system: str, ms: list[float]) -> Result:
    detail = {"p50_ms": percentile(ms, 0.50), "p95_ms": percentile(ms, 0.95), "max_ms": max(ms)}
    return Result("failover_beside_etcd", system, "ms", tuple(ms), detail={**detail})
