"""Raft stability: counts leader changes during 60 s of writes by 256 clients, with default time-outs."""

from __future__ import annotations

from benchmarks.harness.results import Result
from benchmarks.raft.closed_loop import closed_loop
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client

__all__ = ["run"]


async def run(*, seconds: float = 60.0, clients: int = 256, results: list[Result] | None = None) -> list[Result]:
    """Count the terms that pass."""
    async with BenchmarkCluster() as cluster, Client(list(cluster.address_by_node.values())) as client:
        store = client.key_value(STORE)
        await store.put(b"first", b"")
        before = await cluster.leader(client)
        load = await closed_loop(store.put, clients, warm_up_s=0.0, measure_s=seconds)
        after = await cluster.leader(client)
    changes = after.term - before.term
    results = [] if results is None else results
    results.append(
        Result("raft_steady", "coterie", "changes", (float(changes),), detail={"commands_per_s": load.per_s})
    )
    return results
