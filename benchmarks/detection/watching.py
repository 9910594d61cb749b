"""Watching: runs a group of detectors, counts their mistakes, and lets nodes crash in copies of it.

A mistake is a suspicion of a node that has not crashed. A copy of the group is made at regular moments; in the copy one
node crashes, and the time until each other node suspects it is a detection time. So mistakes and detection times are
those of the same detectors, which have learned for the same time.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MakeDetector, MemberState, Suspected, Trusted
from coterie.protocols.simulation.detection.detection_world import DetectionWorld, SeenChange
from coterie.protocols.simulation.detection.member_network import MemberNetwork

__all__ = ["NODES", "Conditions", "Watched", "watch"]

NODES = (NodeId("n1"), NodeId("n2"), NodeId("n3"))
WARM_UP_S = 30.0
LONGEST_DETECTION_S = 60.0


@dataclass(frozen=True, slots=True)
class Conditions:
    """The network and the nodes: `latency` draws one-way delays (s); `pause_every_s`: the mean time between pauses.

    In a pause one random node stands still for 0.2 to 0.8 s. 0: no pauses.
    """

    name: str
    latency: Callable[[random.Random], float]
    loss: float = 0.0
    pause_every_s: float = 0.0


@dataclass(slots=True)
class Watched:
    """What was counted: mistakes, the time in which pairs were wrong, the time watched, and detection times (s)."""

    mistakes: int = 0
    wrong_hours: float = 0.0
    pair_hours: float = 0.0
    detections_s: list[float] = field(default_factory=list)
    messages: int = 0

    @property
    def mistakes_per_hour(self) -> float:
        """The mistakes per pair and hour."""
        return self.mistakes / self.pair_hours

    @property
    def wrong_percent(self) -> float:
        """The share of the time in which a living node was suspected."""
        return 100.0 * self.wrong_hours / self.pair_hours

    def add(self, other: Watched) -> None:
        """Add what another run has counted."""
        self.mistakes += other.mistakes
        self.wrong_hours += other.wrong_hours
        self.pair_hours += other.pair_hours
        self.detections_s += other.detections_s
        self.messages += other.messages


def watch(
    make: MakeDetector,
    conditions: Conditions,
    *,
    seed: int,
    watched_s: float,
    crashes: int,
    crashed: Sequence[NodeId] = NODES,
    observers: Sequence[NodeId] = NODES,
    network: MemberNetwork | None = None,
) -> Watched:
    """Run three nodes for `watched_s` after a warm-up of 30 s, with `crashes` crashes, each in a copy.

    The nodes of `crashed` crash in turn; the detection times are those of `observers`.
    """
    rng = random.Random(f"{seed}/{conditions.name}")
    links = network or MemberNetwork(rng, conditions.latency, conditions.loss)
    detectors = {node: make.make(node, [peer for peer in NODES if peer != node], seed=seed) for node in NODES}
    world = DetectionWorld(detectors, links)
    _run(world, WARM_UP_S, conditions, rng)
    learned, sent, begun_s, wrong = len(world.changes), world.counts.messages.total(), world.now, _suspicions(world)
    watched = Watched(pair_hours=watched_s * len(NODES) * (len(NODES) - 1) / 3600.0)
    for number in range(crashes):
        _run(world, watched_s / crashes * (0.5 + rng.random() / 2), conditions, rng)
        node = crashed[number % len(crashed)]
        waiting = [observer for observer in observers if observer != node]
        watched.detections_s += _crash(copy.deepcopy(world), node, waiting)
    _run(world, max(0.0, WARM_UP_S + watched_s - world.now), conditions, rng)
    watched.mistakes = sum(isinstance(seen.change, Suspected) for seen in world.changes[learned:])
    watched.wrong_hours = _wrong_s(world.changes[learned:], wrong, begun_s, world.now) / 3600.0
    watched.messages = world.counts.messages.total() - sent
    return watched


def _suspicions(world: DetectionWorld) -> dict[tuple[NodeId, NodeId], float]:
    """Return the pairs of which one suspects the other now, with the present time."""
    pairs = ((observer, peer) for observer in NODES for peer in NODES if observer != peer)
    return {pair: world.now for pair in pairs if _is_suspected(world, *pair)}


def _wrong_s(
    changes: Sequence[SeenChange], since_by_pair: dict[tuple[NodeId, NodeId], float], begin_s: float, end_s: float
) -> float:
    """Return for how long pairs were wrong, added up; `since_by_pair` holds those that are so at the beginning."""
    total_s, since_by_pair = 0.0, dict.fromkeys(since_by_pair, begin_s)
    for seen in changes:
        pair = (seen.observer, seen.change.peer)
        if isinstance(seen.change, Suspected):
            since_by_pair[pair] = seen.at
        elif isinstance(seen.change, Trusted):
            total_s += seen.at - since_by_pair.pop(pair)
    return total_s + sum(end_s - since_s for since_s in since_by_pair.values())


def _run(world: DetectionWorld, duration_s: float, conditions: Conditions, rng: random.Random) -> None:
    end_s = world.now + duration_s
    if conditions.pause_every_s:
        while (next_s := world.now + rng.expovariate(1.0 / conditions.pause_every_s)) < end_s:
            world.run(next_s - world.now)
            world.pause(rng.choice(NODES), rng.uniform(0.2, 0.8))
    world.run(end_s - world.now)


def _crash(world: DetectionWorld, node: NodeId, observers: Sequence[NodeId]) -> list[float]:
    """Let `node` crash; return how long each observer takes to suspect it: 0 if it does so already."""
    crashed_s = world.now
    waiting = [observer for observer in observers if not _is_suspected(world, observer, node)]
    del world.changes[:]
    world.crash(node)
    world.run(LONGEST_DETECTION_S, until=lambda: len(_first_suspicions(world, node, waiting)) == len(waiting))
    at_by_observer = _first_suspicions(world, node, waiting)
    missed_s = crashed_s + LONGEST_DETECTION_S
    detections_s = [at_by_observer.get(observer, missed_s) - crashed_s for observer in waiting]
    return [0.0] * (len(observers) - len(waiting)) + detections_s


def _first_suspicions(world: DetectionWorld, node: NodeId, observers: Sequence[NodeId]) -> dict[NodeId, float]:
    """Return when each observer began to suspect `node`, since the changes were cleared."""
    return {
        seen.observer: seen.at
        for seen in world.changes
        if seen.observer in observers and seen.change.peer == node and isinstance(seen.change, Suspected)
    }


def _is_suspected(world: DetectionWorld, observer: NodeId, peer: NodeId) -> bool:
    states = {status.peer: status.state for status in world.detector(observer).members(now=world.now)}
    return states[peer] is not MemberState.ALIVE
