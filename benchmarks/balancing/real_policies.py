"""Real policies: compares policies over four node processes of which one is slow, by latency percentiles and errors.

Two kinds of trouble for node n1: `stops` (SIGSTOP for 0.4 s in every 2 s) and `hog` (three busy processes on its core;
the other nodes and the client use the other core). A client sends requests at random times (Poisson) that do not depend
on the answers, picks the worker itself, and gives up after 1 s. Latency counts from the intended send time; a request
without an answer counts with 1 s and as an error. Every policy runs once in each round, in turn, with the same times.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.context import SpawnProcess
from typing import Final

from benchmarks.balancing.worker_topologies import FOUR_NODES, Work, all_linked, four_nodes
from benchmarks.harness.pinning import pin
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile
from coterie import Client
from coterie.actors.pools.pool import Pool
from coterie.cluster_processes import ClusterProcesses
from coterie.errors import CoterieError
from coterie.protocols.balancing import (
    LeastRequest,
    OutlierEjection,
    PeakEwma,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    RandomChoice,
    ResourceWeights,
    RoundRobin,
)

__all__ = ["POLICIES", "run"]

POLICIES: Final[dict[str, Policy]] = {
    "random": RandomChoice(),
    "round_robin": RoundRobin(),
    "resource_weights": ResourceWeights(),
    "least_request": LeastRequest(),
    "peak_ewma": PowerOfTwoChoices(PeakEwma()),
    "prequal": Prequal(),
    "round_robin_ejection": OutlierEjection(RoundRobin()),
}
TIMEOUT_S: Final = 1.0
STOP_S: Final = 0.4
STOP_EVERY_S: Final = 2.0
HOGS: Final = 3
SETTLE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """A kind of trouble: the load, and what happens to n1 meanwhile."""

    name: str
    requests_per_s: float
    work: Work
    cause: Callable[[ClusterProcesses], contextlib.AbstractAsyncContextManager[None]]


@dataclass(slots=True)
class Sent:
    """What became of the requests of one policy."""

    latencies_s: list[float] = field(default_factory=list)
    errors: int = 0
    on_slow_node: int = 0


@asynccontextmanager
async def _stops(cluster: ClusterProcesses) -> AsyncIterator[None]:
    async def stop_and_continue() -> None:
        while True:
            await asyncio.sleep(STOP_EVERY_S - STOP_S)
            cluster.pause("n1")
            try:
                await asyncio.sleep(STOP_S)
            finally:
                cluster.resume("n1")

    stopping = asyncio.ensure_future(stop_and_continue())
    try:
        yield
    finally:
        stopping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await stopping


@asynccontextmanager
async def _hogs(cluster: ClusterProcesses) -> AsyncIterator[None]:
    """Put n1 and the hogs on the last core, and everything else on the others."""
    cores = sorted(os.sched_getaffinity(0))
    slow, others = {cores[-1]}, set(cores[:-1]) or {cores[-1]}
    own = os.sched_getaffinity(0)
    for node in FOUR_NODES:
        os.sched_setaffinity(cluster.pid(node), slow if node == "n1" else others)
    os.sched_setaffinity(0, others)
    context = multiprocessing.get_context("spawn")
    hogs = [context.Process(target=_burn, args=(cores[-1],), daemon=True) for _ in range(HOGS)]
    try:
        for hog in hogs:
            hog.start()
        yield
    finally:
        _end(hogs)
        os.sched_setaffinity(0, own)
        for node in FOUR_NODES:
            os.sched_setaffinity(cluster.pid(node), own)


TROUBLES: Final = (
    Trouble("stops", 300.0, Work(0.0002, 0.01), _stops),
    Trouble("hog", 120.0, Work(0.002, 0.002), _hogs),
)


async def run(
    *,
    rounds: int = 2,
    seconds: float = 20.0,
    policies: tuple[str, ...] = tuple(POLICIES),
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure every policy under every trouble; the value is the 99th percentile of each round."""
    progress = Progress(len(TROUBLES) * rounds * len(policies))
    results = [] if results is None else results
    with tempfile.TemporaryDirectory() as data:
        path = "benchmarks.balancing.worker_topologies:four_nodes"
        async with ClusterProcesses(path, four_nodes, data) as cluster:
            for trouble in TROUBLES:
                sent: dict[str, list[Sent]] = {name: [] for name in policies}
                for number in range(rounds):
                    for name in policies:
                        progress.show(f"{trouble.name}, round {number + 1} of {rounds}: {name}")
                        sent[name].append(await _measure(cluster, trouble, POLICIES[name], number, seconds))
                results += [_result(trouble, name, runs) for name, runs in sent.items()]
    progress.clear()
    return results


async def _measure(cluster: ClusterProcesses, trouble: Trouble, policy: Policy, seed: int, seconds: float) -> Sent:
    async with Client([cluster.address(node) for node in FOUR_NODES]) as client:
        pool = client.pool("workers", balance=policy)
        await all_linked(client, len(FOUR_NODES))
        async with trouble.cause(cluster):
            await _send_openly(pool, trouble, random.Random(seed), SETTLE_S)
            return await _send_openly(pool, trouble, random.Random(seed), seconds)


async def _send_openly(pool: Pool, trouble: Trouble, rng: random.Random, seconds: float) -> Sent:
    """Send requests at times that do not depend on the answers; wait for all of them."""
    sent, asks, due_s = Sent(), set[Awaitable[None]](), time.monotonic()
    end_s = due_s + seconds
    while (due_s := due_s + rng.expovariate(trouble.requests_per_s)) < end_s:
        if (wait_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        asks.add(asyncio.ensure_future(_ask(pool, trouble.work, due_s, sent)))
    await asyncio.gather(*asks)
    return sent


async def _ask(pool: Pool, work: Work, due_s: float, sent: Sent) -> None:
    left_s = max(0.0, due_s + TIMEOUT_S - time.monotonic())
    try:
        node = await pool.ask(work, timeout_s=left_s)
        sent.on_slow_node += node == "n1"  # on its own line: `+= await` would lose the counts of others
        sent.latencies_s.append(time.monotonic() - due_s)
    except CoterieError:
        sent.errors += 1
        sent.latencies_s.append(max(TIMEOUT_S, time.monotonic() - due_s))


def _result(trouble: Trouble, name: str, runs: list[Sent]) -> Result:
    latencies_s = [latency_s for sent in runs for latency_s in sent.latencies_s]
    detail: dict[str, float | int | str] = {
        "latency_ms_p50": 1000 * percentile(latencies_s, 0.5),
        "latency_ms_p999": 1000 * percentile(latencies_s, 0.999),
        "errors_percent": 100 * sum(sent.errors for sent in runs) / len(latencies_s),
        "share_of_n1_percent": 100 * sum(sent.on_slow_node for sent in runs) / len(latencies_s),
        "requests": len(latencies_s),
    }
    values = tuple(1000 * percentile(sent.latencies_s, 0.99) for sent in runs)
    return Result(f"real_policies/{trouble.name}", name, "ms p99", values, detail=detail)


def _burn(core: int) -> None:
    pin(core)
    while True:
        pass


def _end(processes: list[SpawnProcess]) -> None:
    for process in processes:
        if process.pid is not None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
