"""Raft beside etcd: measures durable writes and linearizable reads per second of both, alternately on one machine.

Three nodes of coterie, three members of etcd and (for writes) the floor of `raft_floor`, one after the other in each
round; fsync on, default settings, data in the same temporary directory. Closed-loop clients share one connection to the
leader, each system's through its own client: coterie's in this Python process, etcd's in a Go program. Each request
takes one of 1,000 keys at random. Medians of the rounds count.

    python -m benchmarks raft_beside_etcd
    python -m benchmarks.raft.raft_beside_etcd --operations put --sizes 100 --clients 16 64 --rounds 3 --seconds 4

Without etcd, Go or etcd's Go client it names the Debian packages to install, and measures nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import uvloop

from benchmarks.harness.processes import cpu_seconds
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile, write_json
from benchmarks.peers.etcd.etcd_client import EtcdLoad, built_program
from benchmarks.peers.etcd.etcd_cluster import EtcdCluster
from benchmarks.peers.etcd.etcd_packages import etcd_missing
from benchmarks.raft.closed_loop import closed_loop
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from benchmarks.raft.raft_floor import FloorCluster
from coterie import Client

__all__ = ["Cell", "Figures", "run", "table"]

Operation = Literal["put", "get"]

OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
SIZES: Final = (100, 4096)
CLIENTS: Final = (1, 16, 64, 256, 1024)
KEYS: Final = 1000
FILLING_CLIENTS: Final = 64
WARM_UP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured: the operation, the bytes of a value, the concurrent clients."""

    operation: Operation
    size: int
    clients: int

    @property
    def name(self) -> str:
        """The name of its results."""
        return f"raft_beside_etcd/{self.operation}/{self.size}B/{self.clients}"


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement: operations per second, latencies in ms, processor time of all processes per operation in µs."""

    per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    cpu_us: float


async def measure_coterie(cell: Cell, seconds: float) -> Figures:
    """Measure three nodes through a client that knows the leader's address."""
    async with BenchmarkCluster() as cluster:
        async with Client(list(cluster.address_by_node.values())) as finder:
            leader = await cluster.leader(finder)
        async with Client([cluster.address_by_node[leader.node]]) as client:
            store, value = client.key_value(STORE), b"v" * cell.size
            await _write_all_keys(store.put, value)

            async def put(key: bytes) -> None:
                await store.put(key, value)

            async def get(key: bytes) -> None:
                if await store.get(key) is None:
                    raise RuntimeError(f"no value of {key!r}")

            figures = await _own_loop(put if cell.operation == "put" else get, cell, seconds, cluster.cpu_seconds)
            after = await cluster.leader(client)
            if (after.node, after.term) != (leader.node, leader.term):
                print(f"  coterie's leader changed: term {leader.term} to {after.term}", file=sys.stderr)
            return figures


async def measure_floor(cell: Cell, seconds: float) -> Figures:
    """Measure the floor of the writes."""
    async with FloorCluster() as cluster:
        client, value = await cluster.client(), b"v" * cell.size
        return await _own_loop(lambda key: client.put(key, value), cell, seconds, cluster.cpu_seconds)


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


async def _write_all_keys(put: Callable[[bytes, bytes], Awaitable[object]], value: bytes) -> None:
    """Give each key its first value, so that every read finds one."""
    for at in range(0, KEYS, FILLING_CLIENTS):
        numbers = range(at, min(KEYS, at + FILLING_CLIENTS))
        await asyncio.gather(*(put(b"key-%d" % number, value) for number in numbers))


async def _own_loop(
    operate: Callable[[bytes], Awaitable[object]], cell: Cell, seconds: float, cpu_of_nodes: Callable[[], float]
) -> Figures:
    """Run the clients in this process, first as the warm-up, then to measure them."""
    keys, draw = [b"key-%d" % number for number in range(KEYS)], random.Random(1).random

    def request(_: bytes, __: bytes) -> Awaitable[object]:
        return operate(keys[int(draw() * KEYS)])

    await closed_loop(request, cell.clients, warm_up_s=0.0, measure_s=WARM_UP_S)
    cpu_s = cpu_of_nodes() + cpu_seconds([os.getpid()])
    load = await closed_loop(request, cell.clients, warm_up_s=0.0, measure_s=seconds)
    cpu_s = cpu_of_nodes() + cpu_seconds([os.getpid()]) - cpu_s
    ms = [1000 * latency for latency in load.latencies_s]
    p50, p95, p99 = (percentile(ms, share) for share in (0.50, 0.95, 0.99))
    return Figures(load.per_s, p50, p95, p99, max(ms), 1e6 * cpu_s / len(ms))


Measure = Callable[[Cell, float], Awaitable[Figures]]


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
    cells = [Cell(operation, size, count) for operation in operations for size in sizes for count in clients]
    systems = [_systems(cell, has_floor=has_floor) for cell in cells]
    progress = Progress(rounds * sum(len(measures) for measures in systems))
    await asyncio.to_thread(built_program)
    try:
        for cell, measures in zip(cells, systems, strict=True):
            await _measure_cell(cell, measures, rounds, seconds, progress, results)
    finally:
        progress.clear()
        if rows := table(results):
            print("\n".join(rows), flush=True)
    return results


def _systems(cell: Cell, *, has_floor: bool) -> dict[str, Measure]:
    floor: dict[str, Measure] = {"floor": measure_floor} if has_floor and cell.operation == "put" else {}
    return {**floor, "coterie": measure_coterie, "etcd": measure_etcd}


async def _measure_cell(
    cell: Cell, measures: dict[str, Measure], rounds: int, seconds: float, progress: Progress, results: list[Result]
) -> None:
    """Add a result for each system; what was measured is kept if it is interrupted."""
    measured: dict[str, list[Figures]] = {system: [] for system in measures}
    try:
        for number in range(1, rounds + 1):
            for system, measure in measures.items():
                progress.show(f"{cell.name}: {system}, round {number} of {rounds}")
                measured[system].append(await measure(cell, seconds))
    finally:
        floors = [figures.per_s for figures in measured.get("floor", ())]
        floor = statistics.median(floors) if floors else None
        results += [
            _result(cell, system, some, None if system == "floor" else floor)
            for system, some in measured.items()
            if some
        ]


def _result(cell: Cell, system: str, measured: Sequence[Figures], floor: float | None) -> Result:
    names = ("p50_ms", "p95_ms", "p99_ms", "max_ms", "cpu_us")
    detail = {name: statistics.median(getattr(figures, name) for figures in measured) for name in names}
    per_s = tuple(figures.per_s for figures in measured)
    return Result(cell.name, system, f"{cell.operation}s/s", per_s, floor=floor, detail={**detail})


HEAD: Final = (
    "operation, bytes, clients", "floor/s", "coterie/s", "etcd/s", "coterie ÷ etcd", "p50 ms", "p99 ms", "CPU µs",
)  # fmt: skip


def table(results: Sequence[Result]) -> list[str]:
    """Return the lines of a Markdown table: a row per combination that was measured on both systems.

    Latencies and processor times are `coterie / etcd`; everything is the median of the rounds. No lines: no such row.
    """
    rows: list[Sequence[str]] = []
    by_name: dict[str, dict[str, Result]] = {}
    for result in results:
        by_name.setdefault(result.benchmark, {})[result.system] = result
    for name, by_system in by_name.items():
        if {"coterie", "etcd"} <= set(by_system):
            rows.append(_row(name, by_system["coterie"], by_system["etcd"]))
    head = [HEAD, ["---"] * len(HEAD)] if rows else []
    return [f"| {' | '.join(row)} |" for row in [*head, *rows]]


def _row(name: str, coterie: Result, etcd: Result) -> list[str]:
    both = [
        f"{float(coterie.detail[key]):.3g} / {float(etcd.detail[key]):.3g}" for key in ("p50_ms", "p99_ms", "cpu_us")
    ]
    floor = "–" if coterie.floor is None else f"{coterie.floor:,.0f}"
    ratio = f"{coterie.value / etcd.value:.2f}" if etcd.value else "–"
    what = ", ".join(name.split("/")[1:])
    return [what, floor, f"{coterie.value:,.0f}", f"{etcd.value:,.0f}", ratio, *both]


def _main(arguments: Sequence[str] | None = None) -> int:
    prog = "python -m benchmarks.raft.raft_beside_etcd"
    parser = argparse.ArgumentParser(
        prog=prog, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--operations", nargs="+", choices=OPERATIONS, default=OPERATIONS, help="(default: both)")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, metavar="BYTES", help="(default: 100 4096)")
    parser.add_argument("--clients", nargs="+", type=int, default=CLIENTS, metavar="N", help="(default: 1 … 1024)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements of each system (default: 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="the length of a measurement (default: 4)")
    parser.add_argument("--no-floor", action="store_true", help="do not measure the floor")
    parser.add_argument("--json", metavar="FILE", help="write the results as a list of objects")
    chosen = parser.parse_args(arguments)
    if min(chosen.rounds, chosen.seconds, *chosen.clients, *chosen.sizes) <= 0:
        parser.error("--rounds, --seconds, --clients and --sizes are above 0")
    results: list[Result] = []
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(
                run(
                    rounds=chosen.rounds,
                    seconds=chosen.seconds,
                    operations=chosen.operations,
                    sizes=chosen.sizes,
                    clients=chosen.clients,
                    has_floor=not chosen.no_floor,
                    results=results,
                )
            )
    except KeyboardInterrupt:
        print("interrupted: what was measured is above", file=sys.stderr)
        return 130
    finally:
        if chosen.json:
            write_json(chosen.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(_main())
