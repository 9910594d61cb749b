"""Raft beside PySyncObj: measures replicated writes per second of both, alternately on one machine; only coterie syncs.

Three processes of coterie and three of PySyncObj, one after the other in each round, and the floor of `raft_floor`.
PySyncObj is measured with its defaults, which send entries every 100 ms, and (`pysyncobj, unbatched`) with
`appendEntriesUseBatch=False`, which sends each at once: its own switch between throughput and latency.

The two are not the same, and both differences favour PySyncObj:

* PySyncObj has no client. Its N callers are in the leader's process: N writes in flight, each callback starts the next.
  coterie's N clients share one connection to the leader, from another process, and each command runs exactly once.
* PySyncObj writes a journal, and syncs nothing: what it acknowledges survives kills, and no power failure. coterie
  syncs each write.

    python -m benchmarks raft_beside_pysyncobj
    python -m benchmarks.raft.beside.raft_beside_pysyncobj --clients 16 64 --rounds 3 --seconds 4

Without the package `pysyncobj` it says how to install it, and measures nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

from benchmarks.harness.results import Result
from benchmarks.peers.syncobj.pysyncobj_cluster import PySyncObjCluster, pysyncobj_missing
from benchmarks.raft.beside.raft_beside import (
    KEYS,
    WARM_UP_S,
    Cell,
    Figures,
    Measure,
    measure_cells,
    measure_coterie,
    measure_floor,
    program,
)

__all__ = ["run"]

SIZES: Final = (100,)
CLIENTS: Final = (1, 16, 64, 256)
UNBATCHED: Final = {"appendEntriesUseBatch": False}


async def measure_pysyncobj(cell: Cell, seconds: float, *, options: Mapping[str, Any]) -> Figures:
    """Measure three nodes, from within the leader's process. RuntimeError if one fails."""
    async with PySyncObjCluster(options) as cluster:
        leader = await cluster.leader()
        term = (await cluster.status())[leader].term
        began: list[float] = []
        found = await cluster.load(
            leader,
            clients=cell.clients,
            size=cell.size,
            keys=KEYS,
            warm_up_s=WARM_UP_S,
            measure_s=seconds,
            at_begin=lambda: began.append(cluster.cpu_seconds()),
        )
        cpu_us = 1e6 * (cluster.cpu_seconds() - began[0]) / found.count
        after = max(status.term for status in (await cluster.status()).values())
        if after != term or found.errors:
            print(f"  PySyncObj: {found.errors} writes failed, term {term} to {after}", file=sys.stderr)
        return Figures(found.per_s, found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms, cpu_us)


async def run(
    *,
    rounds: int = 3,
    seconds: float = 4.0,
    sizes: Sequence[int] = SIZES,
    clients: Sequence[int] = CLIENTS,
    has_floor: bool = True,
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure each combination `rounds` times, all systems in turn; print the table of what was measured at the end.

    RuntimeError: a system has failed.
    """
    results = [] if results is None else results
    if (missing := pysyncobj_missing()) is not None:
        print(f"raft_beside_pysyncobj is skipped: {missing}", file=sys.stderr)
        return results
    floor: dict[str, Measure] = {"floor": measure_floor} if has_floor else {}
    systems: dict[str, Measure] = {
        **floor,
        "coterie": measure_coterie,
        "pysyncobj": partial(measure_pysyncobj, options={}),
        "pysyncobj, unbatched": partial(measure_pysyncobj, options=UNBATCHED),
    }
    cells = [Cell("raft_beside_pysyncobj", "put", size, count) for size in sizes for count in clients]
    await measure_cells(dict.fromkeys(cells, systems), rounds=rounds, seconds=seconds, results=results)
    return results


def _main(arguments: Sequence[str] | None = None) -> int:
    name = "benchmarks.raft.beside.raft_beside_pysyncobj"
    return program(run, name, __doc__, arguments, sizes=SIZES, clients=CLIENTS)


if __name__ == "__main__":
    sys.exit(_main())
