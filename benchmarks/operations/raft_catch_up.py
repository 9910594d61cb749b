"""Raft catch-up: measures how long a follower takes that was down while others wrote, by log and by snapshot.

A follower is killed, N entries of 100 bytes over 1,000 keys are written without it, and it is started again. The time
goes from the start of its process until it has applied all of them. `log`: the leader sends entries; `snapshot`: it has
dropped them, and sends its snapshot; etcd as it is installed, if it is.

    python -m benchmarks.operations.raft_catch_up [--entries 100000] [--ways log snapshot etcd] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final

from benchmarks.harness.results import Result, show
from benchmarks.peers.etcd.etcd_client import EtcdLoad, built_program
from benchmarks.peers.etcd.etcd_cluster import EtcdCluster
from benchmarks.peers.etcd.etcd_packages import etcd_missing
from benchmarks.raft.closed_loop import VALUE
from benchmarks.raft.raft_cluster import CLUSTER, STORE, BenchmarkCluster, three_nodes
from coterie import Client, KeyValue, SnapshotPolicy, Topology
from coterie.actors.groups.group_messages import GroupStatus

__all__ = ["run"]

WAYS: Final = ("log", "snapshot", "etcd")
CLIENTS: Final = 256
KEYS: Final = 1000
POLL_S: Final = 0.02
LIMIT_S: Final = 300.0
SLICE_S: Final = 2.0


def _topology(policy: SnapshotPolicy) -> Topology:
    declared = Topology(CLUSTER, three_nodes.nodes)
    declared.raft(STORE, machine=KeyValue, snapshots=policy)
    return declared


by_log = _topology(SnapshotPolicy(after_bytes=1 << 40, after_entries=10**9))
by_snapshot = _topology(SnapshotPolicy(after_bytes=1 << 20, share=0.0, trailing_entries=0))


async def _coterie(way: str, entries: int) -> float:
    """Return how long a follower of coterie takes, s."""
    async with BenchmarkCluster() as cluster:
        for name in cluster.names:  # start them on the topology of this module
            await cluster.child_by_node[name].end()
        cluster.topology = f"benchmarks.operations.raft_catch_up:by_{way}"
        await asyncio.gather(*(cluster.start(name) for name in cluster.names))
        async with Client(list(cluster.address_by_node.values())) as client:
            store = client.key_value(STORE)
            await store.put(b"first", b"")
            leader = (await cluster.leader(client)).node
            follower = next(name for name in cluster.names if name != leader)
            had = (await client.group(STORE).status())[follower]
            await cluster.child_by_node[follower].end()
            left = iter(range(entries))

            async def write() -> None:
                for _ in left:
                    await store.put(b"key-%d" % random.randrange(KEYS), VALUE)

            await asyncio.gather(*(write() for _ in range(CLIENTS)))
            goal = await _goal(cluster, client, had, is_snapshot=way == "snapshot")
            began_s = time.monotonic()
            await cluster.start(follower)
            async with asyncio.timeout(LIMIT_S):
                while True:
                    now = (await client.group(STORE).status()).get(follower)
                    if isinstance(now, GroupStatus) and now.applied_index >= goal:
                        return time.monotonic() - began_s
                    await asyncio.sleep(POLL_S)


async def _goal(cluster: BenchmarkCluster, client: Client, had: object, *, is_snapshot: bool) -> int:
    """Return up to which index the follower must come; wait until the leader has dropped what it needs.

    RuntimeError if the leader has dropped it, and should not have.
    """
    if not isinstance(had, GroupStatus):
        raise RuntimeError(f"the follower did not answer: {had}")
    async with asyncio.timeout(LIMIT_S):
        while True:
            leader = await cluster.leader(client)
            if is_snapshot == (leader.base_index > had.last_index):
                return leader.commit_index
            if not is_snapshot:
                raise RuntimeError(f"the follower has entries up to {had.last_index}, the leader {leader.base_index}")
            await asyncio.sleep(POLL_S)


async def _etcd(entries: int, command: Sequence[str]) -> float:
    """Return how long a follower of etcd takes, s."""
    async with EtcdCluster() as cluster:
        leader = await cluster.leader()
        follower = next(name for name in cluster.names if name != leader)
        cluster.signal(follower, signal.SIGKILL)
        load = EtcdLoad((cluster.url_by_member[leader],), "put", CLIENTS, keys=KEYS)
        first = await cluster.applied_index(leader)
        while await cluster.applied_index(leader) - first < entries:
            await load.measure(warm_up_s=0.0, measure_s=SLICE_S, command=command)
        goal = await cluster.applied_index(leader)
        began_s = time.monotonic()
        await cluster.start(follower)
        async with asyncio.timeout(LIMIT_S):
            while await cluster.applied_index(follower) < goal:  # noqa: ASYNC110 (it happens in another process)
                await asyncio.sleep(POLL_S)
        return time.monotonic() - began_s


async def run(
    *,
    entries: int = 100_000,
    ways: Sequence[str] = WAYS,
    rounds: int = 3,
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure each way in turn; without etcd that one is left out."""
    results = [] if results is None else results
    times_by_way: dict[str, list[float]] = {way: [] for way in ways}
    missing = etcd_missing()
    if missing is not None and times_by_way.pop("etcd", None) is not None:
        print(missing, file=sys.stderr, flush=True)
    command = built_program() if "etcd" in times_by_way else ()
    for _ in range(rounds):
        for way, times in times_by_way.items():
            times.append(await (_etcd(entries, command) if way == "etcd" else _coterie(way, entries)))
            print(f"{way}: {entries} entries in {times[-1]:.2f} s", file=sys.stderr, flush=True)
    for way, times in times_by_way.items():
        system = "etcd" if way == "etcd" else "coterie"
        results.append(Result(f"raft_catch_up/{entries}/{way}", system, "s", tuple(times)))
    return results


def main() -> None:
    """Measure, and print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    for result in asyncio.run(run(entries=args.entries, ways=args.ways, rounds=args.rounds)):
        print(show(result))


if __name__ == "__main__":
    main()
