"""`SlowStart`: gives new and recovered targets a share that grows to the full one, so that they can warm up."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.guards.guard import Guard, both, guarded
from coterie.protocols.balancing.policy import Picker, Policy, RoutingKey, Target
from coterie.protocols.balancing.settings_checks import policy_mistake, refuse

__all__ = ["SlowStart"]


@dataclass(frozen=True, slots=True)
class SlowStart:
    """Wraps a policy: a target warms up for `window_s` after it has joined or recovered (`Picker.recovered`).

    The part of its share that it gets is Envoy's (Architecture overview, "Slow start mode"):
    max(`min_share`, (age / `window_s`) ^ (1 / `aggression`)). Envoy scales the weight; this works with any policy: a
    choice of the inner policy is accepted with that probability, else it chooses again without that target. If every
    target is warming up, as after the start, the parts are relative to the largest one, and nothing is lost.

    A policy that hashes keys sends a part of a warming target's keys elsewhere until it is warm.

    Attributes:
        policy: the inner policy.
        window_s: how long a target warms up, s, above 0. Default 30: caches fill and connections open in seconds.
            Too short: a cold target gets more than it can serve; too long: the others carry its share for longer.
        aggression: above 0; 1 (default, as Envoy): the part grows evenly; above 1: faster at first; below 1: slower.
        min_share: the part at the start, above 0, up to 1. Default 0.1 (Envoy). Too low: it gets no request by which
            it could warm up; too high: no slow start.

    Raises:
        TypeError: `policy` is not a policy; the error names it.
        ValueError: a field is out of its range; the error names the value.
    """

    policy: Policy
    window_s: float = 30.0
    aggression: float = 1.0
    min_share: float = 0.1

    def __post_init__(self) -> None:
        refuse(type(self).__name__, policy_mistake("policy", self.policy))
        if not 0 < self.window_s < math.inf:
            raise ValueError(f"window_s={self.window_s} must be above 0 and finite")
        if not 0 < self.aggression < math.inf:
            raise ValueError(f"aggression={self.aggression} must be above 0 and finite")
        if not 0 < self.min_share <= 1:
            raise ValueError(f"min_share={self.min_share} must be above 0 and at most 1")

    def part(self, age_s: float) -> float:
        """Return the part of its share for a target that joined or recovered `age_s` ago: `min_share` … 1."""
        time_factor = min(1.0, max(0.0, age_s) / self.window_s)
        return max(self.min_share, math.pow(time_factor, 1.0 / self.aggression))

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets."""
        return guarded(_WarmUp(self, rng))


class _WarmUp(Guard):
    def __init__(self, settings: SlowStart, rng: random.Random) -> None:
        super().__init__(settings.policy.make(rng))
        self._settings = settings
        self._rng = rng
        self._targets: dict[str, None] = {}
        self._cold: dict[str, float] = {}  # since when it warms up, by target; the oldest first
        self._rejected = ""

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        keys = dict.fromkeys(target.key for target in targets)
        self._cold = {key: since for key, since in self._cold.items() if key in keys}
        self._cold.update({key: now for key in keys if key not in self._targets})
        self._targets = keys

    def recovered(self, target: str, *, now: float) -> None:
        if target in self._targets:
            self._cold.pop(target, None)
            self._cold[target] = now

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        first = target = self.inner.choose(now=now, key=key, exclude=exclude)
        self._rejected = ""
        if not self._cold:
            return target
        while target is not None and not self._is_accepted(target, now):
            exclude = both(exclude, {target})
            target = self.inner.choose(now=now, key=key, exclude=exclude)
        return first if target is None else target  # only cold ones are left: the inner policy's own choice

    def _is_accepted(self, target: str, now: float) -> bool:
        if target not in self._cold:
            return True
        part = self._part(target, now)
        if part >= 1.0:
            del self._cold[target]
        if self._rng.random() * self._largest_part(now) < part:
            return True
        self._rejected = f"{target} is warming up, at {part:.0%}, and was passed over"
        return False

    def _part(self, target: str, now: float) -> float:
        return self._settings.part(now - self._cold[target])

    def _largest_part(self, now: float) -> float:
        if len(self._cold) < len(self._targets):
            return 1.0
        return self._part(next(iter(self._cold)), now)

    def explain(self) -> str:
        return self._rejected

    def states(self, *, now: float) -> Mapping[str, str]:
        return {key: f"warming up, {part:.0%}" for key, part in self.parts(now=now).items()}

    def parts(self, *, now: float) -> Mapping[str, float]:
        parts = {key: self._part(key, now) for key in self._cold}
        return {key: part for key, part in parts.items() if part < 1.0}
