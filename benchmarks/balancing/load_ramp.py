"""Load ramp: compares Prequal with weighted round robin while the load rises from 0.75 to 1.74 of the allocation.

After Wydrowski et al., "Load is not what you should balance: Introducing Prequal" (NSDI 2024, §5.1): 100 clients, 100
servers with processor sharing, costs max(0, N(μ, μ)), and nine steps, each 10/9 of the one before. A server may use
more than its allocation while the other programs on its machine leave cores idle; how much they leave is ours, and in
`FleetSetup`. Weighted round robin takes its weights from the servers' reports (requests per second by utilization).
Simulated, open loop; latency counts from the intended send time, and a request that fails counts as the time-out.

`python -m benchmarks.balancing.load_ramp` prints the steps as a table; `--plot FILE` draws them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Final

from benchmarks.balancing.simulated_fleet import Fleet, FleetSetup, Phase
from benchmarks.harness.plot import Curve, plot_curves
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.balancing import Policy, Prequal, ReportedWeights

__all__ = ["STEPS", "ramp", "run"]

STEPS: Final = tuple(0.75 * (10 / 9) ** number for number in range(9))
WARM_UP_S: Final = 20.0
"""At the lowest load, so that the weights of weighted round robin are past their blackout of 10 s."""

POLICIES: Final[dict[str, Policy]] = {"weighted_round_robin": ReportedWeights(), "prequal": Prequal()}


def ramp(
    policy: Policy,
    *,
    seed: int,
    step_s: float,
    steps: Sequence[float] = STEPS,
    warm_up_s: float = WARM_UP_S,
    progress: Progress | None = None,
) -> list[Phase]:
    """Run the steps one after the other; return what happened to the requests of each."""
    fleet = Fleet(FleetSetup(), policy, seed=seed)
    fleet.run_phase(steps[0], warm_up_s)
    phases = []
    for number, load in enumerate(steps, 1):
        if progress is not None:
            progress.show(f"{type(policy).__name__}: step {number} of {len(steps)}, load {load:.2f}")
        phases.append(fleet.run_phase(load, step_s))
    fleet.drain()
    return phases


async def run(
    *,
    step_s: float = 20.0,
    warm_up_s: float = WARM_UP_S,
    seed: int = 1,
    steps: Sequence[float] = STEPS,
    results: list[Result] | None = None,
) -> list[Result]:
    """Measure both policies; the value is the 99.9th percentile of the latency at each step."""
    progress = Progress(len(POLICIES) * len(steps))
    results = [] if results is None else results
    for name, policy in POLICIES.items():
        phases = ramp(policy, seed=seed, step_s=step_s, steps=steps, warm_up_s=warm_up_s, progress=progress)
        for load, phase in zip(steps, phases, strict=True):
            detail: dict[str, float | int | str] = {
                "errors_percent": 100 * phase.error_share,
                "latency_ms_p50": 1000 * phase.quantile_s(0.5),
                "latency_ms_p99": 1000 * phase.quantile_s(0.99),
                "requests": len(phase.latencies_s),
                "probes_per_request": phase.probes / max(1, len(phase.latencies_s)),
            }
            value = 1000 * phase.quantile_s(0.999)
            results.append(Result(f"load_ramp/{load:.2f}", name, "ms p99.9", (value,), detail=detail))
    progress.clear()
    return results


def _curves(results: Sequence[Result]) -> list[Curve]:
    def curve(panel: str, name: str, key: str | None) -> Curve:
        own = [result for result in results if result.system == name]
        points = tuple(
            (float(result.benchmark.split("/")[1]), result.value if key is None else float(result.detail[key]))
            for result in own
        )
        return Curve(panel, name, points)

    panels = (("latency p50, ms", "latency_ms_p50"), ("latency p99.9, ms", None), ("errors, %", "errors_percent"))
    return [curve(panel, name, key) for panel, key in panels for name in POLICIES]


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.balancing.load_ramp", description=__doc__)
    parser.add_argument("--step-s", type=float, default=20.0, help="the length of a step (default: 20 s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plot", metavar="FILE", help="draw the curves (needs the extra `bench`)")
    chosen = parser.parse_args()
    results = await run(step_s=chosen.step_s, seed=chosen.seed)
    print("| load | policy | errors, % | p50, ms | p99, ms | p99.9, ms |")
    print("| --- | --- | --- | --- | --- | --- |")
    for result in sorted(results, key=lambda result: result.benchmark):
        detail = result.detail
        print(
            f"| {result.benchmark.split('/')[1]} | {result.system} | {detail['errors_percent']:.2f} "
            f"| {detail['latency_ms_p50']:.0f} | {detail['latency_ms_p99']:.0f} | {result.value:.0f} |"
        )
    if chosen.plot:
        plot_curves(chosen.plot, _curves(results), x_label="load ÷ allocation", y_label="", is_logarithmic=False)


if __name__ == "__main__":
    import asyncio

    asyncio.run(_main())
