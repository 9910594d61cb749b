"""Raft operations: a rolling restart, an upgrade, a move of leadership and a lost disk under load: errors, pause, p99.

Clients put 100 bytes each, one command after the other, with default time-outs and sessions. Each operation is one
phase; between two phases nothing happens for a while (`calm`). A row has the calls that failed, the longest time in
which no call was answered, and the latencies of those that began in the phase.

    python -m benchmarks.operations.raft_operations [--clients 16] [--calm 5]
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from benchmarks.harness.results import Result, percentile
from benchmarks.raft.closed_loop import VALUE
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.errors import CoterieError

__all__ = ["run"]

WAIT_S = 60.0
POLL_S = 0.05
NEXT_RELEASE = "benchmarks.raft.raft_cluster:next_release"


@dataclass(slots=True)
class Phase:
    """What clients saw in one phase: when calls ended (monotonic, s), their latencies (s), and the errors."""

    name: str
    ended_s: list[float] = field(default_factory=list)
    latencies_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def longest_pause_s(self) -> float:
        """The longest time between two answers."""
        return max((after - before for before, after in zip(self.ended_s, self.ended_s[1:], strict=False)), default=0.0)


class _Load:
    """Clients that write until they are stopped; what they see belongs to the present phase."""

    def __init__(self, client: Client, clients: int) -> None:
        self._store = client.key_value(STORE)
        self.phase = Phase("start")
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(clients)]

    async def _write(self, number: int) -> None:
        key = b"key-%d" % number
        while True:
            phase, began_s = self.phase, time.monotonic()
            try:
                await self._store.put(key, VALUE)
            except CoterieError as error:
                phase.errors.append(f"{type(error).__name__}: {error}")
            now_s = time.monotonic()
            phase.latencies_s.append(now_s - began_s)
            self.phase.ended_s.append(now_s)

    async def during(self, name: str, operation: Callable[[], Awaitable[object]]) -> Phase:
        """Run one phase."""
        self.phase = phase = Phase(name)
        await operation()
        return phase

    async def stop(self) -> None:
        """End the clients."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Operator:
    """Does to a cluster what its operators do."""

    def __init__(self, cluster: BenchmarkCluster, client: Client) -> None:
        self._cluster = cluster
        self._client = client
        self._group = client.group(STORE)

    async def restart_all(self) -> None:
        """Stop each node in order and start it, the leader last."""
        leader = (await self._cluster.leader(self._client)).node
        for node in sorted(self._cluster.names, key=lambda name: name == leader):
            self._cluster.child_by_node[node].signal(signal.SIGTERM)
            await self._cluster.child_by_node[node].wait(WAIT_S)
            await self._cluster.start(node)
            await self._caught_up(node)

    async def upgrade(self) -> None:
        """Restart all on the next release, and activate it."""
        self._cluster.topology = NEXT_RELEASE
        await self.restart_all()
        await self._group.activate()

    async def move_leader(self) -> None:
        """Let another node lead."""
        await self._group.transfer()

    async def replace_disk(self) -> None:
        """Kill a follower, empty its disk, and replace its store."""
        leader = (await self._cluster.leader(self._client)).node
        node = next(name for name in self._cluster.names if name != leader)
        (lost,) = [member.store for member in await self._group.members() if member.node == node]
        await self._cluster.child_by_node[node].end()
        shutil.rmtree(self._cluster.data_of(node))
        await self._cluster.start(node, bootstrap="join")
        await self._group.replace(node, store=str(lost))
        await self._caught_up(node)

    async def _caught_up(self, node: str) -> None:
        goal = (await self._cluster.leader(self._client)).commit_index
        async with asyncio.timeout(WAIT_S):
            while True:
                status = (await self._group.status()).get(node)
                if isinstance(status, GroupStatus) and status.applied_index >= goal:
                    return
                await asyncio.sleep(POLL_S)


async def run(
    *, clients: int = 16, calm_s: float = 5.0, results: list[Result] | None = None, shows: bool = False
) -> list[Result]:
    """Go through all operations."""
    results = [] if results is None else results
    async with BenchmarkCluster() as cluster, Client(list(cluster.address_by_node.values())) as client:
        await client.key_value(STORE).put(b"first", b"")
        operator, load = _Operator(cluster, client), _Load(client, clients)

        async def calm() -> None:
            await asyncio.sleep(calm_s)

        try:
            for name, operation in (
                ("rolling restart", operator.restart_all),
                ("upgrade", operator.upgrade),
                ("leader moved", operator.move_leader),
                ("disk replaced", operator.replace_disk),
            ):
                for phase in (
                    await load.during(f"calm before {name}", calm),
                    await load.during(name, operation),
                ):
                    results.append(_result(phase))
                    if shows:
                        print(_line(phase), flush=True)
        finally:
            await load.stop()
    return results


def _result(phase: Phase) -> Result:
    detail: dict[str, float | int | str] = {
        "errors": len(phase.errors),
        "calls": len(phase.latencies_s),
        "p50_ms": 1000 * percentile(phase.latencies_s, 0.5),
        "p99_ms": 1000 * percentile(phase.latencies_s, 0.99),
        "first_error": phase.errors[0] if phase.errors else "",
    }
    return Result("raft_operations", phase.name, "longest pause ms", (1000 * phase.longest_pause_s,), detail=detail)


def _line(phase: Phase) -> str:
    p50_ms, p99_ms = (1000 * percentile(phase.latencies_s, share) for share in (0.5, 0.99))
    first = f"  first error: {phase.errors[0]}" if phase.errors else ""
    return (
        f"{phase.name:<30} {len(phase.latencies_s):>8} calls {len(phase.errors):>4} errors   longest pause "
        f"{1000 * phase.longest_pause_s:>7.0f} ms   p50 {p50_ms:>6.1f} ms   p99 {p99_ms:>7.1f} ms{first}"
    )


def main() -> None:
    """Measure, and print a line for each phase."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--calm", type=float, default=5.0, metavar="SECONDS")
    args = parser.parse_args()
    asyncio.run(run(clients=args.clients, calm_s=args.calm, shows=True))


if __name__ == "__main__":
    main()
