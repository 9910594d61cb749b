"""Singleton failover: measures the time from the end of a singleton's node to the first answer of the next one.

Real processes: SIGKILL and SIGSTOP of the node of a singleton in clusters of three and of five; a client asks every 50
ms. In virtual time: 50 members, of which three hold the view, and the node of a singleton falls silent. Settings at
their defaults.

    python -m benchmarks.operations.singleton_failover --times 20
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Self

from benchmarks.harness.results import Result, percentile
from benchmarks.raft.raft_cluster import BenchmarkCluster
from coterie import Actor, Ask, Client, CoterieError, Members, Node, Role, Topology, message
from coterie.actors.membership.singleton.singleton_client import SingletonClient
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.testing import Cluster

__all__ = ["run"]

CRON = "cron"
ASK_EVERY_S = 0.05
ASK_S = 2.0
SETTLE_S = 3.0
GIVE_UP_S = 60.0


@message(name="benchmark.Where")
class Where(Ask[tuple[str, int]]):
    """Ask where the singleton runs: node and epoch."""


class Cron(Actor[Where]):
    """The actor of the singleton."""

    def __init__(self, node: Node, epoch: int) -> None:
        self._answer = (node.name, int(epoch))

    def receive(self, msg: Where, /) -> tuple[str, int]:
        """Answer."""
        return self._answer


def _topology(nodes: int, *, role: str | None = None) -> Topology:
    declared = Topology("benchmark", nodes=Members(founders=[f"n{number}" for number in range(1, nodes + 1)]))
    declared.singleton(CRON, Cron, nodes=None if role is None else Role(role))
    return declared


three_nodes = _topology(3)
five_nodes = _topology(5)


async def _after(cron: SingletonClient, epoch: int, clock: Callable[[], float]) -> tuple[float, str, int]:
    """Ask every 50 ms until a later epoch answers; return when (s), where, and its epoch."""
    found: asyncio.Future[tuple[float, str, int]] = asyncio.get_running_loop().create_future()

    async def ask() -> None:
        with contextlib.suppress(CoterieError):
            node, answered = await cron.ask(Where(), timeout_s=ASK_S)
            if answered > epoch and not found.done():
                found.set_result((clock(), node, answered))

    asks = []
    give_up_at = clock() + GIVE_UP_S
    while not found.done():
        if clock() > give_up_at:
            raise RuntimeError(f"no epoch after {epoch} has answered in {GIVE_UP_S:g} s")
        asks.append(asyncio.create_task(ask()))
        await asyncio.wait([found], timeout=ASK_EVERY_S)
    for each in asks:
        each.cancel()
    await asyncio.gather(*asks, return_exceptions=True)
    return found.result()


# --- real processes


async def _real(nodes: int, which: signal.Signals, times: int) -> list[float]:
    seconds: list[float] = []
    async with (
        BenchmarkCluster(nodes, declared_in="benchmarks.operations.singleton_failover") as cluster,
        Client(list(cluster.address_by_node.values())) as client,
    ):
        cron = client.singleton(CRON)
        _, holder, epoch = await _after(cron, 0, time.perf_counter)
        for trial in range(times):
            await asyncio.sleep(SETTLE_S)
            ended, began = holder, time.perf_counter()
            cluster.child_by_node[ended].signal(which)
            at, holder, epoch = await _after(cron, epoch, time.perf_counter)
            seconds.append(at - began)
            print(f"  {nodes} nodes, {which.name} {trial + 1}: {seconds[-1]:.2f} s", file=sys.stderr)
            await cluster.child_by_node[ended].end()
            await cluster.start(ended)
    return seconds


# --- virtual time


async def _simulated(members: int, times: int) -> list[float]:
    founders, seconds = 3, list[float]()
    declared = _topology(founders, role="worker")
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(Cluster(declared))
        clock = asyncio.get_running_loop().time
        crowd = await stack.enter_async_context(_Crowd(cluster, declared))
        for number in range(members - founders):
            await crowd.add(number)
        cron = cluster["n1"].singleton(CRON)
        _, holder, epoch = await _after(cron, 0, clock)
        for trial in range(times):
            await asyncio.sleep(SETTLE_S + 0.37 * trial)
            ended, began = holder, clock()
            crowd.crash(ended)
            at, holder, epoch = await _after(cron, epoch, clock)
            seconds.append(at - began)
            print(f"  {members} members, crash {trial + 1}: {seconds[-1]:.2f} s", file=sys.stderr)
            await crowd.forget(ended)
            await crowd.add(members + trial)
    return seconds


class _Crowd:
    """The members beside the founders, each in a task of its own."""

    def __init__(self, cluster: Cluster, declared: Topology) -> None:
        self._cluster = cluster
        self._declared = declared
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ends: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in list(self._tasks):
            await self.forget(name)

    async def add(self, number: int) -> None:
        """Start a member, and wait until it is up."""
        name, end = f"w{number}", asyncio.Event()
        is_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def live() -> None:
            seeds = [self._cluster.addresses["n1"]]
            listen = f"127.0.0.1:{8000 + number}"
            running = self._declared.start(
                node=name, listen=listen, join=seeds, roles=["worker"], host=self._cluster.host(name)
            )
            async with running as node:
                assert node.membership is not None
                await node.membership.up()
                is_up.set_result(None)
                await end.wait()

        self._ends[name] = end
        self._tasks[name] = asyncio.create_task(live())
        await is_up

    def crash(self, name: str) -> None:
        """Let a member fall silent."""
        self._cluster.network.freeze(name)

    async def forget(self, name: str) -> None:
        """End the process of a member."""
        self._ends.pop(name).set()
        await asyncio.gather(self._tasks.pop(name), return_exceptions=True)


def _result(what: str, seconds: list[float]) -> Result:
    runs = tuple(1000 * second for second in seconds)
    detail = {name: percentile(runs, share) for name, share in (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99))}
    return Result(f"singleton_failover/{what}", "coterie", "ms", runs, detail={**detail, "max_ms": max(runs)})


async def run(
    *,
    times: int = 20,
    sizes: tuple[int, ...] = (3, 5),
    signals: tuple[signal.Signals, ...] = (signal.SIGKILL, signal.SIGSTOP),
    members: int = 50,
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure each size with each signal, and then the simulated members."""
    results = [] if results is None else results
    for nodes in sizes:
        for which in signals:
            results.append(_result(f"{which.name}, {nodes} nodes", await _real(nodes, which, times)))
    if members:
        seconds = await asyncio.to_thread(run_virtual, partial(_simulated, members, times))
        results.append(_result(f"crash, {members} simulated members", seconds))
    return results


def main() -> None:
    """Measure as the arguments say, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operations.singleton_failover", description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="how often each node is ended (default: %(default)s)")
    parser.add_argument("--sizes", type=int, nargs="*", default=[3, 5], help="sizes of real clusters: 3, 5")
    parser.add_argument("--members", type=int, default=50, help="simulated members; 0: none")
    args = parser.parse_args()
    for result in asyncio.run(run(times=args.times, sizes=tuple(args.sizes), members=args.members)):
        figures = ", ".join(f"{name} {value:.0f}" for name, value in result.detail.items() if isinstance(value, float))
        print(f"{result.benchmark}: {figures}")


if __name__ == "__main__":
    main()
