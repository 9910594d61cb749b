"""Raft reads: measures linearizable reads per second, at the leader and anywhere, and stale ones; the log beside them.

Three node processes, 100-byte values, closed-loop clients over one link each to the nodes, all in one process. `log`:
the same query as an entry of the log, as every read would be without `read`; it is the floor of this benchmark.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

import msgpack

from benchmarks.harness.processes import cpu_seconds
from benchmarks.harness.results import Result, percentile
from benchmarks.raft.closed_loop import VALUE, ClosedLoopResult, closed_loop
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.actors.groups.key_value import Get, Put
from coterie.actors.groups.typed_commands import encode_command
from coterie.protocols.sessions import encode_plain

__all__ = ["WAYS", "run"]

CLIENTS = (1, 16, 64, 256, 1024)
WARM_UP_S = 0.5
KEY = b"key"
WAYS = ("log", "leader", "anywhere", "stale")


def _read(client: Client, way: str) -> Callable[[bytes, bytes], Awaitable[object]]:
    group = client.group(STORE)
    plain = encode_plain(encode_command(Get(KEY), msgpack.Packer().pack))

    async def read(_: bytes, __: bytes) -> object:
        match way:
            case "log":
                return await group._router.execute(plain, timeout_s=10.0)  # noqa: SLF001 (no handle sends it so)
            case "stale":
                return await group.read_stale(Get(KEY))
            case _:
                return await group.read(Get(KEY), anywhere=way == "anywhere")

    return read


async def _measure(clients: int, way: str, seconds: float) -> tuple[ClosedLoopResult, float]:
    """Return the load, and the processor time of all processes per read (µs)."""
    async with BenchmarkCluster() as cluster, Client(list(cluster.address_by_node.values())) as client:
        await cluster.leader(client)
        await client.all_linked()
        await client.group(STORE).execute(Put(KEY, VALUE))
        cpu_s = cluster.cpu_seconds() + cpu_seconds([os.getpid()])
        load = await closed_loop(_read(client, way), clients, warm_up_s=WARM_UP_S, measure_s=seconds)
        cpu_s = cluster.cpu_seconds() + cpu_seconds([os.getpid()]) - cpu_s
        return load, 1e6 * cpu_s / max(1.0, load.per_s * (seconds + WARM_UP_S))


async def run(
    *, runs: int = 3, seconds: float = 3.0, clients: tuple[int, ...] = CLIENTS, results: list[Result] | None = None
) -> list[Result]:
    """Measure each number of clients `runs` times, all ways in turn."""
    results = [] if results is None else results
    for count in clients:
        measured: dict[str, list[tuple[ClosedLoopResult, float]]] = {way: [] for way in WAYS}
        for _ in range(runs):
            for way in WAYS:
                measured[way].append(await _measure(count, way, seconds))
        floor = None
        for way in WAYS:
            loads = [load for load, _ in measured[way]]
            latencies = [latency for load in loads for latency in load.latencies_s]
            detail: dict[str, float | int | str] = {
                "p50_ms": 1000 * percentile(latencies, 0.50),
                "p99_ms": 1000 * percentile(latencies, 0.99),
                "cpu_us_per_read": sum(cpu_us for _, cpu_us in measured[way]) / runs,
            }
            per_s = tuple(load.per_s for load in loads)
            name, variant = f"raft_get/{way}/{count}", "floor" if way == "log" else "coterie"
            results.append(Result(name, variant, "reads/s", per_s, floor=floor, detail=detail))
            floor = results[-1].value if way == "log" else floor
    return results
