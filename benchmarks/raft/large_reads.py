"""Large reads: measures 400 concurrent reads of 500 kB from one group, and what they cost its leader.

Three node processes; the reads come from one client, and from 20. The value is MB/s; beside it: the terms that passed,
the longest time that the loops of the leader and of the followers were held, and how far the leader's resident memory
rose. Reach: 200 MB/s, no new term, a few milliseconds, and the memory that `docs/guarantees.md` states. The floor is
a raw socket: a process that writes the same number of bytes for each request.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from benchmarks.harness.processes import Child, cpu_seconds, free_ports, peak_bytes, reset_peak, resident_bytes
from benchmarks.harness.results import Result
from benchmarks.raft import raft_cluster
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Actor, Ask, Client, Node, message
from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.key_value import Get, Put
from coterie.runtime.observing.lag_probe import LagProbe

__all__ = ["run", "three_nodes"]

READS = 400
VALUE_BYTES = 500_000
VALUES = 8
CLIENTS = (1, 20)
TIMEOUT_S = 60.0
PROBE_S = 0.002
REQUEST = b"a"


@message(name="benchmark.Lag")
class Lag:
    """How long a loop was held at most, and for how much of its own processor time (s, at least 2 ms less).

    The first one contains what other processes took of the cores meanwhile.
    """

    wall_s: float = 0.0
    cpu_s: float = 0.0


@message(name="benchmark.TakeLag")
class TakeLag(Ask[Lag]):
    """Ask for the longest times since the last question."""


class LagMeter(Actor[TakeLag]):
    """Measures how late the loop of its node is."""

    def __init__(self, node: Node) -> None:
        self._lag = Lag()

    def on_start(self) -> None:
        """Begin to measure."""
        system = self.context.system
        self._probes = [
            LagProbe(system.loop, system.host.clock.monotonic, PROBE_S, self._note_wall),
            LagProbe(system.loop, time.thread_time, PROBE_S, self._note_cpu),
        ]

    def on_stop(self) -> None:
        """End the measurement."""
        for probe in self._probes:
            probe.stop()

    def _note_wall(self, lag_s: float) -> None:
        self._lag = Lag(max(self._lag.wall_s, lag_s), self._lag.cpu_s)

    def _note_cpu(self, lag_s: float) -> None:
        self._lag = Lag(self._lag.wall_s, max(self._lag.cpu_s, lag_s))

    def receive(self, msg: TakeLag, /) -> Lag:
        """Return the longest lags, and forget them."""
        lag, self._lag = self._lag, Lag()
        return lag


three_nodes = raft_cluster.topology(3)
three_nodes.actor("lag", LagMeter)


async def run(
    *,
    runs: int = 3,
    reads: int = READS,
    clients: tuple[int, ...] = CLIENTS,
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure each number of clients `runs` times, with new processes each time, floor and group in turn."""
    results = [] if results is None else results
    for count in clients:
        floors, measured = [], []
        for _ in range(runs):
            floors.append(await _floor(count, reads))
            measured.append(await _group(count, reads))
        name = f"large_reads/{count}"
        results.append(Result(name, "floor", "MB/s", tuple(floors)))
        detail = {key: max(one[key] for one in measured) for key in measured[0] if key != "mb_per_s"}
        values = tuple(one["mb_per_s"] for one in measured)
        results.append(Result(name, "coterie", "MB/s", values, floor=results[-1].value, detail={**detail}))
    return results


async def _group(clients: int, reads: int) -> dict[str, float]:
    async with BenchmarkCluster(declared_in="benchmarks.raft.large_reads") as cluster, AsyncExitStack() as exits:
        addresses = list(cluster.address_by_node.values())
        readers = [await exits.enter_async_context(Client(addresses)) for _ in range(clients)]
        first = readers[0]
        groups = [reader.group(STORE) for reader in readers]
        for number in range(VALUES):
            await groups[0].execute(Put(_key(number), bytes([number]) * VALUE_BYTES))
        await asyncio.gather(*(group.execute(Get(_key(0))) for group in groups))  # each client knows the leader
        before = await cluster.leader(first)
        pid = cluster.child_by_node[before.node].pid
        await _take_lags(first, before)
        reset_peak(pid)
        resident, began_s = resident_bytes(pid), time.perf_counter()
        cpu_s = _cpu_seconds(cluster, pid)
        await _read(groups, reads)
        seconds = time.perf_counter() - began_s
        used_s = [after - before for before, after in zip(cpu_s, _cpu_seconds(cluster, pid), strict=True)]
        peak = peak_bytes(pid)
        leader, others = await _take_lags(first, before)
        after = await cluster.leader(first)
        return {
            "mb_per_s": reads * VALUE_BYTES / 1e6 / seconds,
            "terms": float(after.term - before.term),
            "leader_held_ms": 1000 * leader.wall_s,
            "leader_held_cpu_ms": 1000 * leader.cpu_s,
            "others_held_ms": 1000 * others.wall_s,
            "others_held_cpu_ms": 1000 * others.cpu_s,
            "leader_rose_mb": (peak - resident) / 1e6,
            "leader_cpu_s": used_s[0],
            "nodes_cpu_s": used_s[1],
            "client_cpu_s": used_s[2],
        }


def _cpu_seconds(cluster: BenchmarkCluster, leader: int) -> tuple[float, float, float]:
    """Return the processor time so far of the leader, of all nodes, and of this process (s)."""
    return cpu_seconds([leader]), cluster.cpu_seconds(), time.process_time()


async def _read(groups: list[GroupClient[Any]], reads: int) -> None:
    """Read at once, as often from each client; RuntimeError if a value is not the one that was written."""
    asked = [groups[number % len(groups)].execute(Get(_key(number)), timeout_s=TIMEOUT_S) for number in range(reads)]
    for number, value in enumerate(await asyncio.gather(*asked)):
        if value is None or len(value) != VALUE_BYTES or value[0] != number % VALUES:
            raise RuntimeError(f"the run is invalid: read {number} returned another value")


def _key(number: int) -> bytes:
    return b"large-%d" % (number % VALUES)


async def _take_lags(client: Client, status: GroupStatus) -> tuple[Lag, Lag]:
    """Return the longest lags of the leader's loop, and of the loops of the others, since the last call."""
    lag_by_node = {name: await client.actor("lag", node=name).ask(TakeLag()) for name in three_nodes.nodes}
    leader, others = lag_by_node.pop(status.node), lag_by_node.values()
    return leader, Lag(max(lag.wall_s for lag in others), max(lag.cpu_s for lag in others))


# --- the floor ------------------------------------------------------------------------------------------------------


async def _floor(clients: int, reads: int) -> float:
    """Return the MB/s of raw sockets, as many as there are clients."""
    (port,) = free_ports(1)
    child = Child(["benchmarks.raft.large_reads", str(port)])
    await child.start()
    try:
        links = [await asyncio.open_connection("127.0.0.1", port) for _ in range(clients)]
        began_s = time.perf_counter()
        await asyncio.gather(*(_drain(*link, reads // clients) for link in links))
        return reads // clients * clients * VALUE_BYTES / 1e6 / (time.perf_counter() - began_s)
    finally:
        await child.end()


async def _drain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reads: int) -> None:
    writer.write(REQUEST * reads)
    for _ in range(reads):
        await reader.readexactly(VALUE_BYTES)
    writer.close()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    value = bytes(VALUE_BYTES)
    while requests := await reader.read(READS):
        for _ in requests:
            writer.write(value)
            await writer.drain()
    writer.close()


async def _serve(port: int) -> None:
    await asyncio.start_server(_answer, "127.0.0.1", port)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # ends when the benchmark does


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
