"""`Place`: describes a node as replicas see it: its zone, its weight, how many it takes, and whether it takes new ones.

    up:        is_available                   takes new replicas, keeps its own
    leaving:   is_available and is_leaving    takes none; its own are moved to others
    down:      not is_available               takes none; its own stay where they are, until `lost` names the node
    lost:      in `lost`, or no place at all  its replicas are replaced

A node without a place is one that has been removed for good. A node that is down but may come back must keep its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.shard_table import ShardId

__all__ = ["WEIGHT_MAX", "WEIGHT_MIN", "Place", "Placement", "checked_places"]

WEIGHT_MIN = 1e-6
WEIGHT_MAX = 1e6
"""The range of weights: sums and quotients of them stay exact enough."""

Placement = Mapping[ShardId, Sequence[NodeId]]
"""The nodes of each shard's replicas, in any order, each once. An empty sequence: a new shard, without data yet."""


@dataclass(frozen=True, slots=True)
class Place:
    """One node.

    Attributes:
        node: its name.
        zone: what fails together, such as a rack or a data centre; None: not known, it shares no zone with any other.
        weight: its part of all replicas, in proportion to the weights of the others, `WEIGHT_MIN` … `WEIGHT_MAX`.
        capacity: the most replicas that it takes, 0 or more; None: no bound. One that has more gives some away.
        is_available: whether it is up.
        is_leaving: whether its replicas are to be moved to others.
        zone_key: what two places have in common if they fail together: the zone; without one, the node itself.

    Raises:
        ValueError: the name or the zone is empty, or the weight or the capacity is out of its range.
    """

    node: NodeId
    zone: str | None = None
    weight: float = 1.0
    capacity: int | None = None
    is_available: bool = True
    is_leaving: bool = False
    zone_key: tuple[bool, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.node or self.zone == "":
            raise ValueError(f"a place has a node and a zone, or None, not {self.node!r} and {self.zone!r}")
        if not WEIGHT_MIN <= self.weight <= WEIGHT_MAX:
            raise ValueError(f"the weight of {self.node!r} must be {WEIGHT_MIN} to {WEIGHT_MAX}, not {self.weight}")
        if self.capacity is not None and self.capacity < 0:
            raise ValueError(f"the capacity of {self.node!r} must not be below 0: {self.capacity}")
        object.__setattr__(self, "zone_key", (True, self.node) if self.zone is None else (False, self.zone))

    @property
    def takes_new(self) -> bool:
        """Whether it takes new replicas, as long as it has room."""
        return self.is_available and not self.is_leaving


def checked_places(places: Sequence[Place]) -> list[Place]:
    """Return the places sorted by node. ValueError if one node has two."""
    ordered = sorted(places, key=lambda place: place.node)
    for one, other in pairwise(ordered):
        if one.node == other.node:
            raise ValueError(f"node {one.node!r} has two places")
    return ordered
