"""Paper rules: two rules that only serve to compare Prequal with, after section 5.2 of its paper (NSDI 2024).

`LinearRule`: Prequal's probes, but the score is the weighted sum of latency and requests in flight (RIF)
`PolledTwoChoices`: two random choices by the RIF that every target reports when it is polled (YARP-Po2C)
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from coterie.protocols.balancing import LoadReport, Picker, Probe, RoutingKey, Target

__all__ = ["LinearRule", "PolledTwoChoices"]

PROBE_TIMEOUT_S: Final = 0.003
PROBES_PER_PICK: Final = 3
POOL_SIZE: Final = 16
PROBE_AGE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class LinearRule:
    """Picks the probe of the lowest (1 - λ) · latency + λ · α · RIF.

    Attributes:
        rif_weight: λ, 0 … 1.
        latency_per_rif_s: α, what one request in flight counts for, s: the mean latency of a request that meets none.
    """

    rif_weight: float = 0.5
    latency_per_rif_s: float = 0.043

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without probes."""
        return _LinearPicker(self, rng)


@dataclass(slots=True)
class _Held:
    in_flight: int
    latency_s: float
    received_at: float


class _LinearPicker(Picker):
    def __init__(self, settings: LinearRule, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._keys: list[str] = []
        self._held: dict[str, _Held] = {}  # by target, the oldest first
        self._number = 0

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]
        self._held = {key: held for key, held in self._held.items() if key in self._keys}

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        self._held = {key: held for key, held in self._held.items() if now - held.received_at <= PROBE_AGE_S}
        usable = [key for key in self._held if key not in exclude]
        if len(usable) >= 2:  # as Prequal: with a single probe, every caller would follow it
            return min(usable, key=lambda target: self._score(self._held[target]))
        allowed = [key for key in self._keys if key not in exclude]
        return self._rng.choice(allowed) if allowed else None

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        if target in self._held:
            self._held[target].in_flight += 1
        if self._held:
            removes_oldest = self._rng.random() < 0.5
            worst = max(self._held, key=lambda key: self._score(self._held[key]))
            del self._held[next(iter(self._held)) if removes_oldest else worst]
        targets = self._rng.sample(self._keys, min(PROBES_PER_PICK, len(self._keys)))
        self._number += len(targets)
        return [Probe(key, self._number - at, PROBE_TIMEOUT_S) for at, key in enumerate(targets)]

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        if load is not None:
            self._held.pop(probe.target, None)
            if len(self._held) >= POOL_SIZE:
                del self._held[next(iter(self._held))]
            self._held[probe.target] = _Held(load.in_flight, load.latency_s or 0.0, now)

    def explain(self) -> str:
        return f"the lowest weighted sum of {len(self._held)} probes"

    def _score(self, held: _Held) -> float:
        weight = self._settings.rif_weight
        return (1 - weight) * held.latency_s + weight * self._settings.latency_per_rif_s * held.in_flight


@dataclass(frozen=True, slots=True)
class PolledTwoChoices:
    """Picks the one of two random targets that had the lower RIF when it was polled last.

    Attributes:
        poll_interval_s: the time between two polls of every target, s.
    """

    poll_interval_s: float = 0.5

    def make(self, rng: random.Random) -> Picker:
        """Return a picker that polls from its first tick on."""
        return _PolledPicker(self, rng)


class _PolledPicker(Picker):
    def __init__(self, settings: PolledTwoChoices, rng: random.Random) -> None:
        self._interval_s = settings.poll_interval_s
        self._rng = rng
        self._rif_by_key: dict[str, int] = {}
        self._keys: list[str] = []
        self._number = 0
        self._poll_at = 0.0

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._keys = [target.key for target in targets]
        self._rif_by_key = {key: self._rif_by_key.get(key, 0) for key in self._keys}
        self._poll_at = now + self._interval_s * self._rng.random()  # callers do not poll in step

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        allowed = self._keys if not exclude else [key for key in self._keys if key not in exclude]
        if not allowed:
            return None
        two = self._rng.sample(allowed, min(2, len(allowed)))
        return min(two, key=self._rif_by_key.__getitem__)

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        if load is not None and probe.target in self._rif_by_key:
            self._rif_by_key[probe.target] = load.in_flight

    def deadline(self) -> float | None:
        return self._poll_at

    def tick(self, *, now: float) -> Sequence[Probe]:
        if now < self._poll_at:
            return ()
        self._poll_at = now + self._interval_s
        self._number += len(self._keys)
        return [Probe(key, self._number - at, PROBE_TIMEOUT_S) for at, key in enumerate(self._keys)]

    def explain(self) -> str:
        return "the lower reported RIF of two"
