"""Failover beside PySyncObj: measures the time from SIGKILL of the leader to the next acknowledged write, of both.

Three processes of coterie and three of PySyncObj, in turn; journals on, only coterie syncs. A write is started every
10 ms, whether or not the others are answered: coterie's by a client that knows all nodes, PySyncObj's (which has no
client) in the process of a follower. The time ends when a write is acknowledged that was started after the signal. Each
kill is in a new cluster.

What it takes is mostly the election time-out, and the defaults differ: coterie 200 … 400 ms, PySyncObj 400 … 1,400 ms
and `append_entries` every 100 ms. So PySyncObj is measured with its defaults, and (`pysyncobj, 250 ms`) with
`append_entries` every 50 ms and a time-out of 250 … 450 ms.

    python -m benchmarks failover_beside_pysyncobj

Without the package `pysyncobj` it says how to install it, and measures nothing.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Final

from benchmarks.harness.results import Result
from benchmarks.peers.syncobj.pysyncobj_cluster import PySyncObjCluster, PySyncObjWrites, pysyncobj_missing
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

QUICK: Final = {"appendEntriesPeriod": 0.05, "raftMinTimeout": 0.25, "raftMaxTimeout": 0.45}


@contextlib.asynccontextmanager
async def _pysyncobj(options: Mapping[str, float]) -> AsyncIterator[KillAndWait]:
    async with PySyncObjCluster(options) as cluster:
        leader = await cluster.leader()
        follower = next(address for address in cluster.addresses if address != leader)
        writes = PySyncObjWrites(cluster.child_by_address[follower], interval_s=INTERVAL_S, size=len(VALUE))
        await writes.ready()

        async def kill_and_wait() -> float:
            return await timed(lambda: cluster.kill(leader), writes)

        yield kill_and_wait


SYSTEMS: Final[dict[str, Opened]] = {
    "coterie": coterie_failover,
    "pysyncobj": lambda: _pysyncobj({}),
    "pysyncobj, 250 ms": lambda: _pysyncobj(QUICK),
}


async def run(*, rounds: int = ROUNDS, settle_s: float = SETTLE_S, results: list[Result] | None = None) -> list[Result]:
    """Measure `rounds` kills of each system, after `settle_s` of writes each; `results` gets the results.

    Raises:
        RuntimeError: a process has ended.
        TimeoutError: no write was acknowledged for a minute.
    """
    results = [] if results is None else results
    if (missing := pysyncobj_missing()) is not None:
        print(f"failover_beside_pysyncobj is skipped: {missing}", file=sys.stderr)
        return results
    await measure_failovers("failover_beside_pysyncobj", SYSTEMS, rounds=rounds, settle_s=settle_s, results=results)
    return results
