"""`BoundedLoads`: passes the keys of targets that have more than their part of the load on to the next target."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from coterie.protocols.balancing.guards.guard import Guard, both, guarded
from coterie.protocols.balancing.hashing.hash_ring import HashRing
from coterie.protocols.balancing.policy import Picker, Policy, RequestOutcome, RoutingKey, Target, uses_keys
from coterie.protocols.balancing.settings_checks import policy_mistake, refuse
from coterie.protocols.balancing.weights_in_range import weights_in_range

__all__ = ["BoundedLoads"]


@dataclass(frozen=True, slots=True)
class BoundedLoads:
    """Wraps a policy that hashes keys: no target has more than `factor` times its part of the open requests.

    Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016): a target may have at most
    ceil(`factor` × m × weight / sum of the weights) of this caller's m open requests, the new one included. A key
    whose target is full goes to the next one, for a ring clockwise. With `factor` = 1 + ε, a target that leaves moves
    O(1/ε²) times its keys.

    Attributes:
        policy: the inner policy, which picks by keys (`uses_keys`); default: a ring.
        factor: above 1. Default 1.25 (as in the paper's evaluation). Too low: many keys are moved from their target,
            and caches suffer; too high: popular keys overload their target.

    Raises:
        TypeError: `policy` is not a policy; the error names it.
        ValueError: `policy` does not pick by keys, or `factor` is out of its range; the error names it.
    """

    policy: Policy = field(default_factory=HashRing)
    factor: float = 1.25

    def __post_init__(self) -> None:
        refuse(type(self).__name__, policy_mistake("policy", self.policy))
        if not uses_keys(self.policy):
            raise ValueError(
                f"BoundedLoads: policy={self.policy!r:.60} does not pick by keys: give one that does, for example"
                " HashRing(); one of your own says so with the class attribute uses_keys = True"
            )
        if not 1 < self.factor < math.inf:
            raise ValueError(f"factor={self.factor} must be above 1 and finite")

    def capacity(self, in_flight: int, part: float) -> int:
        """Return the most open requests of a target with this part of all weights, if `in_flight` are open in all."""
        return math.ceil(self.factor * (in_flight + 1) * part - 1e-9)

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets."""
        return guarded(_Bounds(self, rng))


class _Bounds(Guard):
    def __init__(self, settings: BoundedLoads, rng: random.Random) -> None:
        super().__init__(settings.policy.make(rng))
        self._settings = settings
        self._parts: dict[str, float] = {}  # of all weights, by target
        self._in_flight: dict[str, int] = {}  # by target
        self._total = 0
        self._passed_over: list[str] = []

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        weights = weights_in_range([target.weight for target in targets])
        total = math.fsum(weights)
        self._parts = {target.key: weight / total for target, weight in zip(targets, weights, strict=True)}
        self._in_flight = {target.key: self._in_flight.get(target.key, 0) for target in targets}
        self._total = sum(self._in_flight.values())

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        first = target = self.inner.choose(now=now, key=key, exclude=exclude)
        self._passed_over = []
        while target is not None and self._in_flight[target] >= self._capacity(target):
            self._passed_over.append(f"{target} is {self._describe(target)}")
            exclude = both(exclude, {target})
            target = self.inner.choose(now=now, key=key, exclude=exclude)
        return first if target is None else target  # those with room are excluded

    def _capacity(self, target: str) -> int:
        return self._settings.capacity(self._total, self._parts[target])

    def _describe(self, target: str) -> str:
        return f"full, {self._in_flight[target]} of {self._capacity(target)} in flight"

    def picked(self, target: str, *, now: float) -> None:
        self._in_flight[target] += 1
        self._total += 1

    def settled(self, target: str, outcome: RequestOutcome, *, latency_s: float, now: float) -> None:
        self._in_flight[target] -= 1
        self._total -= 1

    def explain(self) -> str:
        return ", ".join(self._passed_over[:3])

    def states(self, *, now: float) -> Mapping[str, str]:
        full = (key for key, count in self._in_flight.items() if count and count >= self._capacity(key))
        return {key: self._describe(key) for key in full}
