"""`VirtualHost`: provides one node with a clock, network, disk and executor in virtual time."""

from __future__ import annotations

import asyncio
import random

from coterie.runtime.cells.run_queue import RunQueue
from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_executor import VirtualExecutor
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop
from coterie.runtime.hosts.virtual.virtual_network import NodeNetwork, VirtualNetwork
from coterie.runtime.hosts.virtual.virtual_resources import VirtualResources

__all__ = ["VirtualHost"]


class VirtualHost:
    """Implements `Host` without touching this machine. Its random numbers depend on `seed` and `node` only.

    Args:
        node: this host's name on the network; network faults refer to it.
        loop: the loop whose clock it shows; the running loop by default. TypeError if that is not a `VirtualLoop`.
        network: the network it shares with other nodes; its own by default.
        disk: its disk; a new, empty one by default. Pass the same disk when the node restarts.
        seed: the seed of the whole world; nodes draw different numbers from the same seed.
    """

    def __init__(
        self,
        node: str = "node",
        *,
        loop: VirtualLoop | None = None,
        network: VirtualNetwork | None = None,
        disk: VirtualDisk | None = None,
        seed: int = 0,
    ) -> None:
        world = loop or VirtualLoop.running()
        self.node = node
        """This host's name on the network."""
        self.virtual_network = network or VirtualNetwork()
        """The whole network, with its faults."""
        self._clock = world.clock
        # A string is hashed with SHA-512 for the seed: the same in every process, unlike its hash().
        self._random = random.Random(f"{seed}/{node}")
        self._network = self.virtual_network.for_node(node)
        self._disk = disk or VirtualDisk()
        self._executor = VirtualExecutor()
        self._resources = VirtualResources(self._clock)

    @property
    def clock(self) -> VirtualClock:
        """The clock that the virtual loop moves."""
        return self._clock

    @property
    def random(self) -> random.Random:
        """The random generator from which all others are seeded."""
        return self._random

    @property
    def network(self) -> NodeNetwork:
        """This node's side of the network."""
        return self._network

    @property
    def disk(self) -> VirtualDisk:
        """The file system, in memory."""
        return self._disk

    @property
    def executor(self) -> VirtualExecutor:
        """Blocking functions, run inline."""
        return self._executor

    @property
    def resources(self) -> VirtualResources:
        """The use of a simulated machine's processor and memory; a test may set it."""
        return self._resources

    def run_queue(self, loop: asyncio.AbstractEventLoop, owner: str) -> RunQueue:
        """Make a run queue: first in, first out."""
        return RunQueue(loop, self.clock, owner=owner)
