"""`SimulatedHost`: gives one simulated process its clock, network, disk, executor and run queue."""

from __future__ import annotations

import asyncio
import random

from coterie.runtime.hosts.simulation.node_clock import NodeClock
from coterie.runtime.hosts.simulation.seeded_run_queue import SeededRunQueue
from coterie.runtime.hosts.simulation.simulated_executor import SimulatedExecutor
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.hosts.simulation.visit_order import RandomVisitOrder, VisitOrder
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop
from coterie.runtime.hosts.virtual.virtual_network import NodeNetwork, VirtualNetwork
from coterie.runtime.hosts.virtual.virtual_resources import VirtualResources

__all__ = ["SimulatedHost"]


class SimulatedHost:
    """Implements `Host`. Made by `SimulatedWorld.begin`, one for each life.

    `clock` and `disk` belong to the node, and survive a crash.
    """

    def __init__(
        self,
        node: str,
        *,
        loop: VirtualLoop,
        network: VirtualNetwork,
        disk: VirtualDisk,
        clock: NodeClock,
        rng: random.Random,
        trace: StepTrace | None,
    ) -> None:
        self.node = node
        """This host's name on the network."""
        self._clock = clock
        self._random = rng
        self._network = network.for_node(node)
        self._disk = disk
        self._executor = SimulatedExecutor(loop, random.Random(rng.getrandbits(64)))
        self._resources = VirtualResources(self._clock)
        self._order_rng = random.Random(rng.getrandbits(64))
        self._trace = trace
        self.order: VisitOrder = RandomVisitOrder(self._order_rng)
        """Picks the next cell of this host's system to visit; see `set_order`."""
        self._queue: SeededRunQueue | None = None

    @property
    def clock(self) -> NodeClock:
        """The node's clock: it may drift and jump."""
        return self._clock

    @property
    def random(self) -> random.Random:
        """The random generator from which all others are seeded."""
        return self._random

    @property
    def network(self) -> NodeNetwork:
        """This node's interface to the network."""
        return self._network

    @property
    def disk(self) -> VirtualDisk:
        """The node's file system, in memory."""
        return self._disk

    @property
    def executor(self) -> SimulatedExecutor:
        """Runs blocking functions inline, each as its own step."""
        return self._executor

    @property
    def resources(self) -> VirtualResources:
        """The use of a simulated machine's processor and memory; a test may set it."""
        return self._resources

    def run_queue(self, loop: asyncio.AbstractEventLoop, owner: str) -> SeededRunQueue:
        """Make a run queue in which `order` picks the next cell."""
        self._queue = SeededRunQueue(
            loop, self._clock, owner=owner, order=self.order, rng=self._order_rng, trace=self._trace
        )
        return self._queue

    def set_order(self, order: VisitOrder) -> None:
        """Use `order` to pick the next cell from now on."""
        self.order = order
        if self._queue is not None:
            self._queue.order = order
