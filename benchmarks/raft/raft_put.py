"""Raft writes: measures durable, replicated writes per second, and the latency of a write.

Three node processes, 100-byte values, fsync on, closed-loop clients over two connections of one process; the floor of
`raft_floor` is measured alternately in the same run.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass

from benchmarks.harness.processes import cpu_seconds
from benchmarks.harness.results import Result, percentile
from benchmarks.raft.closed_loop import ClosedLoopResult, closed_loop
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from benchmarks.raft.raft_floor import FloorCluster
from coterie import Client

__all__ = ["run"]

CLIENTS = (1, 16, 64, 256)
WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class _Measured:
    load: ClosedLoopResult
    cpu_us: float
    syncs: int


async def _raft(clients: int, measure_s: float) -> _Measured:
    async with BenchmarkCluster() as cluster:
        async with Client(list(cluster.address_by_node.values())) as finder:
            leader = await cluster.leader(finder)
        async with Client([cluster.address_by_node[leader.node]]) as client:
            store = client.key_value(STORE)
            await store.put(b"first", b"")
            syncs = leader.syncs
            cpu = cluster.cpu_seconds() + cpu_seconds([os.getpid()])
            load = await closed_loop(store.put, clients, warm_up_s=WARM_UP_S, measure_s=measure_s)
            cpu = cluster.cpu_seconds() + cpu_seconds([os.getpid()]) - cpu
            after = await cluster.leader(client)
            if (after.node, after.term) != (leader.node, leader.term):
                print(f"  the leader changed: term {leader.term} to {after.term}", file=sys.stderr)
            return _Measured(load, _cpu_us(cpu, load, measure_s + WARM_UP_S), after.syncs - syncs)


async def _floor(clients: int, measure_s: float) -> _Measured:
    async with FloorCluster() as cluster:
        client = await cluster.client()
        cpu = cluster.cpu_seconds() + cpu_seconds([os.getpid()])
        load = await closed_loop(client.put, clients, warm_up_s=WARM_UP_S, measure_s=measure_s)
        cpu = cluster.cpu_seconds() + cpu_seconds([os.getpid()]) - cpu
        return _Measured(load, _cpu_us(cpu, load, measure_s + WARM_UP_S), 0)


def _cpu_us(cpu_s: float, load: ClosedLoopResult, seconds: float) -> float:
    """Return the processor time of all processes per command (µs), taking the warm-up to be as fast as the rest."""
    return 1e6 * cpu_s / max(1.0, load.per_s * seconds)


async def run(
    *, runs: int = 3, seconds: float = 5.0, clients: tuple[int, ...] = CLIENTS, results: list[Result] | None = None
) -> list[Result]:
    """Measure each number of clients `runs` times, floor and Raft in turn."""
    results = [] if results is None else results
    for count in clients:
        floors, rafts = [], []
        for _ in range(runs):
            floors.append(await _floor(count, seconds))
            rafts.append(await _raft(count, seconds))
            await asyncio.sleep(0)
        floor_runs = tuple(measured.load.per_s for measured in floors)
        name = f"raft_put/{count}"
        results.append(Result(name, "floor", "commands/s", floor_runs, detail=_detail(floors)))
        floor = results[-1].value
        raft_runs = tuple(measured.load.per_s for measured in rafts)
        detail = {**_detail(rafts), "leader_fdatasyncs": sum(measured.syncs for measured in rafts)}
        results.append(Result(name, "coterie", "commands/s", raft_runs, floor=floor, detail=detail))
    return results


def _detail(measured: list[_Measured]) -> dict[str, float | int | str]:
    latencies = [latency for one in measured for latency in one.load.latencies_s]
    return {
        "p50_ms": 1000 * percentile(latencies, 0.50),
        "p99_ms": 1000 * percentile(latencies, 0.99),
        "cpu_us_per_command": sum(one.cpu_us for one in measured) / len(measured),
    }
