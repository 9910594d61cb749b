"""A contest: the floor and coterie do the same work in turn, and then the peers; each a few times, after a warm-up."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.peers.contender import peer_laps
from benchmarks.pinning import other_than_first, pinned_to_first
from benchmarks.progress import Progress
from benchmarks.results import Lap, Result
from benchmarks.settings import Settings

__all__ = ["Contest", "Workload"]

Workload = Callable[[int], Awaitable[Lap]]
"""Does about that many operations and returns its lap; what is prepared first is not on the clock."""

_WARM_UP_SHARE = 10


@dataclass(frozen=True, slots=True)
class Contest:
    """One question in one variant: `name` (`tell/sync`), the `unit` of its laps, and the `count` of operations.

    `floor` and `coterie` do it, and so may `others`, by name. `is_warmed`: whether a tenth of the work goes before the
    first lap. `has_peers`: whether peers are asked the same question.
    """

    name: str
    unit: str
    count: int
    floor: Workload
    coterie: Workload
    others: Mapping[str, Workload] = field(default_factory=dict)
    is_warmed: bool = True
    has_peers: bool = True
    progress: Progress = field(default_factory=Progress)

    async def run(self, settings: Settings) -> list[Result]:
        """Measure it `settings.runs` times."""
        count, other_core = settings.count(self.count), other_than_first()
        try:
            with pinned_to_first():
                own = await self._laps(count, settings.runs)
                peers = await self._of_peers(other_core, settings) if self.has_peers else {}
        finally:
            self.progress.clear()
        floor = statistics.median(lap.value for lap in own["floor"])
        return [_result(self, system, laps, floor) for system, laps in {**own, **peers}.items()]

    async def _laps(self, count: int, runs: int) -> dict[str, list[Lap]]:
        contenders = {"floor": self.floor, **self.others, "coterie": self.coterie}
        laps: dict[str, list[Lap]] = {system: [] for system in contenders}
        for system, work in contenders.items() if self.is_warmed else ():
            self.progress.say(f"{self.name}: {system} warms up")
            await work(max(1, count // _WARM_UP_SHARE))
        for run in range(1, runs + 1):
            for system, work in contenders.items():
                self.progress.say(f"{self.name}: {system}, run {run} of {runs}")
                gc.collect()
                laps[system].append(await work(count))
        return laps

    async def _of_peers(self, other_core: int, settings: Settings) -> dict[str, list[Lap]]:
        laps = {}
        for peer in settings.peers:
            self.progress.say(f"{self.name}: {peer}")
            if measured := await peer_laps(peer, self.name, other_core, settings):
                laps[peer] = measured
        return laps


def _result(contest: Contest, system: str, laps: Sequence[Lap], floor: float) -> Result:
    detail = {key: statistics.median(lap.detail[key] for lap in laps) for key in laps[0].detail}
    values = tuple(lap.value for lap in laps)
    return Result(contest.name, system, contest.unit, values, None if system == "floor" else floor, {**detail})
