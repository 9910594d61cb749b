"""`HostileFaults`: lets hostile clients attack simulated nodes, each as a process of its own, and checks the nodes.

No actor of a node may fail, restart or end because of what a client sends, and nothing of it may be kept.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from typing import Final

from coterie.actors.network_addresses import parse_address
from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.actors.simulation.hostile.hostile_campaign import AttackedNode, HostileCampaign
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import HostileClient, kind
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.observing.actor_events import Event
from coterie.runtime.observing.dead_letters import TEXT_CHARS_MAX
from coterie.runtime.system import System

__all__ = ["HOSTILE_PREFIX", "HostileFaults"]

HOSTILE_PREFIX: Final = "hostile-"
"""The beginning of the names of the processes of hostile clients."""

HARMS: Final = ("actor.failed", "actor.restarted")


class HostileFaults:
    """Begins and ends attacks."""

    def __init__(
        self, deployment: Deployment, world: SimulatedWorld, timing: FaultTiming, fault_counts: FaultCounts
    ) -> None:
        self._deployment = deployment
        self._world = world
        self._timing = timing
        self._fault_counts = fault_counts
        self._checkers = deployment.checkers
        self._followed: weakref.WeakSet[System] = weakref.WeakSet()
        self._numbers: Iterator[int] = itertools.count(1)
        self._attacked_by: dict[Life, SimulatedNode] = {}

    def inject(self, fault: HostileClient, node: SimulatedNode) -> None:
        """Begin an attack on `node`; it ends when its time is over and the node has taken something of it."""
        name = f"{HOSTILE_PREFIX}{next(self._numbers)}"
        life = self._world.begin(name)
        hits: list[None] = []

        def on_hit() -> None:
            if not hits:
                self._fault_counts.note(kind(fault))
            hits.append(None)

        for each in self._deployment.nodes.values():
            if each.is_up:
                self._follow(each)
        campaign = HostileCampaign(life.host, self._attacked(node), fault.attack, fault.seed, name, on_hit)
        life.create_task(campaign.run(), name=name)
        self._attacked_by[life] = node
        self._timing.stop_after(fault.duration_s, lambda: bool(hits), lambda: self._stop(life))

    def end_all(self) -> None:
        """End every attack."""
        for life in list(self._attacked_by):
            self._stop(life)

    def _stop(self, life: Life) -> None:
        """End an attack, and check what it leaves behind in the node."""
        node = self._attacked_by.pop(life, None)
        if node is not None:
            life.crash()
            if node.is_up:
                self._checkers.check(self._check_what_is_left, node)

    def _follow(self, node: SimulatedNode) -> None:
        """Report each failure of an actor of this life of the node."""
        system = node.system
        if system in self._followed:
            return
        self._followed.add(system)

        def on_event(event: Event) -> None:
            has_ended = event.name == "actor.stopped" and event.actor in self._deployment.paths_on(node)
            if has_ended or event.name in HARMS:
                self._checkers.check(self._fail, node, f"{event.name}: {event.actor} {dict(event.facts)}"[:500])

        system.events.subscribe(on_event)

    def _fail(self, node: SimulatedNode, detail: str) -> None:
        self._checkers.violation_context.fail("runtime.actor_failed_under_attack", NodeId(node.name), detail)

    def _check_what_is_left(self, node: SimulatedNode) -> None:
        system = node.system
        if system.failures or system.restarts:
            self._fail(node, f"{system.failures} failures of handlers and {system.restarts} restarts of actors")
        for letter in system.dead_letters.latest:
            if max(map(len, (letter.target, letter.message, letter.detail))) > TEXT_CHARS_MAX:
                detail = f"what a peer has sent is kept: {letter.reason.value}, to {letter.target[:100]}"
                self._checkers.violation_context.fail("runtime.dead_letter_kept", NodeId(node.name), detail)

    def _attacked(self, node: SimulatedNode) -> AttackedNode:
        deployment = self._deployment
        groups = [part for part in deployment.group_checkers if part in deployment.paths_on(node)]
        paths = list(dict.fromkeys([*groups, *deployment.paths_on(node)]))
        ordinary = (*deployment.nodes, "observer")
        clients = [name for name in self._world.lives if name not in ordinary and not name.startswith(HOSTILE_PREFIX)]
        identities: dict[str, bytes] = {}
        for checker in deployment.raft_checkers:
            identities |= checker.identity_by_node
        return AttackedNode(
            deployment.topology.name,
            parse_address(deployment.addresses[node.name]),
            tuple(deployment.nodes),
            paths or ["nothing"],
            clients,
            identities,
        )
