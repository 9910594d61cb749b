"""View stability: how many views of a cluster its healthy members see under Rapid's faults, and who is removed wrongly.

The set-up of Suresh et al., "Stable and Consistent Membership at Scale with Rapid" (USENIX ATC 2018, §7), simulated:
1,000 members, of which 1 % are faulty from a moment on: they crash at once; or lose all that is sent to them, 20 s on
and 20 s off; or lose 80 % of what they send. Counted is, at members without a fault: how many different sets of
members they saw after that (the value); `wrong`, members without a fault that somebody took for failed; `stable_s`,
the time until no opinion changed any more (at most the duration); `left`, faulty ones that not everybody has out then.

`swim` is SWIM as in Lifeguard's paper with α = 5, `lifeguard` all of Lifeguard with α = 5, `lan` our preset, and
`membership` the agreed view: the cluster members of `MemberWorld`, whose group is one object that decides at once.
Removed members do not come back there; in SWIM they do, as soon as they are heard. A last row lets 100 nodes join at
once. Seeds: the same for all systems.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.detection.swim_lifeguard import VARIANTS
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import Failed, Trusted
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.membership.members import ViewNumber
from coterie.protocols.simulation.detection.detection_world import DetectionWorld
from coterie.protocols.simulation.detection.member_network import MemberNetwork
from coterie.protocols.simulation.directed.swim_schedules import swim_world
from coterie.protocols.simulation.membership.member_links import HostLoss
from coterie.protocols.simulation.membership.member_world import MemberWorld
from coterie.protocols.simulation.membership.world_config import WorldConfig

__all__ = ["run"]

MEMBERS: Final = 1000
DURATION_S: Final = 80.0
SETTLE_S: Final = 10.0

FAULTS: Final[Mapping[str, HostLoss | None]] = {
    "crash": None,
    "flip_flop": HostLoss(ingress=1.0, on_s=20.0, off_s=20.0),
    "loss_80": HostLoss(egress=0.8),
}
SWIM_CONFIGS: Final = {"swim": VARIANTS["swim"], "lifeguard": VARIANTS["all_alpha_5"], "lan": SwimConfig.lan()}


@dataclass(slots=True)
class _Seen:
    """What healthy members saw after the faults began: `views` are hashes of the members that somebody had out."""

    views: set[int] = field(default_factory=set)
    wrong: set[str] = field(default_factory=set)
    stable_s: float = 0.0
    left: int = 0

    def detail(self) -> dict[str, float | int | str]:
        return {"wrong": len(self.wrong), "stable_s": self.stable_s, "left": self.left}


@dataclass(slots=True)
class _FaultyNetwork(MemberNetwork):
    """A network in which some members lose messages; a stream to one of them is as lossy as datagrams."""

    losses: Mapping[NodeId, HostLoss] = field(default_factory=dict)
    clock: Callable[[], float] = lambda: 0.0

    def arrivals_s(self, sender: NodeId, target: NodeId, message: object) -> tuple[float, ...]:
        """Return the delays after which a message arrives; none if it is lost."""
        for node in (sender, target) if self.losses else ():
            loss = self.losses.get(node)
            is_on = loss is not None and loss.is_on(self.clock())
            share = 0.0 if loss is None or not is_on else loss.egress if node == sender else loss.ingress
            if share and self.rng.random() < share:
                return ()
        return (self.latency(self.rng),)


async def run(
    *,
    members: int = MEMBERS,
    duration_s: float = DURATION_S,
    joiners: int = 100,
    faults: Sequence[str] = tuple(FAULTS),
    results: list[Result] | None = None,
) -> list[Result]:
    """Run every system under every fault; the value is the number of views."""
    results = [] if results is None else results
    systems: dict[str, Callable[[HostLoss | None], _Seen]] = {
        "membership": lambda loss: _membership(members, loss, duration_s),
        **{name: _swim_system(config, members, duration_s) for name, config in SWIM_CONFIGS.items()},
    }
    progress = Progress(len(systems) * len(faults) + 1)
    for fault in faults:
        for name, system in systems.items():
            progress.show(f"{fault}: {name}")
            seen = system(FAULTS[fault])
            views = (float(len(seen.views)),)
            results.append(Result(f"view_stability/{fault}/{name}", "coterie", "views", views, detail=seen.detail()))
    progress.show(f"{joiners} nodes join")
    results.append(_joins(members, joiners))
    progress.clear()
    return results


def _faulty_count(members: int) -> int:
    return max(1, members // 100)


def _swim_system(config: SwimConfig, members: int, duration_s: float) -> Callable[[HostLoss | None], _Seen]:
    return lambda loss: _swim(config, members, loss, duration_s)


# --- SWIM


def _swim(config: SwimConfig, members: int, loss: HostLoss | None, duration_s: float) -> _Seen:
    world, names = swim_world(members, config, seed=1)
    faulty = frozenset(random.Random(1).sample(names, _faulty_count(members)))
    network = _FaultyNetwork(random.Random(2), clock=lambda: world.now)
    world.network = network
    world.run(SETTLE_S)
    began_s = world.now
    if loss is None:
        for node in faulty:
            world.crash(node)
    else:
        begun = HostLoss(loss.ingress, loss.egress, began_s, loss.on_s, loss.off_s)
        network.losses = dict.fromkeys(faulty, begun)
    world.run(duration_s)
    return _opinions(world, names, faulty, began_s)


def _opinions(world: DetectionWorld, names: Sequence[NodeId], faulty: frozenset[NodeId], began_s: float) -> _Seen:
    """Replay the changes of opinion of the healthy members."""
    seen = _Seen()
    missing: dict[NodeId, set[NodeId]] = {node: set() for node in names if node not in faulty}
    hashes: dict[NodeId, int] = {}
    for change in world.changes:
        peer, observer = change.change.peer, change.observer
        if observer in faulty or not isinstance(change.change, Failed | Trusted):
            continue
        known = missing[observer]
        if isinstance(change.change, Failed) is (peer in known):
            continue  # it was suspected only
        known.symmetric_difference_update((peer,))
        hashes[observer] = hashes.get(observer, 0) ^ hash(peer)
        seen.views.add(hashes[observer])
        seen.stable_s = change.at - began_s
        if peer not in faulty:
            seen.wrong.add(peer)
    seen.left = sum(not all(node in known for known in missing.values()) for node in faulty)
    return seen


# --- the agreed view


def _members_that_are_up(members: int) -> MemberWorld:
    world = MemberWorld("view stability", ["n1", "n2", "n3"], world=WorldConfig(has_singleton=False, is_checked=False))
    world.checks_healthy = False
    for number in range(members):
        world.heap.at(5.0 * number / members, world.start, f"n{number + 1}")
    if not world.run(60.0, until=world.is_settled):
        raise RuntimeError(f"{members} nodes did not join within 60 s of simulated time")
    world.run(world.now + SETTLE_S)
    return world


def _membership(members: int, loss: HostLoss | None, duration_s: float) -> _Seen:
    world = _members_that_are_up(members)
    others = [life for life in world.lives if life.name not in world.group.voters]
    faulty = random.Random(1).sample(others, _faulty_count(members))
    healthy = {life.member.identity for life in world.lives}.difference(life.member.identity for life in faulty)
    began_s, seen = world.now, _Seen()
    learned: list[tuple[float, ViewNumber]] = []
    world.on_view = lambda life, view: learned.append((world.now, view.number)) if life not in faulty else None
    for life in faulty:
        if loss is None:
            world.crash(life)
        else:
            world.links.losses[life.address] = HostLoss(loss.ingress, loss.egress, began_s, loss.on_s, loss.off_s)
    world.run(began_s + duration_s)
    everybody = {it.member.identity for it in faulty} | healthy
    for _, number in learned:
        present = {member.identity for member in world.group.views[number].present}
        seen.views.add(hash(frozenset(everybody - present)) if everybody - present else 0)
        seen.wrong |= {identity.name for identity in healthy - present}
    seen.stable_s = learned[-1][0] - began_s if learned else 0.0
    out = {member.identity for member in world.group.view.present}
    seen.left = sum(life.member.identity in out for life in faulty)
    return seen


def _joins(members: int, joiners: int) -> Result:
    world = _members_that_are_up(members)
    began_s, number = world.now, world.group.view.number
    for joiner in range(joiners):
        world.start(f"j{joiner + 1}")
    world.run(began_s + 60.0, until=world.is_settled)
    views = (float(world.group.view.number - number),)
    detail: dict[str, float | int | str] = {"stable_s": world.now - began_s, "up": len(world.group.view.up)}
    return Result(f"view_stability/join_{joiners}", "coterie", "views", views, detail=detail)
