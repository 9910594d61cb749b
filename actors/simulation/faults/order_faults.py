"""`OrderFaults`: changes the order in which a simulated node runs its actors: by priority, or so that one starves."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import ANYWHERE, Priorities, RandomOrder, Starve
from coterie.runtime.cells.run_queue import Runnable
from coterie.runtime.hosts.simulation.simulated_host import SimulatedHost
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.hosts.simulation.visit_order import (
    PriorityVisitOrder,
    RandomVisitOrder,
    StarvationVisitOrder,
    VisitOrder,
    cell_path,
)

__all__ = ["OrderFaults"]

RETRY_INTERVAL_S = 0.05
STEPS_PER_S = 500
"""About how many actor visits a busy node makes per second; change points of priorities fall among them."""

OrderFault = RandomOrder | Priorities | Starve


class OrderFaults:
    """Injects faults into run queues. Without a fault the order is random too."""

    def __init__(
        self, deployment: Deployment, world: SimulatedWorld, timing: FaultTiming, fault_counts: FaultCounts
    ) -> None:
        self._deployment = deployment
        self._timing = timing
        self._fault_counts = fault_counts
        self._rng = world.rng("order")

    def inject(self, fault: OrderFault, node: SimulatedNode) -> None:
        """Inject a fault: starvation on `node`, other orders on every node that is up."""
        match fault:
            case RandomOrder():
                self._fault_counts.note(fault.KIND)
                self._schedule_on_all(fault.duration_s, lambda: RandomVisitOrder(self._rng))
            case Priorities():
                self._fault_counts.note(fault.KIND)
                steps = max(1, int(fault.duration_s * STEPS_PER_S))
                self._schedule_on_all(
                    fault.duration_s, lambda: PriorityVisitOrder(self._rng, change_points=fault.changes, steps=steps)
                )
            case Starve():
                self._starve(fault, node)
            case _:
                assert_never(fault)

    def end_all(self) -> None:
        """Restore the random order on every node."""
        for node in self._deployment.nodes.values():
            if not node.is_down:
                node.life.host.set_order(RandomVisitOrder(self._rng))

    def _schedule_on_all(self, duration_s: float, make: Callable[[], VisitOrder]) -> None:
        for node in self._deployment.nodes.values():
            if not node.is_down:
                self._schedule(node.life.host, make(), duration_s)

    def _schedule(self, host: SimulatedHost, order: VisitOrder, duration_s: float) -> None:
        host.set_order(order)
        self._timing.after(duration_s, lambda: self._end(host, order))

    def _end(self, host: SimulatedHost, order: VisitOrder) -> None:
        if host.order is order:
            host.set_order(RandomVisitOrder(self._rng))

    def _starve(self, fault: Starve, node: SimulatedNode) -> None:
        node = self._deployment.first_with_actors(node) if fault.actor == ANYWHERE else node
        if not node.is_up:
            self._timing.after(RETRY_INTERVAL_S, lambda: self._starve(fault, node))
            return
        host = node.life.host
        order = _FirstWaitingStarved(
            self._rng, self._deployment.paths_on(node) if fault.actor == ANYWHERE else [fault.actor]
        )
        host.set_order(order)

        def stop() -> None:
            self._end(host, order)
            if order.times_skipped:
                self._fault_counts.note(fault.KIND)
            else:
                self._starve(fault, node)

        self._timing.after(fault.duration_s, stop)


class _FirstWaitingStarved:
    """Starves the first of the actors at `paths` that has a message waiting."""

    def __init__(self, rng: random.Random, paths: Sequence[str]) -> None:
        self._rng = rng
        self._paths = paths
        self._random_order = RandomVisitOrder(rng)
        self._starvation: StarvationVisitOrder | None = None

    @property
    def times_skipped(self) -> int:
        """How often the starved actor had to wait."""
        return 0 if self._starvation is None else self._starvation.times_skipped

    def pick(self, waiting: Sequence[Runnable]) -> int | None:
        """Return the index of a waiting actor other than the starved one."""
        if self._starvation is None:
            found = next((cell_path(cell) for cell in waiting if cell_path(cell) in self._paths), None)
            if found is None:
                return self._random_order.pick(waiting)
            self._starvation = StarvationVisitOrder(self._rng, found, self._random_order)
        return self._starvation.pick(waiting)
