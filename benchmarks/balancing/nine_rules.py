"""Nine rules: compares the nine rules of the Prequal paper at two loads, and shows two regimes in which Prequal loses.

The rules of Wydrowski et al. (NSDI 2024, §5.2) on the fleet of `load_ramp`, at 70 % and 90 % of the allocation: random,
round robin, weighted round robin, least loaded (by the client's own requests), the same of two choices, two choices by
polled requests in flight (YARP-Po2C), a linear score of latency and requests in flight, C3 without its rate control,
and Prequal. The paper's servers and antagonists are not published, so its figures are not beside ours: the order is.

* `one_client`: a single client sends all requests to 10 equal servers, so its own counts are exact and never late
* `rare`: each of 100 clients sends a request every two seconds, so that all of its probes are too old
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from benchmarks.balancing.paper_rules import LinearRule, PolledTwoChoices
from benchmarks.balancing.simulated_fleet import Fleet, FleetSetup, Phase
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.balancing import (
    C3,
    InFlight,
    LeastLoaded,
    LeastRequest,
    Policy,
    Prequal,
    RandomChoice,
    ReportedWeights,
    RoundRobin,
)

__all__ = ["RULES", "run"]

RULES: Final[dict[str, Policy]] = {
    "random": RandomChoice(),
    "round_robin": RoundRobin(),
    "weighted_round_robin": ReportedWeights(),
    "least_loaded": LeastLoaded(InFlight()),
    "least_loaded_po2c": LeastRequest(choices=2),
    "yarp_po2c": PolledTwoChoices(),
    "linear": LinearRule(),
    "c3": LeastLoaded(C3(clients=100)),
    "prequal": Prequal(),
}
WARM_UP_S: Final = 12.0
"""Longer than the blackout of weighted round robin, s."""

_QUIET: Final = replace(FleetSetup(), contended_share=0.0, idle_cores=(0.0, 0.0), dwell_s=0.0)
REGIMES: Final = {
    "0.70": (FleetSetup(), 0.70, 1.0),
    "0.90": (FleetSetup(), 0.90, 1.0),
    "one_client": (replace(_QUIET, clients=1, servers=10), 0.90, 5.0),
    "rare": (replace(_QUIET, clients=100, servers=10, allocated_cores=1.0, cost_core_s=0.15), 0.80, 5.0),
}
"""By name: the fleet, its load, and how much longer than the others it runs."""


async def run(
    *, seconds: float = 30.0, warm_up_s: float = WARM_UP_S, seed: int = 1, results: list[Result] | None = None
) -> list[Result]:
    """Measure every rule in every regime; the value is the 99th percentile of the latency."""
    progress = Progress(len(REGIMES) * len(RULES))
    results = [] if results is None else results
    for regime, (setup, load, longer) in REGIMES.items():
        for name, policy in RULES.items():
            progress.show(f"{regime}: {name}")
            fleet = Fleet(setup, policy, seed=seed)
            fleet.run_phase(load, warm_up_s)
            phase = fleet.run_phase(load, seconds * longer)
            fleet.drain()
            results.append(_result(regime, name, phase))
    progress.clear()
    return results


def _result(regime: str, name: str, phase: Phase) -> Result:
    detail: dict[str, float | int | str] = {
        "latency_ms_p50": 1000 * phase.quantile_s(0.5),
        "latency_ms_p90": 1000 * phase.quantile_s(0.9),
        "latency_ms_p999": 1000 * phase.quantile_s(0.999),
        "errors_percent": 100 * phase.error_share,
        "requests": len(phase.latencies_s),
        "probes_per_request": phase.probes / max(1, len(phase.latencies_s)),
    }
    return Result(f"nine_rules/{regime}", name, "ms p99", (1000 * phase.quantile_s(0.99),), detail=detail)
