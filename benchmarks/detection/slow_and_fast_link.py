"""Slow and fast link: measures probes with fixed time-outs against learned ones, if one peer is near and one far.

Three nodes in simulated time: n1 and n2 are near each other (round trip 1 ms), n3 is far from both (round trip 300 ms,
and 10 ms of jitter); 1 % of the messages are lost. All contenders run `RttPhiDetector`; the fixed ones have bounds of 1
for the factors of the time-out. The figure is the median time in which n1 finds a crash of the near n2; `detail` has
the time for the far n3, the mistakes per pair and hour, and the share of the time in which they last. Seeds 0, 1, …; in
each, 200 s are watched after 30 s of warm-up, with 10 crashes of each of the two.
`python -m benchmarks.detection.slow_and_fast_link`.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
from dataclasses import dataclass

from benchmarks.detection.watching import NODES, Conditions, Watched, watch
from benchmarks.harness.results import Result, show
from benchmarks.harness.settings import Settings
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection import RttPhiConfig
from coterie.protocols.simulation.detection.member_network import MemberNetwork

__all__ = ["run"]

WATCHED_S = 200.0
CRASHES = 10
LOSS = 0.01
NEAR, FAR = NODES[1], NODES[2]
CONDITIONS = Conditions("near and far", lambda rng: 0.0005)


@dataclass(slots=True)
class NearAndFar(MemberNetwork):
    """A network in which one node is far from all others."""

    def arrivals_s(self, sender: NodeId, target: NodeId, message: object) -> tuple[float, ...]:
        is_far = FAR in (sender, target)
        if self.rng.random() < LOSS:
            return ()
        return (0.15 + self.rng.expovariate(100.0) if is_far else 0.0005,)


def _fixed(timeout_s: float) -> RttPhiConfig:
    return RttPhiConfig(probe_timeout_s=timeout_s, min_factor=1.0, max_factor=1.0, lag_tolerance_s=0.03)


CONTENDERS = {
    "fixed_0.1_s": _fixed(0.1),
    "fixed_0.4_s": _fixed(0.4),
    "fixed_0.8_s": _fixed(0.8),
    "learned": RttPhiConfig(probe_timeout_s=0.2, lag_tolerance_s=0.03),
}


async def run(settings: Settings) -> list[Result]:
    """Measure every contender with crashes of the near node, then of the far one."""
    return [_result(name, config, settings) for name, config in CONTENDERS.items()]


def _result(name: str, config: RttPhiConfig, settings: Settings) -> Result:
    near = [_watch(config, NEAR, seed, settings) for seed in range(settings.runs)]
    far = [_watch(config, FAR, seed, settings) for seed in range(settings.runs)]
    total = Watched()
    for watched in near:
        total.add(watched)
    detail: dict[str, float | int | str] = {
        "far_s": statistics.median(second for watched in far for second in watched.detections_s),
        "mistakes_per_hour": total.mistakes_per_hour,
        "wrong_percent": total.wrong_percent,
    }
    medians = tuple(statistics.median(watched.detections_s) for watched in near)
    return Result("slow_and_fast_link", name, "s", medians, None, detail)


def _watch(config: RttPhiConfig, crashed: NodeId, seed: int, settings: Settings) -> Watched:
    return watch(
        config,
        CONDITIONS,
        seed=seed,
        watched_s=settings.seconds(WATCHED_S),
        crashes=2 if settings.is_quick else CRASHES,
        crashed=(crashed,),
        observers=(NODES[0],),
        network=NearAndFar(random.Random(seed)),
    )


if __name__ == "__main__":
    for result in asyncio.run(run(Settings(is_quick="--quick" in sys.argv[1:]))):
        print(show(result))
