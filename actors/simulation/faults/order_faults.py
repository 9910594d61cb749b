"""Faults of the schedule: which actor of a node goes next."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import Timing
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.protocols.faults.fault_counts import Firings
from coterie.protocols.faults.kinds.fault_kinds import ANYWHERE, Priorities, RandomOrder, Starve
from coterie.runtime.cells.run_queue import Runnable
from coterie.runtime.hosts.simulation.simulated_host import SimulatedHost
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.visit_order import Order, Starvation, name_of
from coterie.runtime.hosts.simulation.visit_order import Priorities as PriorityOrder
from coterie.runtime.hosts.simulation.visit_order import RandomOrder as AnyOrder

__all__ = ["OrderFaults"]

LATER_S = 0.05
STEPS_PER_S = 500
"""About how many visits a busy node makes in a second: among them the change points of priorities fall."""

OrderFault = RandomOrder | Priorities | Starve


class OrderFaults:
    """Strikes the run queues. Where nothing strikes, the order is random already."""

    def __init__(self, deployed: Deployment, world: SimulatedWorld, timing: Timing, firings: Firings) -> None:
        self._deployed = deployed
        self._timing = timing
        self._firings = firings
        self._rng = world.rng("order")

    def strike(self, fault: OrderFault, node: SimulatedNode) -> None:
        """Carry a fault out: a starvation on `node`, other orders on every node that is up."""
        match fault:
            case RandomOrder():
                self._firings.note(fault.KIND)
                self._everywhere(fault.duration_s, lambda: AnyOrder(self._rng))
            case Priorities():
                self._firings.note(fault.KIND)
                steps = max(1, int(fault.duration_s * STEPS_PER_S))
                self._everywhere(
                    fault.duration_s, lambda: PriorityOrder(self._rng, change_points=fault.changes, steps=steps)
                )
            case Starve():
                self._starve(fault, node)
            case _:
                assert_never(fault)

    def calm(self) -> None:
        """Let everybody have his turn."""
        for node in self._deployed.nodes.values():
            if not node.is_down:
                node.life.host.schedule(AnyOrder(self._rng))

    def _everywhere(self, duration_s: float, make: Callable[[], Order]) -> None:
        for node in self._deployed.nodes.values():
            if not node.is_down:
                self._schedule(node.life.host, make(), duration_s)

    def _schedule(self, host: SimulatedHost, order: Order, duration_s: float) -> None:
        host.schedule(order)
        self._timing.after(duration_s, lambda: self._end(host, order))

    def _end(self, host: SimulatedHost, order: Order) -> None:
        if host.order is order:
            host.schedule(AnyOrder(self._rng))

    def _starve(self, fault: Starve, node: SimulatedNode) -> None:
        node = self._deployed.peopled(node) if fault.actor == ANYWHERE else node
        if not node.is_up:
            self._timing.after(LATER_S, lambda: self._starve(fault, node))
            return
        host = node.life.host
        order = _StarveFirst(self._rng, self._deployed.paths_on(node) if fault.actor == ANYWHERE else [fault.actor])
        host.schedule(order)

        def stop() -> None:
            self._end(host, order)
            if order.denied:
                self._firings.note(fault.KIND)
            else:
                self._starve(fault, node)

        self._timing.after(fault.duration_s, stop)


class _StarveFirst:
    """Starves the first of the actors at `paths` that has mail: who has none misses nothing."""

    def __init__(self, rng: random.Random, paths: Sequence[str]) -> None:
        self._rng = rng
        self._paths = paths
        self._any = AnyOrder(rng)
        self._starvation: Starvation | None = None

    @property
    def denied(self) -> int:
        """How often it had to wait."""
        return 0 if self._starvation is None else self._starvation.denied

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return anybody but the starved."""
        if self._starvation is None:
            found = next((name_of(cell) for cell in waiting if name_of(cell) in self._paths), None)
            if found is None:
                return self._any.pick(waiting)
            self._starvation = Starvation(self._rng, found, self._any)
        return self._starvation.pick(waiting)
