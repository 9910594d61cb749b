"""`MeasuredNode`: runs one node with a key-value store in its own process; reports its snapshots and stalls.

A stall is the time between two turns of a task that sleeps a millisecond, less that millisecond: as wall time, and as
processor time of the loop's thread, which does not count what other processes have taken from it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from types import TracebackType
from typing import Any, NamedTuple, Self

import uvloop

from benchmarks.harness.processes import Child, free_ports, resident_bytes
from coterie import Client, KeyValue, SnapshotPolicy, Topology
from coterie.actors.groups.compaction.snapshot_taking import SnapshotTaking
from coterie.actors.groups.key_value import AtomicBatch
from coterie.protocols.simulation.mutants import Patch, patched

__all__ = ["STORE", "MeasuredNode", "Report", "load_keys"]

STORE = "store"
KEYS_A_BATCH = 500
BATCHES_AT_ONCE = 8
PROBE_S = 0.001
STALLS_KEPT_S = 0.002


class Report(NamedTuple):
    """What a node has seen; times are of the monotonic clock of the machine (s).

    Attributes:
        snapshots: when each began, when it was durable, and how long its beginning held the loop (s).
        stalls: when each ended, its wall time and its processor time (s); only those of 2 ms or more.
    """

    snapshots: list[tuple[float, float, float]]
    stalls: list[tuple[float, float, float]]

    def is_saving(self, at_s: float) -> bool:
        """Return whether a snapshot was being taken at that time."""
        return any(begin_s <= at_s <= end_s for begin_s, end_s, _ in self.snapshots)


class MeasuredNode:
    """The node. Use it as an async context manager; `kill` and `start` it again in between.

    `after_bytes`: so many bytes of commands after the last one a snapshot is taken; None: the standard policy.
    """

    def __init__(self, after_bytes: int | None = None) -> None:
        self._folder = tempfile.mkdtemp(prefix="coterie-compaction-")
        self._data = os.path.join(self._folder, "data")
        self._after_bytes = after_bytes
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self._child: Child | None = None

    async def __aenter__(self) -> Self:
        """Format the data directory, and start the process."""
        await self.start(is_new=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process, and remove the data."""
        await self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def start(self, *, is_new: bool = False) -> None:
        """Start the process."""
        policy = "standard" if self._after_bytes is None else str(self._after_bytes)
        kind = "new" if is_new else "old"
        self._child = Child(["benchmarks.raft.compaction.measured_node", self.address, self._data, kind, policy])
        await self._child.start()

    async def kill(self) -> None:
        """Kill the process."""
        if self._child is not None:
            await self._child.end()

    async def report(self) -> Report:
        """Return what it has seen since it was started."""
        assert self._child is not None
        path = os.path.join(self._folder, "report")
        self._child.say(path)
        await self._child.line()
        found = json.loads(await asyncio.to_thread(_read, path))
        return Report(*([tuple(one) for one in found[name]] for name in Report._fields))

    @property
    def resident_bytes(self) -> int:
        """The resident memory of the process."""
        assert self._child is not None
        return resident_bytes(self._child.pid)

    @property
    def disk_bytes(self) -> int:
        """What its data directory takes on the disk."""
        with os.scandir(self._data) as entries:
            return sum(entry.stat().st_blocks * 512 for entry in entries)


async def load_keys(client: Client, keys: int, value_bytes: int) -> None:
    """Put `keys` keys with values of that size, in atomic batches."""
    group, numbers = client.group(STORE), iter(range(0, keys, KEYS_A_BATCH))

    async def put_batches() -> None:
        for first in numbers:
            put = {b"key-%09d" % at: os.urandom(value_bytes) for at in range(first, min(keys, first + KEYS_A_BATCH))}
            await group.execute(AtomicBatch(put=put), timeout_s=120)

    await asyncio.gather(*(put_batches() for _ in range(BATCHES_AT_ONCE)))


class _Probe:
    """Instruments the process of the node."""

    def __init__(self) -> None:
        self.report = Report([], [])
        self._begun_s = 0.0

    def patches(self) -> list[Patch]:
        """Return what lets it see the snapshots."""
        usual: dict[str, Any] = dict(vars(SnapshotTaking))

        def begin(taking: SnapshotTaking) -> None:
            at_s = time.monotonic()
            usual["_begin"](taking)
            self._begun_s = time.monotonic() - at_s

        async def write(taking: SnapshotTaking, *arguments: Any) -> None:
            at_s = time.monotonic()
            await usual["_write"](taking, *arguments)
            self.report.snapshots.append((at_s, time.monotonic(), self._begun_s))

        return [Patch(SnapshotTaking, "_begin", begin), Patch(SnapshotTaking, "_write", write)]

    async def watch(self) -> None:
        """Measure the stalls of the loop."""
        while True:
            wall_s, cpu_s = time.monotonic(), time.thread_time()
            await asyncio.sleep(PROBE_S)
            now_s, used_s = time.monotonic(), time.thread_time() - cpu_s
            if now_s - wall_s - PROBE_S >= STALLS_KEPT_S:
                self.report.stalls.append((now_s, now_s - wall_s - PROBE_S, used_s))


async def _serve(address: str, data: str, kind: str, policy: str) -> None:
    probe = _Probe()
    topology = Topology("compaction", nodes=["n1"])
    if policy == "standard":
        topology.raft(STORE, machine=KeyValue)
    else:
        snapshots = SnapshotPolicy(after_bytes=int(policy), share=0.0)
        topology.raft(STORE, machine=KeyValue, snapshots=snapshots)
    bootstrap: Any = "new" if kind == "new" else None
    start = topology.start(node="n1", listen=address, peers={}, data=data, bootstrap=bootstrap)
    with patched(probe.patches()):
        async with start:
            watching = asyncio.create_task(probe.watch())
            print("ready", flush=True)
            while path := (await asyncio.to_thread(sys.stdin.readline)).strip():  # ends when the benchmark does
                await asyncio.to_thread(_write, path, json.dumps(probe.report._asdict()))
                print("written", flush=True)
            watching.cancel()


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(*sys.argv[1:]))
