"""Raft beside: measures operations per second of coterie and of other replicated stores, alternately on one machine.

A `Cell` is one combination of operation, size and clients; `measure_cells` measures it on all systems, one after the
other in each round, each time on a new cluster; medians of the rounds count. `program` is the command line of such a
benchmark. Closed-loop clients, 1,000 keys, each request at a random one.
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
from typing import Any, Final, Literal, get_args

import uvloop

from benchmarks.harness.processes import cpu_seconds
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile, write_json
from benchmarks.raft.closed_loop import closed_loop
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from benchmarks.raft.raft_floor import FloorCluster
from coterie import Client

__all__ = [
    "KEYS",
    "OPERATIONS",
    "WARM_UP_S",
    "Cell",
    "Figures",
    "Measure",
    "Operation",
    "measure_cells",
    "measure_coterie",
    "measure_floor",
    "program",
    "table",
]

Operation = Literal["put", "get"]

OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
KEYS: Final = 1000
FILLING_CLIENTS: Final = 64
WARM_UP_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Cell:
    """What `benchmark` measures: the operation, the bytes of a value, the concurrent clients."""

    benchmark: str
    operation: Operation
    size: int
    clients: int

    @property
    def name(self) -> str:
        """The name of its results."""
        return f"{self.benchmark}/{self.operation}/{self.size}B/{self.clients}"


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
"""Measures one system for so many seconds, on a new cluster."""


async def measure_cells(
    measures_by_cell: dict[Cell, dict[str, Measure]], *, rounds: int, seconds: float, results: list[Result]
) -> None:
    """Measure each cell `rounds` times on its systems, by name and in turn; then print the table of what was measured.

    `results` gets them, also if it is interrupted. RuntimeError: a system has failed.
    """
    progress = Progress(rounds * sum(len(measures) for measures in measures_by_cell.values()))
    try:
        for cell, measures in measures_by_cell.items():
            await _measure_cell(cell, measures, rounds, seconds, progress, results)
    finally:
        progress.clear()
        if rows := table(results):
            print("\n".join(rows), flush=True)


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


def table(results: Sequence[Result]) -> list[str]:
    """Return the lines of a Markdown table: a row per combination that was measured on coterie and all other systems.

    Latencies and processor times are those of `coterie / …`, the other systems in their order; everything is the median
    of the rounds. No lines: no such row.
    """
    others = list(dict.fromkeys(result.system for result in results if result.system not in ("floor", "coterie")))
    rows: list[Sequence[str]] = []
    by_name: dict[str, dict[str, Result]] = {}
    for result in results:
        by_name.setdefault(result.benchmark, {})[result.system] = result
    for name, by_system in by_name.items():
        if others and {"coterie", *others} <= set(by_system):
            rows.append(_row(name, by_system["coterie"], [by_system[other] for other in others]))
    head = [_head(others), ["---"] * len(_head(others))] if rows else []
    return [f"| {' | '.join(row)} |" for row in [*head, *rows]]


def _head(others: Sequence[str]) -> list[str]:
    rates = [f"{system}/s" for system in ("floor", "coterie", *others)]
    ratios = [f"coterie ÷ {other}" for other in others]
    return ["operation, bytes, clients", *rates, *ratios, "p50 ms", "p99 ms", "CPU µs"]


def _row(name: str, coterie: Result, others: Sequence[Result]) -> list[str]:
    details = [
        " / ".join(f"{float(result.detail[key]):.3g}" for result in (coterie, *others))
        for key in ("p50_ms", "p99_ms", "cpu_us")
    ]
    floor = "–" if coterie.floor is None else f"{coterie.floor:,.0f}"
    rates = [f"{result.value:,.0f}" for result in (coterie, *others)]
    ratios = [f"{coterie.value / other.value:.2f}" if other.value else "–" for other in others]
    return [", ".join(name.split("/")[1:]), floor, *rates, *ratios, *details]


def program(
    run: Callable[..., Awaitable[object]],
    name: str,
    description: str | None,
    arguments: Sequence[str] | None,
    *,
    sizes: Sequence[int],
    clients: Sequence[int],
    operations: Sequence[Operation] = (),
) -> int:
    """Run a benchmark as its options say; return the exit code. The defaults are given.

    Args:
        run: the benchmark: it takes `rounds`, `seconds`, `sizes`, `clients`, `has_floor`, `results`, and `operations`
            if there are any to choose from.
        name: the name of its module.
        description: what it says about itself.
        arguments: the options; None: those of the command line.
        sizes: bytes of a value.
        clients: concurrent clients.
        operations: what can be measured.
    """
    chosen = _chosen(name, description, arguments, sizes, clients, operations)
    results: list[Result] = []
    options: dict[str, Any] = {"operations": chosen.operations} if operations else {}
    options |= {key: getattr(chosen, key) for key in ("rounds", "seconds", "sizes", "clients")}
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_ran(run(**options, has_floor=not chosen.no_floor, results=results)))
    except KeyboardInterrupt:
        print("interrupted: what was measured is above", file=sys.stderr)
        return 130
    finally:
        if chosen.json:
            write_json(chosen.json, results)
    return 0


async def _ran(running: Awaitable[object]) -> None:
    await running


def _chosen(
    name: str,
    description: str | None,
    arguments: Sequence[str] | None,
    sizes: Sequence[int],
    clients: Sequence[int],
    operations: Sequence[Operation],
) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = f"(default: {' '.join(map(str, sizes))})", f"(default: {clients[0]} … {clients[-1]})"
    if operations:
        parser.add_argument("--operations", nargs="+", choices=operations, default=operations, help="(default: both)")
    parser.add_argument("--sizes", nargs="+", type=int, default=sizes, metavar="BYTES", help=default[0])
    parser.add_argument("--clients", nargs="+", type=int, default=clients, metavar="N", help=default[1])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="measurements of each system (default: 3)")
    parser.add_argument("--seconds", type=float, default=4.0, help="the length of a measurement (default: 4)")
    parser.add_argument("--no-floor", action="store_true", help="do not measure the floor")
    parser.add_argument("--json", metavar="FILE", help="write the results as a list of objects")
    chosen = parser.parse_args(arguments)
    if min(chosen.rounds, chosen.seconds, *chosen.clients, *chosen.sizes) <= 0:
        parser.error("--rounds, --seconds, --clients and --sizes are above 0")
    return chosen
