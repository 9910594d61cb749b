"""`fair_shares`: divides a load among nodes by weight, as far as capacities, zones and the rule of one replica allow.

Without bounds a node's share is load × weight / sum of the weights. A node whose share is above its bound gets that,
and the others divide the rest (water-filling); so do zones, and then the nodes of each zone. Without this, the node of
a small zone, which must have a replica of every shard, would count as too full for ever, and all others as too empty.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeVar

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.places import Place

__all__ = ["fair_shares", "fill"]

K = TypeVar("K")

_ENOUGH = 1 - 1e-9  # a bound that is reached but for rounding is reached


def fair_shares(
    places: Sequence[Place], *, load: float, once: float, per_replica: float, per_zone: int
) -> dict[NodeId, float]:
    """Return each node's share of `load`, in the order of `places`.

    Args:
        places: the nodes.
        load: of all replicas together.
        once: the load of one replica of each shard: no node can have more.
        per_replica: the load of a replica, on average: with it capacities are converted.
        per_zone: how many replicas of a shard a zone may have.
    """
    most = {place.node: _bound(place, once, per_replica) for place in places}
    zones: dict[tuple[bool, str], list[Place]] = {}
    for place in places:
        zones.setdefault(place.zone_key, []).append(place)
    weight_by_zone = {zone: math.fsum(place.weight for place in inside) for zone, inside in zones.items()}
    most_by_zone = {
        zone: min(once * per_zone, math.fsum(most[place.node] for place in inside)) for zone, inside in zones.items()
    }
    shares: dict[NodeId, float] = {}
    for zone, part in _water_filled(load, weight_by_zone, most_by_zone).items():
        shares.update(_water_filled(part, {place.node: place.weight for place in zones[zone]}, most))
    return {place.node: shares[place.node] for place in places}


def fill(load: float, share: float) -> float:
    """Return how full a node is: 1 if it has its share."""
    if share > 0:
        return load / share
    return math.inf if load > 0 else 0.0


def _bound(place: Place, once: float, per_replica: float) -> float:
    return once if place.capacity is None else min(once, place.capacity * per_replica)


def _water_filled(load: float, weights: Mapping[K, float], most: Mapping[K, float]) -> dict[K, float]:
    """Return the parts of `load` by weight; none is above its bound, and only if all are at theirs is some left."""
    parts: dict[K, float] = {}
    free = dict(weights)
    while free:
        total = math.fsum(free.values())
        full = [key for key, weight in free.items() if most[key] * _ENOUGH <= load * weight / total]
        if not full:
            break
        for key in full:
            parts[key] = most[key]
            load = max(0.0, load - most[key])
            del free[key]
    total = math.fsum(free.values())
    parts.update({key: load * weight / total for key, weight in free.items()})
    return parts
