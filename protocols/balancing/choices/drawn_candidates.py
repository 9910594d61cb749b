"""`draw_candidates`: makes the picker of policies that pick the least loaded of a few targets drawn at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.measure import Measure
from coterie.protocols.balancing.policy import Picker, Probe, RequestOutcome, RoutingKey, Target
from coterie.protocols.balancing.random_draw import draw_distinct

__all__ = ["draw_candidates"]


def draw_candidates(measure: Measure, choices: int, rng: random.Random) -> Picker:
    """Return a picker that draws `choices` different targets, and picks the one of lowest load by `measure`.

    Among equals the first one drawn is picked. With two choices instead of one, n requests on n targets leave at most
    log₂ log n + O(1) on one target instead of log n / log log n (Mitzenmacher, "The power of two choices in randomized
    load balancing", 2001); more choices change the constant only.
    """
    return _DrawnCandidatesPicker(measure, choices, rng)


class _DrawnCandidatesPicker(Picker):
    def __init__(self, measure: Measure, choices: int, rng: random.Random) -> None:
        self._meter = measure.make()
        self._load_of = self._meter.load
        self._choices = choices
        self._draw = rng.random
        self._rng = rng
        self._keys: list[str] = []
        self._last: tuple[float, Sequence[str], Sequence[float]] | None = None
        self._last_two: tuple[float, str, str, float, float] | None = None

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]
        self._meter.update(targets, now=now)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        keys = self._keys
        count = len(keys)
        if self._choices != 2 or exclude or count < 2:
            return self._choose_among(draw_distinct(keys, self._choices, self._rng, exclude), now)
        drawn = int(self._draw() * (count * (count - 1)))  # one of all ordered pairs
        at, other_at = drawn // (count - 1), drawn % (count - 1)
        one, other = keys[at], keys[other_at + 1 if other_at >= at else other_at]
        load, other_load = self._load_of(one, now=now), self._load_of(other, now=now)
        self._last_two = (now, one, other, load, other_load)
        return other if other_load < load else one

    def _choose_among(self, drawn: Sequence[str], now: float) -> str | None:
        self._last = self._last_two = None
        if not drawn:
            return None
        loads = [self._load_of(target, now=now) for target in drawn]
        self._last = (now, drawn, loads)
        return drawn[loads.index(min(loads))]

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        self._meter.picked(target, now=now)
        return ()

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self._meter.settled(target, outcome, latency_s=latency_s, load=load, now=now)

    def explain(self) -> str:
        if self._last_two is not None:
            now, one, other, load, other_load = self._last_two
            self._last = now, (one, other), (load, other_load)
        if self._last is None:
            return "no target is allowed" if self._keys else "there are no targets"
        now, drawn, loads = self._last
        ordered = sorted(zip(loads, range(len(drawn)), drawn, strict=True))
        compared = " and ".join(f"{target} at {load:.3g}{self._describe(target, now)}" for load, _, target in ordered)
        return (
            f"of {len(drawn)} drawn from {len(self._keys)} targets the load was lowest at {ordered[0][2]}: {compared}"
        )

    def _describe(self, target: str, now: float) -> str:
        return f" (now {self._meter.describe(target, now=now)})" if target in self._keys else ""
