"""SWIM accuracy: counts false suspicions and failures at 1 % loss over a thousand node-hours; says what that proves.

Nothing crashes, so each `Suspected` and each `Failed` is false. If none was seen in h node-hours, the rate is below
3.0 / h per node-hour with a confidence of 95 % (the exact Poisson bound -ln 0.05 / h); with k seen, below that for k.
Groups of 25 members; seeds 0, 1, 2, … one for each hour of a group.
"""

from __future__ import annotations

from math import exp, factorial

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.detection.failure_detector import Failed
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.simulation.directed.swim_schedules import swim_world

__all__ = ["rate_bound", "run"]

MEMBERS = 25
LOSS = 0.01
CONFIDENCE = 0.95
PRESETS = {"lan": SwimConfig.lan(), "local": SwimConfig.local()}


async def run(*, node_hours: int = 1000, run_s: float = 3600.0, results: list[Result] | None = None) -> list[Result]:
    """Measure both presets for at least `node_hours` each."""
    results = [] if results is None else results
    runs = max(1, round(node_hours * 3600 / (MEMBERS * run_s)))
    hours = runs * MEMBERS * run_s / 3600
    for name, config in PRESETS.items():
        failed = suspected = 0
        progress = Progress(runs)
        for seed in range(runs):
            progress.show(f"{name}: {seed * hours / runs:.0f} of {hours:.0f} node-hours, {failed} false failures")
            world, _ = swim_world(MEMBERS, config, seed=seed, loss=LOSS)
            world.run(run_s)
            false = sum(isinstance(seen.change, Failed) for seen in world.changes)
            failed += false
            suspected += len({(seen.at, seen.change.peer) for seen in world.changes}) - false
        detail: dict[str, float | int | str] = {
            "node_hours": hours,
            "failed_per_node_hour_below": rate_bound(failed) / hours,
            "changes_of_suspicion": suspected,
        }
        results.append(Result(f"swim_accuracy/{name}", "coterie", "false failed", (float(failed),), detail=detail))
        progress.clear()
    return results


def rate_bound(seen: int) -> float:
    """Return the upper bound of the expected number of events, with 95 % confidence, if `seen` were seen (Poisson)."""
    low, high = 0.0, 10.0 + 10.0 * seen
    for _ in range(100):
        middle = (low + high) / 2
        if sum(exp(-middle) * middle**k / factorial(k) for k in range(seen + 1)) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high
