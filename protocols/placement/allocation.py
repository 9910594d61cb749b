"""`Allocation`: holds the replicas, loads and limits while a plan is made, and applies each step when it is taken.

It knows the rules that no step may break:

* A shard takes part in one step at a time. Steps that found a new shard are one.
* A majority of the shard's replicas is up, and stays out of the step: with three replicas, none is moved while
  another is down. (Of one or two replicas, all but the moved one stay out of it: there is no majority without it.)
* At most `moves_max` copies at once, and `moves_per_node_max` of a node.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.fair_shares import fair_shares, fill
from coterie.protocols.placement.placement_config import PlacementConfig
from coterie.protocols.placement.placement_plan import (
    AddReplica,
    Finding,
    Plan,
    Reason,
    RemoveReplica,
    ReplaceReplica,
    Step,
)
from coterie.protocols.placement.places import Place, Placement, checked_places
from coterie.protocols.placement.shard_table import ShardId
from coterie.protocols.placement.shard_wishes import ShardWishes

__all__ = ["Allocation"]

ZoneKey = tuple[bool, str]

_LEAST_OF_MEAN = 0.01  # an idle shard costs something: each move must change the fill of both nodes


class Allocation:
    """The replicas as they will be after the steps taken so far. See `plan_placement` for the arguments."""

    def __init__(
        self,
        placement: Placement,
        places: Sequence[Place],
        config: PlacementConfig,
        *,
        lost: AbstractSet[NodeId],
        load: Mapping[ShardId, float] | None,
    ) -> None:
        self.config = config
        self.places = {place.node: place for place in checked_places(places)}
        self.nodes_by_shard = {shard: _checked_nodes(shard, placement[shard]) for shard in sorted(placement)}
        self.load_by_shard = _checked_loads(self.nodes_by_shard, load)
        self._lost = lost
        self.takers = [place for place in self.places.values() if place.takes_new]
        self.taker_zones = tuple(dict.fromkeys(place.zone_key for place in self.takers))
        self.wishes = ShardWishes(config.name, list(self.places.values()))
        self.shards_by_node: dict[NodeId, dict[ShardId, None]] = {node: {} for node in self.places}
        self.load_by_node = dict.fromkeys(self.places, 0.0)
        self._most_by_node = dict.fromkeys(self.places, 0)  # replicas, if all come before any goes
        for shard, nodes in self.nodes_by_shard.items():
            for node in nodes:
                self._enter(shard, node)
        self.mean_load = math.fsum(self.load_by_shard.values()) / max(1, len(self.load_by_shard))
        self.share_by_node = self._shares()
        self._steps: list[Step] = []
        self._findings: list[Finding] = []
        self._touched: set[ShardId] = set()
        self._moves = 0
        self._moves_by_node: dict[NodeId, int] = {}
        self.waiting = 0
        """How many replicas must be made or moved, but not by this plan."""

    # --- nodes

    def is_live(self, node: NodeId) -> bool:
        """Return whether the node is up, and so the replicas on it."""
        place = self.places.get(node)
        return place is not None and place.is_available

    def is_gone(self, node: NodeId) -> bool:
        """Return whether the replicas on the node are to be replaced: it has no place, or is down and lost."""
        place = self.places.get(node)
        return place is None or (not place.is_available and node in self._lost)

    def has_room(self, place: Place) -> bool:
        """Return whether the node's capacity allows one replica more, before any replica of the plan has left it."""
        return place.capacity is None or self._most_by_node[place.node] < place.capacity

    def fill_of(self, node: NodeId, more: float = 0.0) -> float:
        """Return how full a node is that takes new replicas, with some load more: 1 if it has its share."""
        return fill(self.load_by_node[node] + more, self.share_by_node[node])

    # --- shards

    def live(self, shard: ShardId) -> int:
        """Return how many replicas of a shard are up."""
        return sum(map(self.is_live, self.nodes_by_shard[shard]))

    def has_quorum(self, shard: ShardId) -> bool:
        """Return whether a majority of the shard's replicas is up, or it has none yet."""
        nodes = self.nodes_by_shard[shard]
        return not nodes or 2 * self.live(shard) > len(nodes)

    def is_touched(self, shard: ShardId) -> bool:
        """Return whether a step that was taken, or is under way, concerns the shard."""
        return shard in self._touched

    def may_touch(self, shard: ShardId, node: NodeId | None = None) -> bool:
        """Return whether a step may concern the shard, and move or remove its replica on `node`."""
        if shard in self._touched or not self.has_quorum(shard):
            return False
        replicas = len(self.nodes_by_shard[shard])
        untouched = self.live(shard) - (node is not None and self.is_live(node))
        return untouched >= min(replicas // 2 + 1, replicas - 1)

    def zones_of(self, shard: ShardId, but: NodeId | None = None) -> list[ZoneKey]:
        """Return the zone of each replica that stays, but of the one on `but`."""
        nodes = self.nodes_by_shard[shard]
        return [self.places[node].zone_key for node in nodes if node != but and not self.is_gone(node)]

    # --- steps

    def begin(self, moving: Collection[Step]) -> None:
        """Take the steps that are under way, which the plan does not repeat, and which count against its limits.

        Raises:
            LookupError: one names a shard that is not in the placement.
        """
        for step in moving:
            if step.shard not in self.nodes_by_shard:
                raise LookupError(f"{step} is under way, and its shard is not in the placement")
            self._apply(step)

    def take(self, step: Step) -> None:
        """Add a step to the plan."""
        self._apply(step)
        self._steps.append(step)

    def find(self, finding: Finding) -> None:
        """Add a finding to the plan."""
        self._findings.append(finding)

    def plan(self) -> Plan:
        """Return the plan of the steps taken."""
        return Plan(tuple(self._steps), tuple(self._findings), self.waiting)

    @property
    def has_budget(self) -> bool:
        """Whether one replica more may be copied."""
        return self._moves < self.config.moves_max

    def may_copy(self, *nodes: NodeId) -> bool:
        """Return whether one replica more may be copied from and to these nodes."""
        most = self.config.moves_per_node_max
        return self.has_budget and all(self._moves_by_node.get(node, 0) < most for node in nodes)

    def _apply(self, step: Step) -> None:
        self._touched.add(step.shard)
        match step:
            case AddReplica():
                self._charge(() if step.reason is Reason.NEW_SHARD else (step.node,))
                self._add(step.shard, step.node)
            case RemoveReplica():
                self._remove(step.shard, step.node)
            case ReplaceReplica():
                self._charge((step.new,) if self.is_gone(step.old) else (step.old, step.new))
                self._remove(step.shard, step.old)
                self._add(step.shard, step.new)

    def _charge(self, nodes: Iterable[NodeId]) -> None:
        counted = tuple(nodes)
        self._moves += bool(counted)
        for node in counted:
            self._moves_by_node[node] = self._moves_by_node.get(node, 0) + 1

    def _add(self, shard: ShardId, node: NodeId) -> None:
        if node not in self.nodes_by_shard[shard]:
            self.nodes_by_shard[shard].append(node)
            self._enter(shard, node)

    def _enter(self, shard: ShardId, node: NodeId) -> None:
        if node in self.places:
            self.shards_by_node[node][shard] = None
            self.load_by_node[node] += self.load_by_shard[shard]
            self._most_by_node[node] += 1

    def _remove(self, shard: ShardId, node: NodeId) -> None:
        if node in self.nodes_by_shard[shard]:
            self.nodes_by_shard[shard].remove(node)
            if node in self.places:
                del self.shards_by_node[node][shard]
                self.load_by_node[node] -= self.load_by_shard[shard]

    def _shares(self) -> dict[NodeId, float]:
        counted = [place for place in self.places.values() if not place.is_leaving and not self.is_gone(place.node)]
        zones = len(dict.fromkeys(place.zone_key for place in counted))
        return fair_shares(
            self.takers,
            load=math.fsum(self.load_by_shard[shard] * self._on_takers(shard) for shard in self.nodes_by_shard),
            once=math.fsum(self.load_by_shard.values()),
            per_replica=self.mean_load,
            per_zone=-(-self.config.replicas // max(1, zones)),
        )

    def _on_takers(self, shard: ShardId) -> int:
        """Return how many replicas of the shard should be on nodes that take new ones."""
        nodes = self.nodes_by_shard[shard]
        if not self.has_quorum(shard):
            return sum(node in self.places and self.places[node].takes_new for node in nodes)
        waited_for = sum(not self.is_live(node) and not self.is_gone(node) for node in nodes)
        return max(0, self.config.replicas - waited_for)


def _checked_nodes(shard: ShardId, nodes: Sequence[NodeId]) -> list[NodeId]:
    ordered = sorted(dict.fromkeys(nodes))
    if len(ordered) != len(nodes):
        raise ValueError(f"shard {shard} has two replicas on one node: {list(nodes)}")
    return ordered


def _checked_loads(shards: Iterable[ShardId], load: Mapping[ShardId, float] | None) -> dict[ShardId, float]:
    """Return the load of every shard, above 0: 1 each if none is known, the mean if only its own is not."""
    known = {shard: load[shard] for shard in shards if shard in load} if load else {}
    wrong = next((shard for shard, it in known.items() if not 0 <= it < math.inf), None)
    if wrong is not None:
        raise ValueError(f"the load of shard {wrong} must be 0 or more and finite, not {known[wrong]}")
    mean = math.fsum(known.values()) / len(known) if known else 0.0
    if mean == 0:
        return dict.fromkeys(shards, 1.0)
    return {shard: max(known.get(shard, mean), _LEAST_OF_MEAN * mean) for shard in shards}
