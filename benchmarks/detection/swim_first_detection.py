"""SWIM first detection: measures the periods from a crash to its first probe, against the paper's formula.

In lock-step rounds with random targets the expectation is 1 / (1 - (1 - 1/(n-1))^(n-1)) periods (SWIM, DSN 2002, §3.1):
n - 1 living members each probe the crashed one with probability 1/(n-1). With free-running members, whose periods begin
at different times, the crash falls at a random moment, and the time until the next ping to the crashed member counts.
The suspicion follows at the end of that period. Each row has one seed, made from its name.
"""

from __future__ import annotations

import random
import statistics
from collections import defaultdict
from dataclasses import replace

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result, percentile
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.swim.probe_order import OrderKind, ProbeOrder, make_order
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.detection.swim.swim_messages import Ping
from coterie.protocols.simulation.detection.detection_world import DetectionWorld
from coterie.protocols.simulation.detection.member_network import MemberNetwork
from coterie.protocols.simulation.directed.swim_schedules import swim_world

__all__ = ["run"]

SIZES = (8, 16, 32, 64, 128, 256, 512, 1000, 2000, 4000)
PERIOD_S = 1.0
CONFIG = replace(SwimConfig.lan(), exchange_interval_s=0.0, announce_interval_s=0.0, period_s=PERIOD_S)
ROUNDS_MAX = 40
"""No crash stays undrawn for longer: the probability is below 1e-15 for random targets."""

WINDOW_S = 12 * PERIOD_S


async def run(
    *, sizes: tuple[int, ...] = SIZES, crashes: int = 5000, results: list[Result] | None = None
) -> list[Result]:
    """Measure lock-step rounds in both orders, and free-running members."""
    progress = Progress()
    results = [] if results is None else results
    for count in sizes:
        progress.show(f"{count} members")
        formula = 1 / (1 - (1 - 1 / (count - 1)) ** (count - 1))
        for kind in OrderKind:
            waits = _lock_step(count, kind, crashes=crashes)
            results.append(_result(f"lock_step/{kind.value}/{count}", waits, formula))
        results.append(_result(f"free_running/{count}", _free_running(count, crashes=crashes // 10), formula))
    progress.clear()
    return results


def _result(name: str, periods: list[float], formula: float) -> Result:
    detail: dict[str, float | int | str] = {
        "formula": formula,
        "p99": percentile(periods, 0.99),
        "crashes": len(periods),
    }
    return Result(f"swim_first_detection/{name}", "coterie", "periods", (statistics.fmean(periods),), detail=detail)


def _lock_step(count: int, kind: OrderKind, *, crashes: int) -> list[float]:
    """Return the round, counted from 1, in which each crashed member is first drawn; all members draw in each round.

    One run serves for many crashes: what is drawn does not depend on who has crashed.
    """
    rng = random.Random(f"{kind.value}/{count}")
    nodes = [NodeId(str(number)) for number in range(count)]
    orders = [make_order(kind, nodes[:at] + nodes[at + 1 :], rng) for at in range(count)]
    if kind is OrderKind.ROUND_ROBIN:
        for order in orders:
            for _ in range(rng.randrange(count - 1)):  # each is somewhere in its pass
                order.next(_any)
    waits: list[float] = []
    drawn = [_round(orders) for _ in range(ROUNDS_MAX)]
    while len(waits) < crashes:
        drawn = [*drawn[1:], _round(orders)]
        crashed = rng.sample(nodes, min(count, 200))
        waits += [1.0 + next(at for at, targets in enumerate(drawn) if node in targets) for node in crashed]
    return waits


def _round(orders: list[ProbeOrder]) -> frozenset[NodeId | None]:
    return frozenset(order.next(_any) for order in orders)


def _any(_: NodeId) -> bool:
    return True


def _free_running(count: int, *, crashes: int) -> list[float]:
    """Return the periods from each of many random moments to the next ping to some member, in one run."""
    world, names = swim_world(count, CONFIG, seed=count)
    pings = _PingTimes(world)
    world.network = pings
    rng = random.Random(count)
    world.run(2 * PERIOD_S)
    waits: list[float] = []
    while len(waits) < crashes:
        pings.times.clear()
        start = world.now
        world.run(WINDOW_S)
        for node in rng.sample(names, min(len(names), 20)):
            crash_at = start + rng.random() * PERIOD_S
            waits += [(at - crash_at) / PERIOD_S for at in pings.times[node] if at >= crash_at][:1]
    return waits


class _PingTimes(MemberNetwork):
    """Records when each member is pinged. A member that has crashed would have been pinged at the same time."""

    def __init__(self, world: DetectionWorld) -> None:
        super().__init__(world.network.rng)
        self.times: defaultdict[NodeId, list[float]] = defaultdict(list)
        self._world = world

    def arrivals_s(self, sender: NodeId, target: NodeId, message: object) -> tuple[float, ...]:
        """Record a ping; let every message arrive."""
        if isinstance(message, Ping):
            self.times[target].append(self._world.now)
        return super().arrivals_s(sender, target, message)
