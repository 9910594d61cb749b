"""Real detection: kills and stops real node processes; measures times to suspicion, and false suspicions under stress.

Five node processes on this machine, preset `local` of each detector. SIGKILL and SIGSTOP in turn, of a random node; the
time is from the signal to the first and to the last other node's `Suspected`. A killed node is started again, a stopped
one continued, and the next trial begins when all trust it. Suspicions of nodes that run are counted as false. Then
as many busy processes as there are cores run beside the cluster, and no node is disturbed: every suspicion is false.
Seed: 0.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.detection.detector_topologies import DETECTORS, NODES
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile
from coterie.cluster_processes import ClusterProcesses

__all__ = ["run"]

POLL_S = 0.02
CALM_S = 1.0
TRIAL_TIMEOUT_S = 30.0
STRESS_S = 60.0
GRACE_S = 6.0
"""Longer than `start_grace_s` of the presets `local`."""


@dataclass(frozen=True, slots=True)
class _Opinion:
    """One printed line: at `at_s` (monotonic) `observer` changed its opinion of `peer` to `state`."""

    at_s: float
    observer: str
    state: str
    peer: str


class _Opinions:
    """Reads what the nodes print into their logs."""

    def __init__(self, data: str) -> None:
        self._paths: dict[str, str] = {node: os.path.join(data, f"{node}.log") for node in NODES}
        self._offsets: dict[str, int] = dict.fromkeys(NODES, 0)
        self.seen: list[_Opinion] = []

    def read(self) -> None:
        """Read the new complete lines."""
        for node, path in self._paths.items():
            if not os.path.exists(path):
                continue
            with open(path, "rb") as file:
                file.seek(self._offsets[node])
                text = file.read()
            complete = text[: text.rfind(b"\n") + 1]
            self._offsets[node] += len(complete)
            for line in complete.decode(errors="replace").splitlines():
                words = line.split()
                if len(words) == 4 and words[0] == "opinion":
                    self.seen.append(_Opinion(float(words[3]), node, words[1], words[2]))

    def suspicions_of(self, node: str, *, since_s: float) -> dict[str, float]:
        """Return when each observer first suspected `node` after a time."""
        first: dict[str, float] = {}
        for opinion in self.seen:
            if opinion.peer == node and opinion.state == "Suspected" and opinion.at_s >= since_s:
                first.setdefault(opinion.observer, opinion.at_s)
        return first

    def distrusted(self) -> set[tuple[str, str]]:
        """Return the pairs (observer, peer) whose last opinion is not `Trusted`."""
        last = {(opinion.observer, opinion.peer): opinion.state for opinion in self.seen}
        return {pair for pair, state in last.items() if state != "Trusted"}

    def last_at_s(self) -> float:
        """Return when the last opinion changed."""
        return max((opinion.at_s for opinion in self.seen), default=0.0)


async def run(
    *,
    kills: int = 200,
    stress_s: float = STRESS_S,
    names: tuple[str, ...] = tuple(DETECTORS),
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure every detector: `kills` signals each, then the time under stress."""
    progress = Progress(len(names) * (kills + bool(stress_s)))
    results = [] if results is None else results
    for name in names:
        async with _cluster(name) as (cluster, opinions):
            results += await _trials(name, cluster, opinions, kills, progress)
        if stress_s:
            results.append(await _under_stress(name, stress_s, progress))
    progress.clear()
    return results


@asynccontextmanager
async def _cluster(name: str) -> AsyncIterator[tuple[ClusterProcesses, _Opinions]]:
    with tempfile.TemporaryDirectory() as data:
        path = f"benchmarks.detection.detector_topologies:{name}"
        async with ClusterProcesses(path, DETECTORS[name], data) as cluster:
            opinions = _Opinions(data)
            await _all_up(data)
            await asyncio.sleep(GRACE_S)
            await _calm(opinions)
            yield cluster, opinions


async def _all_up(data: str) -> None:
    """Wait until every node has said that it is up."""
    logs = [os.path.join(data, f"{node}.log") for node in NODES]
    async with asyncio.timeout(2 * TRIAL_TIMEOUT_S):
        while True:
            await asyncio.sleep(POLL_S)
            if all(map(_is_up, logs)):
                return


def _is_up(log: str) -> bool:
    with open(log, "rb") as file:
        return b" is up at " in file.read()


async def _trials(
    name: str, cluster: ClusterProcesses, opinions: _Opinions, kills: int, progress: Progress
) -> list[Result]:
    rng = random.Random(0)
    times: dict[str, list[tuple[float, float]]] = {"SIGKILL": [], "SIGSTOP": []}
    began_s, false = time.monotonic(), 0
    for trial in range(kills):
        which = "SIGKILL" if trial % 2 == 0 else "SIGSTOP"
        progress.show(f"{name}: {which}, trial {trial + 1} of {kills}")
        node = rng.choice(NODES)
        await asyncio.sleep(rng.random() * 0.3)
        opinions.read()
        known = len(opinions.seen)
        signalled_s = time.monotonic()
        await _signal(cluster, node, which)
        seen = await _suspected_by_all(opinions, node, signalled_s)
        times[which].append((min(seen) - signalled_s, max(seen) - signalled_s))
        await _bring_back(cluster, node, which)
        await _calm(opinions)
        false += sum(each.state == "Suspected" and each.peer != node for each in opinions.seen[known:])
    hours = (time.monotonic() - began_s) * len(NODES) / 3600
    results = []
    for which, pairs in times.items():
        for label, seconds in (("first", [pair[0] for pair in pairs]), ("last", [pair[1] for pair in pairs])):
            detail: dict[str, float | int | str] = {
                "p99": percentile(seconds, 0.99),
                "max": max(seconds),
                "false_suspected_per_node_hour": false / hours,
            }
            results.append(
                Result(f"real_detection/{name}/{which}/{label}", "coterie", "s", tuple(seconds), detail=detail)
            )
    return results


async def _signal(cluster: ClusterProcesses, node: str, which: str) -> None:
    if which == "SIGSTOP":
        cluster.pause(node)
    else:
        await cluster.kill(node)


async def _bring_back(cluster: ClusterProcesses, node: str, which: str) -> None:
    if which == "SIGSTOP":
        cluster.resume(node)
    else:
        await cluster.start(node)


async def _suspected_by_all(opinions: _Opinions, node: str, since_s: float) -> list[float]:
    """Wait until all other nodes suspect `node`; return the times. TimeoutError after 30 s."""
    async with asyncio.timeout(TRIAL_TIMEOUT_S):
        while True:
            opinions.read()
            seen = opinions.suspicions_of(node, since_s=since_s)
            seen.pop(node, None)
            if len(seen) == len(NODES) - 1:
                return list(seen.values())
            await asyncio.sleep(POLL_S)


async def _calm(opinions: _Opinions) -> None:
    """Wait until every node trusts every other one, and no opinion has changed for a second."""
    async with asyncio.timeout(2 * TRIAL_TIMEOUT_S):
        while True:
            await asyncio.sleep(POLL_S)
            opinions.read()
            if not opinions.distrusted() and time.monotonic() - opinions.last_at_s() > CALM_S:
                return


async def _under_stress(name: str, stress_s: float, progress: Progress) -> Result:
    async with _cluster(name) as (_, opinions):
        progress.show(f"{name}: {stress_s:.0f} s under stress")
        known = len(opinions.seen)
        busy = [
            multiprocessing.get_context("spawn").Process(target=_spin, daemon=True) for _ in range(os.cpu_count() or 1)
        ]
        for process in busy:
            process.start()
        try:
            await asyncio.sleep(stress_s)
        finally:
            for process in busy:
                os.kill(process.pid or 0, signal.SIGKILL)
                process.join()
        opinions.read()
    hours = stress_s * len(NODES) / 3600
    counts = {
        state: sum(opinion.state == state for opinion in opinions.seen[known:]) for state in ("Suspected", "Failed")
    }
    detail: dict[str, float | int | str] = {"failed": counts["Failed"] / hours, "node_hours": hours}
    value = counts["Suspected"] / hours
    return Result(f"real_detection/{name}/stress", "coterie", "false/node-h", (value,), detail=detail)


def _spin() -> None:
    while True:
        pass
