"""Raft failover: measures the time from a signal that kills or stops the leader to the next acknowledged write.

SIGKILL and SIGSTOP of the leader of three nodes, 50 trials each; 16 clients that write, wait 10 ms and write again;
time-outs at their defaults (election 200 … 400 ms, heartbeat 50 ms). Only writes sent after the signal count. A
cluster serves ten trials, since a restarted node applies its whole log again.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time

from benchmarks.harness.results import Result, percentile
from benchmarks.raft.closed_loop import VALUE
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.errors import CommandError

__all__ = ["run"]

CLIENTS = 16
THINK_S = 0.01
SETTLE_S = 1.0
TRIALS_PER_CLUSTER = 10


class _Writers:
    """Closed-loop clients that note when the first write sent after a mark is acknowledged."""

    def __init__(self, store: KeyValueClient) -> None:
        self._store = store
        self._marked_at: float | None = None
        self._recovered: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def write(self, number: int) -> None:
        """Write until cancelled."""
        key = b"key-%d" % number
        while True:
            sent = time.perf_counter()
            try:
                await self._store.put(key, VALUE)
            except CommandError as error:
                print(f"  a write failed: {error}", file=sys.stderr)
                continue
            if self._marked_at is not None and sent >= self._marked_at and not self._recovered.done():
                self._recovered.set_result(time.perf_counter() - self._marked_at)
            await asyncio.sleep(THINK_S)

    def mark(self) -> asyncio.Future[float]:
        """Take now as the time of the signal; the future gives the seconds until a later write is acknowledged."""
        self._recovered = asyncio.get_running_loop().create_future()
        self._marked_at = time.perf_counter()
        return self._recovered


async def _trials(which: signal.Signals, first: int, trials: int) -> list[float]:
    seconds: list[float] = []
    async with BenchmarkCluster() as cluster, Client(list(cluster.address_by_node.values())) as client:
        writers = _Writers(client.key_value(STORE))
        tasks = [asyncio.create_task(writers.write(number)) for number in range(CLIENTS)]
        try:
            for trial in range(trials):
                await asyncio.sleep(SETTLE_S)
                leader = (await cluster.leader(client)).node
                recovered = writers.mark()
                cluster.child_by_node[leader].signal(which)
                seconds.append(await recovered)
                print(f"  {which.name} {first + trial + 1}: {1000 * seconds[-1]:.0f} ms", file=sys.stderr)
                await _bring_back(cluster, client, leader, which)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return seconds


async def _bring_back(cluster: BenchmarkCluster, client: Client, node: str, which: signal.Signals) -> None:
    """Resume or restart the node, and wait until it has applied the entries committed by then."""
    if which is signal.SIGSTOP:
        cluster.child_by_node[node].signal(signal.SIGCONT)
    else:
        await cluster.child_by_node[node].end()
        await cluster.start(node)
    goal = (await cluster.leader(client)).commit_index
    while True:
        status = (await client.group(STORE).status()).get(node)
        if isinstance(status, GroupStatus) and status.applied_index >= goal:
            return
        await asyncio.sleep(0.05)


async def run(*, trials: int = 50, results: list[Result] | None = None) -> list[Result]:
    """Measure both signals."""
    results = [] if results is None else results
    for which in (signal.SIGKILL, signal.SIGSTOP):
        runs: list[float] = []
        while len(runs) < trials:
            some = await _trials(which, len(runs), min(TRIALS_PER_CLUSTER, trials - len(runs)))
            runs += [1000 * second for second in some]
        detail = {"p50_ms": percentile(runs, 0.50), "p95_ms": percentile(runs, 0.95), "max_ms": max(runs)}
        results.append(Result(f"raft_failover/{which.name}", "coterie", "ms", tuple(runs), detail={**detail}))
    return results
