"""Real restart: measures the time from SIGKILL or SIGSTOP of a node until `coterie up` has it up again.

Five nodes under `coterie up`, preset `local` of each detector; SIGKILL and SIGSTOP in turn, of each node in turn. A
killed process ends, and is started again after a back-off; a stopped one must first be declared failed by the others,
and then be fenced. Ten seconds of calm lie between two trials.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import tempfile
import time

from benchmarks.detection.detector_topologies import DETECTORS, NODES
from benchmarks.harness.processes import Child
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result

__all__ = ["run"]

CALM_S = 10.0
TRIAL_TIMEOUT_S = 60.0
UP_LINE = re.compile(rb"^(n\d) \| node .* is up at .* \(pid (\d+)\)")


async def run(
    *,
    trials: int = 10,
    calm_s: float = CALM_S,
    names: tuple[str, ...] = tuple(DETECTORS),
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure every detector: `trials` signals each."""
    progress = Progress(len(names) * trials)
    results = [] if results is None else results
    for name in names:
        with tempfile.TemporaryDirectory() as data:
            topology = f"benchmarks.detection.detector_topologies:{name}"
            up = Child(["coterie", "up", topology, "--port", "0", "--data", data, "--max-restarts", "1000"], ready=b"|")
            await up.start()
            try:
                results += await _trials(name, up, trials, calm_s, progress)
            finally:
                await up.end_session(timeout_s=20.0)
    progress.clear()
    return results


async def _trials(name: str, up: Child, trials: int, calm_s: float, progress: Progress) -> list[Result]:
    pids: dict[str, int] = {}
    _take(up.first_line, pids)
    while len(pids) < len(NODES):
        _take(await up.line(), pids)
    seconds: dict[str, list[float]] = {"SIGKILL": [], "SIGSTOP": []}
    for trial in range(trials):
        which, node = ("SIGKILL", "SIGSTOP")[trial % 2], NODES[trial // 2 % len(NODES)]
        progress.show(f"{name}: {which} of {node}, trial {trial + 1} of {trials}")
        await _drain(up, calm_s, pids)
        signalled_s = time.monotonic()
        os.kill(pids[node], signal.Signals[which])
        async with asyncio.timeout(TRIAL_TIMEOUT_S):
            while _take(await up.line(), pids) != node:
                pass
        seconds[which].append(time.monotonic() - signalled_s)
    return [
        Result(f"real_restart/{name}/{which}", "coterie", "s", tuple(times), detail={"max": max(times)})
        for which, times in seconds.items()
        if times
    ]


async def _drain(up: Child, duration_s: float, pids: dict[str, int]) -> None:
    """Read what `coterie up` prints for a while."""
    try:
        async with asyncio.timeout(duration_s):
            while True:
                _take(await up.line(), pids)
    except TimeoutError:
        return


def _take(line: bytes, pids: dict[str, int]) -> str | None:
    """Return the node that a line says to be up, after noting its process id; None for other lines."""
    match = UP_LINE.match(line)
    if match is None:
        return None
    node = match[1].decode()
    pids[node] = int(match[2])
    return node
