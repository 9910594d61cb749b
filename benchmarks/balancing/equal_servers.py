"""Equal servers: measures how evenly each policy spreads requests over 10 equal servers: the largest deviation.

10 clients, 70 % load, processor sharing, no antagonists; costs are max(0, N(μ, μ)) (`varied`) or N(μ, 0.1 μ)
(`steady`). The value is the largest deviation of a server's share from a tenth, relative: 0.01 is 1 %. A policy that
follows loads must not prefer any of equal servers. What chance does to 120,000 requests is in the row `random`: 1.5 %.
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
    progress = Progress(2 * len(RULES))
    results = [] if results is None else results
    for costs, deviation, mean in (("varied", 1.0, 1.083), ("steady", 0.1, 1.0)):
        setup = replace(SETUP, cost_deviation=deviation)
        seconds = requests * mean * setup.cost_core_s / (0.7 * setup.servers * setup.allocated_cores)
        for name, policy in RULES.items():
            progress.show(f"{costs} costs: {name}")
            phase = Fleet(setup, policy, seed=seed).run_phase(0.7, seconds)
            total, wanted = phase.picks.total(), 1 / setup.servers
            largest = max(abs(count / total - wanted) / wanted for count in phase.picks.values())
            results.append(Result(f"equal_servers/{costs}", name, "deviation", (largest,), detail={"requests": total}))
    progress.clear()
    return results
