"""`PlacementChurn`: lets nodes join, leave, crash, return and be lost while plans are carried out in part.

One seed determines a run. Plans are interrupted in each way that a coordinator can be: some steps are still under way
when the next plan is made, some are dropped, and of some only the new replica has been made. Each plan is checked.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from itertools import pairwise

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.key_shards import HashShards
from coterie.protocols.placement.placement_config import PlacementConfig
from coterie.protocols.placement.placement_plan import (
    Plan,
    RemoveReplica,
    ReplaceReplica,
    Step,
    apply_steps,
)
from coterie.protocols.placement.places import Place
from coterie.protocols.placement.planner import plan_placement
from coterie.protocols.placement.shard_table import ShardId
from coterie.protocols.simulation.placement.placement_rules import broken, check_plan, check_rest

__all__ = ["ChurnCounts", "PlacementChurn"]

ROUNDS_TO_REST = 200
"""After the last fault, so many plans without limits must be enough."""


@dataclass(slots=True)
class ChurnCounts:
    """What happened: plans, steps of all plans, replicas copied, rounds to rest after the last fault."""

    plans: int = 0
    steps: int = 0
    copied: int = 0
    rounds_to_rest: int = 0


class PlacementChurn:
    """One world of nodes and shards.

    Args:
        seed: determines the run.
        nodes: at the beginning.
        shards: at the beginning.
        zones: how many zones the nodes are in; 0: no zones.
        has_bounds: whether nodes differ in weight, and some have a capacity.
    """

    def __init__(self, seed: int, *, nodes: int, shards: int, zones: int = 0, has_bounds: bool = False) -> None:
        self._rng = random.Random(f"placement churn {seed}")
        self._zones, self._has_bounds, self._joined, self._start = zones, has_bounds, 0, nodes
        self.config = PlacementConfig(
            name=f"churn {seed}", moves_max=self._rng.randint(1, 40), moves_per_node_max=self._rng.randint(1, 8)
        )
        self.keys = HashShards(shards)
        self.places: dict[NodeId, Place] = {}
        for _ in range(nodes):
            self._join()
        self.placement: dict[ShardId, tuple[NodeId, ...]] = dict.fromkeys(self.keys.shards, ())
        self.lost: set[NodeId] = set()
        self.moving: tuple[ReplaceReplica, ...] = ()
        self.counts = ChurnCounts()

    def run(self, rounds: int) -> None:
        """Let `rounds` things happen, with a plan after each; then end all faults, and wait until nothing moves.

        Raises:
            Violation: a plan breaks a rule, or plans do not end.
        """
        for _ in range(rounds):
            self._happen()
            self._go_on()
            self._carry_out(self.plan())
        self.come_to_rest()

    def plan(self) -> Plan:
        """Make and check a plan of what is."""
        places = list(self.places.values())
        self._rng.shuffle(places)
        plan = plan_placement(self.placement, places, self.config, lost=self.lost, moving=self.moving)
        check_plan(plan, self.placement, places, self.config, lost=self.lost, moving=self.moving)
        self.counts.plans += 1
        self.counts.steps += len(plan.steps)
        self.counts.copied += sum(not isinstance(step, RemoveReplica) for step in plan.steps)
        return plan

    def come_to_rest(self) -> None:
        """End all faults and lift the limits; carry plans out until one is empty, and check the placement.

        Raises:
            Violation: a plan breaks a rule, or plans do not end.
        """
        self.lost.clear()
        self.placement = apply_steps(self.placement, self.moving)
        self.moving = ()
        self.places = {node: replace(place, is_available=True, is_leaving=False) for node, place in self.places.items()}
        self.config = replace(self.config, moves_max=1_000_000, moves_per_node_max=1_000_000)
        while (plan := self.plan()).steps:
            if self.counts.rounds_to_rest == ROUNDS_TO_REST:
                broken("comes_to_rest", f"after {ROUNDS_TO_REST} plans there are {len(plan.steps)} more steps")
            self.placement = apply_steps(self.placement, plan.steps)
            self.counts.rounds_to_rest += 1
        check_rest(plan, self.placement, list(self.places.values()), self.config)
        if not (self._zones or self._has_bounds or plan.findings):
            self._check_balance()

    def _check_balance(self) -> None:
        counts = Counter(node for nodes in self.placement.values() for node in nodes)
        mean = counts.total() / len(self.places)
        for node in self.places:
            if abs(counts[node] - mean) > max(self.config.imbalance * mean, 1):
                broken("balance", f"{node} has {counts[node]} replicas, the mean is {mean}")

    # --- plans that are interrupted

    def _carry_out(self, plan: Plan) -> None:
        done: list[Step] = []
        moving: list[ReplaceReplica] = list(self.moving)
        for step in self._rng.sample(plan.steps, len(plan.steps)):
            fate = self._rng.random()
            if fate < 0.6:
                done.append(step)
            elif fate < 0.8 and isinstance(step, ReplaceReplica):
                moving.append(step)
            elif fate < 0.9 and isinstance(step, ReplaceReplica):
                self._half_done(step)
        self.placement = apply_steps(self.placement, done)
        self.moving = tuple(moving)

    def _go_on(self) -> None:
        """End half of what is under way; a step whose new node is down or gone is given up."""
        places = self.places
        possible = [it for it in self.moving if it.new in places and places[it.new].is_available]
        done = self._rng.sample(possible, len(possible) // 2)
        self.placement = apply_steps(self.placement, done)
        self.moving = tuple(step for step in possible if step not in done)

    def _half_done(self, step: ReplaceReplica) -> None:
        self.placement[step.shard] = tuple(sorted((*self.placement[step.shard], step.new)))

    # --- what happens to nodes and shards

    def _happen(self) -> None:
        happening = self._rng.choice(
            (self._join, self._crash, self._come_back, self._lose, self._remove, self._leave, self._split, self._merge)
        )
        happening()

    def _join(self) -> None:
        if self._joined > 2 * self._start:
            return
        self._joined += 1
        node = NodeId(f"n{self._joined:03}")
        zone = f"zone {self._rng.randrange(self._zones)}" if self._zones else None
        weight, capacity = 1.0, None
        if self._has_bounds:
            weight = self._rng.choice((0.5, 1.0, 2.0))
            capacity = self._rng.choice((None, None, self._rng.randint(0, 300)))
        self.places[node] = Place(node, zone, weight, capacity)

    def _crash(self) -> None:
        """At most one node is down at a time. If it is removed before its replicas are replaced, quorums get lost."""
        up = [place for place in self.places.values() if place.is_available]
        if len(up) == len(self.places) and len(up) > 3:
            self._change(self._rng.choice(up), is_available=False)

    def _come_back(self) -> None:
        down = [place for place in self.places.values() if not place.is_available]
        if down:
            place = self._rng.choice(down)
            self._change(place, is_available=True)
            self.lost.discard(place.node)

    def _lose(self) -> None:
        self.lost.update(place.node for place in self.places.values() if not place.is_available)

    def _remove(self) -> None:
        """A node is removed for good once it is lost, or has left and is empty."""
        used = {node for nodes in self.placement.values() for node in nodes}
        for place in list(self.places.values()):
            is_drained = place.is_leaving and place.node not in used
            if len(self.places) > 3 and (place.node in self.lost or is_drained) and not self._is_target(place.node):
                del self.places[place.node]
                self.lost.discard(place.node)
                return

    def _is_target(self, node: NodeId) -> bool:
        return any(node == step.new for step in self.moving)

    def _leave(self) -> None:
        stay = [place for place in self.places.values() if place.takes_new]
        if len(stay) > 4:
            self._change(self._rng.choice(stay), is_leaving=True)

    def _split(self) -> None:
        shard = self._rng.choice(self._still())
        old = self.keys.range_of(shard)
        end = (1 << 64) if old.end is None else old.end
        if end - old.start > 1:
            self.keys, left, right = self.keys.split(shard, (old.start + end) // 2)
            self.placement[left] = self.placement[right] = self.placement.pop(shard)

    def _merge(self) -> None:
        """Two neighbours are merged if their replicas are on the same nodes."""
        shards, still = self.keys.shards, self._still()
        pairs = [pair for pair in pairwise(shards) if pair[0] in still and pair[1] in still]
        alike = [pair for pair in pairs if self.placement[pair[0]] == self.placement[pair[1]]]
        if alike:
            left, right = self._rng.choice(alike)
            self.keys, merged = self.keys.merge(left, right)
            self.placement[merged] = self.placement.pop(left)
            del self.placement[right]

    def _still(self) -> list[ShardId]:
        moving = [step.shard for step in self.moving]
        return [shard for shard in self.placement if shard not in moving]

    def _change(self, place: Place, *, is_available: bool | None = None, is_leaving: bool | None = None) -> None:
        self.places[place.node] = replace(
            place,
            is_available=place.is_available if is_available is None else is_available,
            is_leaving=place.is_leaving if is_leaving is None else is_leaving,
        )
