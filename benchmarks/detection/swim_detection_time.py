"""SWIM detection time: measures the time from a crash to the first and the last member's `Suspected`, preset `local`.

Simulated, 1 % of all datagrams lost, latency 0.2 to 1 ms. A member stopped by SIGSTOP looks the same to the others. One
crash in each run, at a random moment; seeds 0, 1, 2, ….
"""

from __future__ import annotations

import random

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import Failed, StateChange, Suspected
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.simulation.detection.detection_world import DetectionWorld
from coterie.protocols.simulation.directed.swim_schedules import swim_world

__all__ = ["run"]

SIZES = (5, 50, 500)
LOSS = 0.01


async def run(
    *, sizes: tuple[int, ...] = SIZES, crashes: int = 200, results: list[Result] | None = None
) -> list[Result]:
    """Measure all sizes."""
    results = [] if results is None else results
    for count in sizes:
        first: list[float] = []
        last: list[float] = []
        failed: list[float] = []
        progress = Progress(crashes)
        for seed in range(crashes):
            progress.show(f"{count} members: crash {seed + 1} of {crashes}")
            world, names = swim_world(count, SwimConfig.local(), seed=seed, loss=LOSS)
            world.run(0.5 + random.Random(seed).random())
            crashed_at = world.now
            world.crash(names[0])
            world.run(12.0, until=_AllFailed(world, names[0]))
            suspicions = _times(world, names[0], Suspected)
            first.append(suspicions[0] - crashed_at)
            last.append(suspicions[-1] - crashed_at)
            failed.append(_times(world, names[0], Failed)[0] - crashed_at)
        for name, seconds in (("first_suspected", first), ("last_suspected", last), ("first_failed", failed)):
            detail: dict[str, float | int | str] = {"p99": percentile(seconds, 0.99), "max": max(seconds)}
            label = f"swim_detection_time/{count}/{name}"
            results.append(Result(label, "coterie", "s", tuple(seconds), detail=detail))
        progress.clear()
    return results


def _times(world: DetectionWorld, node: NodeId, kind: type[StateChange]) -> list[float]:
    return [seen.at for seen in world.changes if seen.change.peer == node and isinstance(seen.change, kind)]


class _AllFailed:
    """Whether all living members have declared `node` failed."""

    def __init__(self, world: DetectionWorld, node: NodeId) -> None:
        self._world = world
        self._node = node
        self._others = len(world.up)
        self._looked_at = 0

    def __call__(self) -> bool:
        """Count again if there are new changes."""
        if len(self._world.changes) == self._looked_at:
            return False
        self._looked_at = len(self._world.changes)
        return len(_times(self._world, self._node, Failed)) >= self._others
