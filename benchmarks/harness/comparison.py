"""`Comparison`: measures the same work alternately in bare Python and in coterie, then in the other actor systems."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.harness.pinning import other_than_first, pinned_to_first
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.settings import Settings
from benchmarks.peers.peer_process import PeerFailed, peer_measurements

__all__ = ["Comparison", "Workload"]

Workload = Callable[[int], Awaitable[Measurement]]
"""Does about that many operations and returns its measurement; the preparation is not timed."""

_WARM_UP_SHARE = 10


@dataclass(frozen=True, slots=True)
class Comparison:
    """One benchmark variant: `name` (`tell/sync`), the `unit` of its values, and the `count` of operations.

    `floor` and `coterie` do the work, and optionally `others`, by name. `is_warmed`: whether a tenth of the work is
    done before the first measurement. `has_peers`: whether peers are measured too.
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
        """Measure each system `settings.runs` times; what was measured is kept if it is interrupted."""
        count, other_core = settings.count(self.count), other_than_first()
        measurements: dict[str, list[Measurement]] = {}
        results: list[Result] = []
        try:
            with pinned_to_first():
                await self._measure_own(count, settings.runs, measurements)
                if self.has_peers:
                    await self._measure_peers(other_core, settings, measurements)
        finally:
            self.progress.clear()
            results += self._results(measurements)
            settings.kept.add(results)
        return results

    def _results(self, measurements: Mapping[str, Sequence[Measurement]]) -> list[Result]:
        measured = {system: values for system, values in measurements.items() if values}
        floors = [measurement.value for measurement in measured.get("floor", ())]
        floor = statistics.median(floors) if floors else None
        return [_result(self, system, values, floor) for system, values in measured.items()]

    async def _measure_own(self, count: int, runs: int, measurements: dict[str, list[Measurement]]) -> None:
        systems = {"floor": self.floor, **self.others, "coterie": self.coterie}
        measurements.update({system: [] for system in systems})
        for system, work in systems.items() if self.is_warmed else ():
            self.progress.show(f"{self.name}: {system} warms up")
            await work(max(1, count // _WARM_UP_SHARE))
        for run in range(1, runs + 1):
            for system, work in systems.items():
                self.progress.show(f"{self.name}: {system}, run {run} of {runs}")
                gc.collect()
                measurements[system].append(await work(count))

    async def _measure_peers(
        self, other_core: int, settings: Settings, measurements: dict[str, list[Measurement]]
    ) -> None:
        """Measure the peers; one that fails is named with its last words, and the next one is measured."""
        for peer in settings.peers:
            self.progress.show(f"{self.name}: {peer}")
            measurements[peer] = []
            try:
                await peer_measurements(peer, self.name, other_core, settings, measurements[peer])
            except PeerFailed as error:
                self.progress.clear()
                settings.kept.skip(f"peer {peer} at {self.name}", str(error))


def _result(comparison: Comparison, system: str, measurements: Sequence[Measurement], floor: float | None) -> Result:
    detail = {
        key: statistics.median(measurement.detail[key] for measurement in measurements)
        for key in measurements[0].detail
    }
    values = tuple(measurement.value for measurement in measurements)
    return Result(comparison.name, system, comparison.unit, values, None if system == "floor" else floor, {**detail})
