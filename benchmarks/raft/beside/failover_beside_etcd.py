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
from collections.abc import AsyncIterator
from typing import Final

from benchmarks.harness.results import Result
from benchmarks.peers.etcd.etcd_client import EtcdSteadyWrites, built_program
from benchmarks.peers.etcd.etcd_cluster import EtcdCluster
from benchmarks.peers.etcd.etcd_packages import etcd_missing
from benchmarks.raft.beside.failover_beside import (
    INTERVAL_S,
    ROUNDS,
    SETTLE_S,
    KillAndWait,
    Opened,
    coterie_failover,
    measure_failovers,
    timed,
)
from benchmarks.raft.closed_loop import VALUE

__all__ = ["run"]

QUICK_ETCD: Final = ("--heartbeat-interval=50", "--election-timeout=250")


@contextlib.asynccontextmanager
async def _etcd(*options: str) -> AsyncIterator[KillAndWait]:
    async with EtcdCluster(options) as cluster:
        endpoints = list(cluster.url_by_member.values())
        async with EtcdSteadyWrites(endpoints, interval_s=INTERVAL_S, size=len(VALUE)) as writes:
            await writes.ready()

            async def kill_and_wait() -> float:
                leader = await cluster.leader()
                return await timed(lambda: cluster.signal(leader, signal.SIGKILL), writes)

            yield kill_and_wait


SYSTEMS: Final[dict[str, Opened]] = {
    "coterie": coterie_failover,
    "etcd": _etcd,
    "etcd, 250 ms": lambda: _etcd(*QUICK_ETCD),
}


async def run(*, rounds: int = ROUNDS, settle_s: float = SETTLE_S, results: list[Result] | None = None) -> list[Result]:
    """Measure `rounds` kills of each system, after `settle_s` of writes each; `results` gets the results.

    Raises:
        RuntimeError: etcd's client cannot be built, or a member has ended.
        TimeoutError: no write was acknowledged for a minute.
    """
    results = [] if results is None else results
    if (missing := etcd_missing()) is not None:
        print(f"failover_beside_etcd is skipped: {missing}", file=sys.stderr)
        return results
    await asyncio.to_thread(built_program)
    await measure_failovers("failover_beside_etcd", SYSTEMS, rounds=rounds, settle_s=settle_s, results=results)
    return results
