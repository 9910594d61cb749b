"""`RemainingCapacity` and `OrleansScore`: compute how much each node can take from the resources that it reports.

Orleans 9 places actors by a weighted sum: processor 40, memory used 20, available memory 20, maximum memory 5,
activations 15 (`ResourceOptimizedPlacementOptions`), each normalised to 0 … 1. A sum suits a choice that is made once,
for an actor that uses all of them. For shares of a stream of requests it does not: with half of the sum spent on memory
and actors, a node whose processor is exhausted keeps more than half of its share. `RemainingCapacity` therefore
multiplies: what is exhausted cannot be made up for by what is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from coterie.protocols.balancing.load_report import NodeResources

__all__ = ["CapacityFormula", "OrleansScore", "RemainingCapacity"]


class CapacityFormula(Protocol):
    """How much each node can take; the settings of a formula are a frozen dataclass."""

    def capacities(self, resources: Mapping[str, NodeResources]) -> dict[str, float]:
        """Return the capacity of each node, 0 … 1, from the resources of all nodes that have reported, by node.

        Only ratios of capacities have a meaning. What a node cannot measure (None) must not change its capacity.
        """
        ...


@dataclass(frozen=True, slots=True)
class RemainingCapacity:
    """Capacity = (1 - loop used elsewhere) × processor granted × memory left × (1 - weighted sum of the others).

    The first two factors say how fast the event loop can work for this pool. They hardly depend on how much it works
    already, so that weights do not swing with the load that they cause. `memory left` is 1, and falls to 0 with the
    last `memory_reserve` of the memory. The weighted sum is Orleans', without its processor term: memory used, memory
    not available, maximum memory below the largest node's, actors relative to the node that has most.

    Attributes:
        memory_used, memory_available, memory_maximum, actors: weights of the sum, at least 0. Defaults 20, 20, 5 and
            15 (Orleans); all 0: no such factor. Too high: nodes that are fast but full of data get few requests.
        memory_reserve: share of the memory, 0 … 1. Default 0.05. Too low: a node gets requests until it is out of
            memory; too high: nodes with full caches are avoided.

    Raises:
        ValueError: a field is out of its range; the error names the value.
    """

    memory_used: float = 20.0
    memory_available: float = 20.0
    memory_maximum: float = 5.0
    actors: float = 15.0
    memory_reserve: float = 0.05

    def __post_init__(self) -> None:
        _check_weights(self, ("memory_used", "memory_available", "memory_maximum", "actors"))
        if not 0 <= self.memory_reserve <= 1:
            raise ValueError(f"memory_reserve={self.memory_reserve} must be from 0 to 1")

    def capacities(self, resources: Mapping[str, NodeResources]) -> dict[str, float]:
        """Return the capacity of each node, 0 … 1."""
        largest = _Largest(resources.values())
        return {node: self._capacity(it, largest) for node, it in resources.items()}

    def _capacity(self, it: NodeResources, largest: _Largest) -> float:
        speed = (1.0 - _known(it.loop_used_elsewhere, 0.0)) * _known(it.cpu_granted, 1.0)
        free, reserve = 1.0 - _known(it.memory_used, 0.0), self.memory_reserve
        memory_left = min(1.0, free / reserve) if reserve > 0 else 1.0
        others = _weighted_mean(
            (self.memory_used, it.memory_used),
            (self.memory_available, _unavailable(it)),
            (self.memory_maximum, largest.memory_below(it)),
            (self.actors, largest.actors_of(it)),
        )
        return speed * memory_left * (1.0 - others)


@dataclass(frozen=True, slots=True)
class OrleansScore:
    """Capacity = 1 - Orleans' score: a weighted sum of what is used, with Orleans' published weights.

    Orleans takes the lowest score among √n nodes; here the nodes share the requests by 1 - score. `cpu_used` includes
    the work for this pool, so the weights swing with the load; smoothing dampens it.

    Attributes:
        cpu_used, memory_used, memory_available, memory_maximum, actors: weights of the sum, at least 0. Defaults 40,
            20, 20, 5 and 15 (Orleans). Too high: the other resources have no say.

    Raises:
        ValueError: a weight is out of its range; the error names the value.
    """

    cpu_used: float = 40.0
    memory_used: float = 20.0
    memory_available: float = 20.0
    memory_maximum: float = 5.0
    actors: float = 15.0

    def __post_init__(self) -> None:
        _check_weights(self, ("cpu_used", "memory_used", "memory_available", "memory_maximum", "actors"))

    def capacities(self, resources: Mapping[str, NodeResources]) -> dict[str, float]:
        """Return the capacity of each node, 0 … 1."""
        largest = _Largest(resources.values())
        return {node: 1.0 - self._score(it, largest) for node, it in resources.items()}

    def _score(self, it: NodeResources, largest: _Largest) -> float:
        return _weighted_mean(
            (self.cpu_used, it.cpu_used),
            (self.memory_used, it.memory_used),
            (self.memory_available, _unavailable(it)),
            (self.memory_maximum, largest.memory_below(it)),
            (self.actors, largest.actors_of(it)),
        )


class _Largest:
    """The largest memory and number of actors of all nodes, by which those of each are normalised."""

    def __init__(self, resources: Iterable[NodeResources]) -> None:
        known = list(resources)
        self._memory_bytes = max((it.memory_total_bytes or 0 for it in known), default=0)
        self._actors = max((it.actors for it in known), default=0)

    def memory_below(self, it: NodeResources) -> float | None:
        """Return the share by which its memory is smaller than the largest node's."""
        return 1.0 - it.memory_total_bytes / self._memory_bytes if it.memory_total_bytes else None

    def actors_of(self, it: NodeResources) -> float | None:
        """Return its actors as a share of those of the node that has most."""
        return it.actors / self._actors if self._actors else None


def _unavailable(it: NodeResources) -> float | None:
    if it.memory_available_bytes is None or not it.memory_total_bytes:
        return None
    return 1.0 - it.memory_available_bytes / it.memory_total_bytes


def _known(share: float | None, otherwise: float) -> float:
    return otherwise if share is None else min(1.0, max(0.0, share))


def _weighted_mean(*terms: tuple[float, float | None]) -> float:
    """Return the mean of the known values, 0 … 1, by weight; 0 if none is known."""
    known = [(weight, _known(value, 0.0)) for weight, value in terms if value is not None]
    total = math.fsum(weight for weight, _ in known)
    return math.fsum(weight * value for weight, value in known) / total if total > 0 else 0.0


def _check_weights(formula: RemainingCapacity | OrleansScore, names: Iterable[str]) -> None:
    for name in names:
        if not 0 <= getattr(formula, name) < math.inf:
            raise ValueError(f"{name}={getattr(formula, name)} must be at least 0 and finite")
