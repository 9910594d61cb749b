"""Raft beside etcd: measures durable writes and linearizable reads per second of both, alternately on one machine.

Three nodes of coterie, three members of etcd and (for writes) the floor of `raft_floor`, one after the other in each
round; fsync on, default settings, data in the same temporary directory. Closed-loop clients share one connection to the
leader, each system's through its own client: coterie's in this Python process, etcd's in a Go program. Each request
takes one of 1,000 keys at random. Medians of the rounds count.

    python -m benchmarks raft_beside_etcd
    python -m benchmarks.raft.beside.raft_beside_etcd --operations put --sizes 100 --clients 16 64 --rounds 3

Without etcd, Go or etcd's Go client it names the Debian packages to install, and measures nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Final

from benchmarks.harness.results import Result
from benchmarks.peers.etcd.etcd_client import EtcdLoad, built_program
from benchmarks.peers.etcd.etcd_cluster import EtcdCluster
from benchmarks.peers.etcd.etcd_packages import etcd_missing
from benchmarks.raft.beside.raft_beside import (
    KEYS,
    OPERATIONS,
    WARM_UP_S,
    Cell,
    Figures,
    Measure,
    Operation,
    measure_cells,
    measure_coterie,
    measure_floor,
    program,
)

__all__ = ["run"]

SIZES: Final = (100, 4096)
CLIENTS: Final = (1, 16, 64, 256, 1024)


async def measure_etcd(cell: Cell, seconds: float) -> Figures:
    """Measure three members through etcd's Go client, which knows the leader's address. RuntimeError if one fails."""
    async with EtcdCluster() as cluster:
        before = max(status.term for status in await cluster.status())
        endpoint = cluster.url_by_member[await cluster.leader()]
        load = EtcdLoad((endpoint,), cell.operation, cell.clients, size=cell.size, keys=KEYS)
        began: list[float] = []
        found = await load.measure(
            warm_up_s=WARM_UP_S, measure_s=seconds, at_begin=lambda: began.append(cluster.cpu_seconds())
        )
        cpu_s = cluster.cpu_seconds() - began[0] + found.cpu_s
        term = max(status.term for status in await cluster.status())
        if term != before or found.errors:
            print(f"  etcd: {found.errors} requests failed, term {before} to {term}", file=sys.stderr)
        cpu_us = 1e6 * cpu_s / max(1, found.count)
        return Figures(found.per_s, found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms, cpu_us)


async def run(
    *,
    rounds: int = 3,
    seconds: float = 4.0,
    operations: Sequence[Operation] = OPERATIONS,
    sizes: Sequence[int] = SIZES,
    clients: Sequence[int] = CLIENTS,
    has_floor: bool = True,
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure each combination `rounds` times, all systems in turn; print the table of what was measured at the end.

    RuntimeError: etcd's client cannot be built, or a system has failed.
    """
    results = [] if results is None else results
    if (missing := etcd_missing()) is not None:
        print(f"raft_beside_etcd is skipped: {missing}", file=sys.stderr)
        return results
    await asyncio.to_thread(built_program)
    cells = [
        Cell("raft_beside_etcd", operation, size, n) for operation in operations for size in sizes for n in clients
    ]
    measures = {cell: _systems(cell, has_floor=has_floor) for cell in cells}
    await measure_cells(measures, rounds=rounds, seconds=seconds, results=results)
    return results


def _systems(cell: Cell, *, has_floor: bool) -> dict[str, Measure]:
    floor: dict[str, Measure] = {"floor": measure_floor} if has_floor and cell.operation == "put" else {}
    return {**floor, "coterie": measure_coterie, "etcd": measure_etcd}


def _main(arguments: Sequence[str] | None = None) -> int:
    name = "benchmarks.raft.beside.raft_beside_etcd"
    return program(run, name, __doc__, arguments, sizes=SIZES, clients=CLIENTS, operations=OPERATIONS)


if __name__ == "__main__":
    sys.exit(_main())
