"""`LeastLoaded`: balances load by picking the least loaded of all targets, by a measure."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.measure import Measure
from coterie.protocols.balancing.measures.in_flight import InFlight
from coterie.protocols.balancing.policy import Picker, Probe, RequestOutcome, RoutingKey, Target
from coterie.protocols.balancing.settings_checks import measure_mistake, refuse

__all__ = ["LeastLoaded"]


@dataclass(frozen=True, slots=True)
class LeastLoaded:
    """Picks the target of lowest load; one of them at random if several are equal.

    A pick looks at all targets. If many callers measure the same, they all choose the same target at once: with loads
    that others report, `PowerOfTwoChoices` is the safer choice.

    Attributes:
        measure: says how loaded a target is. Default: this caller's requests in flight, per weight.

    Raises:
        TypeError: `measure` is not a measure; the error names it.
    """

    measure: Measure = field(default_factory=InFlight)

    def __post_init__(self) -> None:
        refuse(type(self).__name__, measure_mistake("measure", self.measure))

    def make(self, rng: random.Random) -> Picker:
        """Return a picker whose measure knows nothing yet."""
        return _LeastLoadedPicker(self.measure, rng)


class _LeastLoadedPicker(Picker):
    def __init__(self, measure: Measure, rng: random.Random) -> None:
        self._meter = measure.make()
        self._rng = rng
        self._keys: list[str] = []
        self._last: tuple[str, float, int, float] | None = None

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]
        self._meter.update(targets, now=now)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        load_of = self._meter.load
        lowest, lightest = math.inf, list[str]()
        for target in self._keys:
            if target in exclude:
                continue
            load = load_of(target, now=now)
            if load < lowest:
                lowest, lightest = load, [target]
            elif load == lowest:
                lightest.append(target)
        if not lightest:
            self._last = None
            return None
        picked = lightest[int(self._rng.random() * len(lightest))]
        self._last = (picked, lowest, len(lightest), now)
        return picked

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        self._meter.picked(target, now=now)
        return ()

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self._meter.settled(target, outcome, latency_s=latency_s, load=load, now=now)

    def explain(self) -> str:
        if self._last is None:
            return "no target is allowed" if self._keys else "there are no targets"
        target, load, equals, now = self._last
        present = f" (now {self._meter.describe(target, now=now)})" if target in self._keys else ""
        chance = f", drawn from {equals} equal ones" if equals > 1 else ""
        return f"{target} has the lowest load of {len(self._keys)} targets, {load:.3g}{present}{chance}"
