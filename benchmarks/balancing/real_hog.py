"""Real hog: measures how fast a node's share of the requests follows its remaining capacity when a hog comes and goes.

Three node processes; a client picks workers by `ResourceWeights` and sends requests of 2 ms processor time at a steady
rate. After a calm time an actor blocks the event loop of n1 for half of the time: of what is left in the cluster
(0.5 + 1 + 1) n1 has 20 %. Then the hog ends. Shares are counted in windows of a second. The value is the time from the
change until the first of the windows from which on all are within 10 % of the wanted share (relative), for each change.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

from benchmarks.balancing.worker_topologies import THREE_NODES, Hog, Work, all_linked, three_nodes
from benchmarks.harness.plot import Curve, plot_curves
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie import Client
from coterie.actors.pools.pool import Pool
from coterie.cluster_processes import ClusterProcesses
from coterie.protocols.balancing import ResourceWeights

__all__ = ["Timeline", "run", "share_over_time"]

REQUESTS_PER_S: Final = 200.0
WORK: Final = Work(0.002)
HOG_SHARE: Final = 0.5
TOLERANCE: Final = 0.10
WANTED: Final = {"calm": 1 / 3, "hog": (1 - HOG_SHARE) / (3 - HOG_SHARE)}


@dataclass(frozen=True, slots=True)
class Timeline:
    """The share of n1 in each second, and the seconds at which the hog came and went."""

    shares: tuple[float, ...]
    hog_from_s: int
    hog_until_s: int

    def settled_after_s(self, start: int, end: int, wanted: float) -> float:
        """Return how long after `start` the share was within the tolerance for good; infinite if never."""
        settled = float("inf")
        for second in reversed(range(start, end)):
            if abs(self.shares[second] - wanted) > TOLERANCE * wanted:
                break
            settled = float(second - start)
        return settled


async def share_over_time(*, calm_s: int, hog_s: int, progress: Progress) -> Timeline:
    """Run one cluster: calm, hog, calm."""
    counts: defaultdict[int, Counter[str]] = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as data:
        async with (
            ClusterProcesses("benchmarks.balancing.worker_topologies:three_nodes", three_nodes, data) as cluster,
            Client([cluster.address(node) for node in THREE_NODES]) as client,
        ):
            await all_linked(client, len(THREE_NODES))
            pool = client.pool("workers", balance=ResourceWeights())
            await _send(pool, 3.0, defaultdict(Counter), time.monotonic())  # until all nodes have reported
            started_s = time.monotonic()
            hog = client.actor("hog", node="n1")
            for name, share, seconds in (("calm", 0.0, calm_s), ("hog", HOG_SHARE, hog_s), ("calm", 0.0, calm_s)):
                progress.show(f"{name} for {seconds} s")
                await hog.ask(Hog(share))
                await _send(pool, float(seconds), counts, started_s)
    shares = tuple(counts[at]["n1"] / max(1, counts[at].total()) for at in range(2 * calm_s + hog_s))
    return Timeline(shares, calm_s, calm_s + hog_s)


async def _send(pool: Pool, seconds: float, counts: defaultdict[int, Counter[str]], started_s: float) -> None:
    """Send requests at a steady rate; count by the second in which they are sent, and the node that answers."""
    asks, due_s = set[Awaitable[None]](), time.monotonic()
    end_s = due_s + seconds
    while (due_s := due_s + 1 / REQUESTS_PER_S) < end_s:
        if (wait_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(wait_s)
        asks.add(asyncio.ensure_future(_ask(pool, counts[int(due_s - started_s)])))
    await asyncio.gather(*asks)


async def _ask(pool: Pool, count: Counter[str]) -> None:
    count[await pool.ask(WORK, timeout_s=5.0)] += 1


async def run(
    *, calm_s: int = 15, hog_s: int = 25, trials: int = 3, results: list[Result] | None = None
) -> list[Result]:
    """Measure several trials."""
    progress = Progress()
    timelines = [await share_over_time(calm_s=calm_s, hog_s=hog_s, progress=progress) for _ in range(trials)]
    progress.clear()
    results = [] if results is None else results
    results += [_result("hog_comes", timelines), _result("hog_goes", timelines)]
    return results


def _result(name: str, timelines: list[Timeline]) -> Result:
    def part(timeline: Timeline) -> tuple[int, int, float]:
        if name == "hog_comes":
            return timeline.hog_from_s, timeline.hog_until_s, WANTED["hog"]
        return timeline.hog_until_s, len(timeline.shares), WANTED["calm"]

    settled = tuple(timeline.settled_after_s(*part(timeline)) for timeline in timelines)
    late = [timeline.shares[part(timeline)[0] + 5 : part(timeline)[1]] for timeline in timelines]
    detail: dict[str, float | int | str] = {
        "wanted_percent": 100 * part(timelines[0])[2],
        "least_percent_from_5_s": 100 * min(map(min, late)),
        "most_percent_from_5_s": 100 * max(map(max, late)),
    }
    return Result(f"real_hog/{name}", "resource_weights", "s to settle", settled, detail=detail)


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.balancing.real_hog", description=__doc__)
    parser.add_argument("--plot", metavar="FILE", help="draw the share over time (needs the extra `bench`)")
    chosen = parser.parse_args()
    timeline = await share_over_time(calm_s=15, hog_s=25, progress=Progress())
    for second, share in enumerate(timeline.shares):
        is_hog = timeline.hog_from_s <= second < timeline.hog_until_s
        print(f"{second:>3} s  n1 has {100 * share:5.1f} %  {'hog' if is_hog else ''}")
    if chosen.plot:
        points = tuple((float(second) + 0.5, 100 * share) for second, share in enumerate(timeline.shares))
        wanted = tuple(
            (float(second), 100 * WANTED["hog" if timeline.hog_from_s <= second < timeline.hog_until_s else "calm"])
            for second in range(len(timeline.shares))
        )
        curves = [Curve("share of n1, %", "measured", points), Curve("share of n1, %", "remaining capacity", wanted)]
        plot_curves(chosen.plot, curves, x_label="s", y_label="", is_logarithmic=False)


if __name__ == "__main__":
    asyncio.run(_main())
