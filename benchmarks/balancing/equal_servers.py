"""Equal servers: measures how evenly each policy spreads requests over 10 equal servers: the largest deviation.

10 clients, 70 % load, processor sharing, costs max(0, N(μ, μ)), no antagonists. The value is the largest deviation of a
server's share from a tenth, relative: 0.01 is 1 %. A policy that follows loads must not prefer any of equal servers.
"""

from __future__ import annotations

from dataclasses import replace

from benchmarks.balancing.nine_rules import RULES
from benchmarks.balancing.simulated_fleet import Fleet, FleetSetup
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result

__all__ = ["run"]

SETUP = replace(FleetSetup(), clients=10, servers=10, contended_share=0.0, idle_cores=(0.0, 0.0), dwell_s=0.0)


async def run(*, requests: int = 120_000, seed: int = 1, results: list[Result] | None = None) -> list[Result]:
    """Measure every rule."""
    progress = Progress(len(RULES))
    results = [] if results is None else results
    seconds = requests * 1.083 * SETUP.cost_core_s / (0.7 * SETUP.servers * SETUP.allocated_cores)
    for name, policy in RULES.items():
        progress.show(name)
        phase = Fleet(SETUP, policy, seed=seed).run_phase(0.7, seconds)
        total, wanted = phase.picks.total(), 1 / SETUP.servers
        deviations = [abs(count / total - wanted) / wanted for count in phase.picks.values()]
        results.append(Result("equal_servers", name, "deviation", (max(deviations),), detail={"requests": total}))
    progress.clear()
    return results
