"""Cluster overwrites: measures disk and memory of three nodes, as multiples of the live data, over many overwrites.

Three node processes, fsync on, the standard policy of snapshots. The same keys are overwritten again and again, in
atomic batches. In each of ten equal parts of the run the most that any node took is reported: of the disk, what its
data directory occupies; of the memory, what it has more than before the first command. The live data are the keys and
values that the store has.

    python -m benchmarks.raft.compaction.cluster_overwrites --overwrites 500000

Ctrl-C ends it, and reports the parts so far.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import sys
from typing import Final, NamedTuple

import uvloop

from benchmarks.harness.processes import resident_bytes
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, show
from benchmarks.raft.raft_cluster import STORE, BenchmarkCluster
from coterie import Client
from coterie.actors.groups.key_value import AtomicBatch

__all__ = ["Peak", "occupied_bytes", "report", "run"]

PARTS: Final = 10
BATCH: Final = 20
CLIENTS: Final = 16
SAMPLE_S: Final = 0.1
KEY_BYTES: Final = 13
DRAWN_BYTES: Final = 1024 * 1024


class Peak(NamedTuple):
    """The most that one node took during a part, each by itself (bytes); `seconds`: how long the part took.

    `segments`: how much of that disk space the log took; the rest are snapshots, and 76 KB of other files.
    """

    disk: int
    memory: int
    seconds: float
    segments: int = 0


async def run(
    *, overwrites: int = 10_000_000, keys: int = 10_000, value_bytes: int = 1000, results: list[Result] | None = None
) -> list[Result]:
    """Overwrite `keys` keys, `overwrites` times in all."""
    results = [] if results is None else results
    peaks: list[Peak] = []
    async with BenchmarkCluster() as cluster, Client(list(cluster.address_by_node.values())) as client:
        await cluster.leader(client)
        measured = _Measured(cluster)
        try:
            await _parts(client, measured, overwrites, keys, value_bytes, peaks)
        finally:
            results += report(peaks, keys * (KEY_BYTES + value_bytes), overwrites // PARTS)
    return results


def report(peaks: list[Peak], live_bytes: int, part: int) -> list[Result]:
    """Return the results of the parts so far: of each the peaks, and of all the highest ratio and the growth."""
    if not peaks:
        return []
    results = []
    for name, taken in (("disk", [peak.disk for peak in peaks]), ("memory", [peak.memory for peak in peaks])):
        # The first part fills the store, so it belongs to no half.
        half = max(1, len(taken) // 2)
        first, second = max(taken[min(1, half - 1) : half]), max(taken[half:] or taken)
        detail: dict[str, float | int | str] = {
            "parts": " ".join(f"{one / live_bytes:.2f}" for one in taken),
            "peak_mb": max(taken) / 1e6,
            "live_mb": live_bytes / 1e6,
            "growth": second / max(1, first),
        }
        if name == "disk":
            detail["log_mb"] = max(peaks, key=lambda peak: peak.disk).segments / 1e6
            detail["per_s"] = part * len(peaks) / max(1e-9, sum(peak.seconds for peak in peaks))
        results.append(
            Result(f"cluster_overwrites/{name}", "coterie", "x live data", (max(taken) / live_bytes,), detail=detail)
        )
    return results


def occupied_bytes(directory: str) -> tuple[int, int]:
    """Return how much of the disk the files of a data directory occupy: all of them, and the segments of its log."""
    total = segments = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
                size_bytes = entry.stat().st_blocks * 512
                total += size_bytes
                segments += size_bytes * entry.name.startswith("segment")
    return total, segments


class _Measured:
    """What the nodes of a cluster take, and the peaks since `begin`."""

    def __init__(self, cluster: BenchmarkCluster) -> None:
        self._cluster = cluster
        self._before = {name: self._resident(name) for name in cluster.names}
        self.begin()

    def begin(self) -> None:
        self._began_s = asyncio.get_running_loop().time()
        self._disk, self._memory = (0, 0), 0

    def sample(self) -> None:
        for name in self._cluster.names:
            self._disk = max(self._disk, occupied_bytes(self._cluster.data_of(name)))
            self._memory = max(self._memory, self._resident(name) - self._before[name])

    def peak(self) -> Peak:
        return Peak(self._disk[0], self._memory, asyncio.get_running_loop().time() - self._began_s, self._disk[1])

    def _resident(self, name: str) -> int:
        return resident_bytes(self._cluster.child_by_node[name].pid)


async def _parts(
    client: Client, measured: _Measured, overwrites: int, keys: int, value_bytes: int, peaks: list[Peak]
) -> None:
    progress, numbers = Progress(PARTS), itertools.count()
    for part in range(PARTS):
        progress.show(f"part {part + 1} of {PARTS}: {overwrites // PARTS} overwrites")
        measured.begin()
        writing = asyncio.ensure_future(_overwrite(client, overwrites // PARTS, numbers, keys, value_bytes))
        try:
            while not writing.done():
                measured.sample()
                await asyncio.wait([writing], timeout=SAMPLE_S)
            await writing
        finally:
            writing.cancel()
        measured.sample()
        peaks.append(measured.peak())
    progress.clear()


async def _overwrite(client: Client, count: int, numbers: itertools.count[int], keys: int, value_bytes: int) -> None:
    """Overwrite the next `count` keys, in the order of `numbers`, which begins again behind the last key."""
    group, drawn = client.group(STORE), os.urandom(DRAWN_BYTES + value_bytes)
    batches = iter(range(0, count, BATCH))

    async def put_batches() -> None:
        for first in batches:
            taken = [next(numbers) for _ in range(min(BATCH, count - first))]
            places = [number * 997 % DRAWN_BYTES for number in taken]
            put = {
                b"key-%09d" % (number % keys): drawn[place : place + value_bytes]
                for number, place in zip(taken, places, strict=True)
            }
            await group.execute(AtomicBatch(put=put), timeout_s=60)

    await asyncio.gather(*(put_batches() for _ in range(CLIENTS)))


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.raft.compaction.cluster_overwrites")
    parser.add_argument("--overwrites", type=int, default=10_000_000, help="how many in all (default: 10,000,000)")
    parser.add_argument("--keys", type=int, default=10_000, help="how many keys (default: 10,000)")
    parser.add_argument("--value-bytes", type=int, default=1000, help="size of a value (default: 1000)")
    chosen = parser.parse_args()
    results: list[Result] = []
    status = 0
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(
                run(overwrites=chosen.overwrites, keys=chosen.keys, value_bytes=chosen.value_bytes, results=results)
            )
    except KeyboardInterrupt:
        status = 130
    for result in results:
        print(show(result))
    return status


if __name__ == "__main__":
    sys.exit(_main())
