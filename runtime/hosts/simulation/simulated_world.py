"""A world in which everything follows from one seed: nodes that live, crash and live again.

world = SimulatedWorld(seed=7)

async def main() -> None:
    life = world.begin("n1")
    life.create_task(node(life.host))
    await asyncio.sleep(1.0)
    life.crash()

world.run(main)
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from coterie.errors import VirtualDeadlock
from coterie.runtime.hosts.simulation.crash_cleanup import Graveyard
from coterie.runtime.hosts.simulation.fence.current_life import Perception
from coterie.runtime.hosts.simulation.fence.fence import Fence
from coterie.runtime.hosts.simulation.garbage_collection import Collector
from coterie.runtime.hosts.simulation.interrupt import interrupted_between_steps
from coterie.runtime.hosts.simulation.link_conditions import SimulatedNetwork
from coterie.runtime.hosts.simulation.node_clock import NodeClock
from coterie.runtime.hosts.simulation.process_life import Life, owner_of
from coterie.runtime.hosts.simulation.simulated_host import SimulatedHost
from coterie.runtime.hosts.simulation.simulated_loop import SimulatedLoop, TracedLoop
from coterie.runtime.hosts.simulation.step_trace import Trace
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk

__all__ = ["SimulatedWorld"]

T = TypeVar("T")


class SimulatedWorld:
    """One world, for one `run`, whose `main` is the world's observer: it sees the world's time and never crashes.

    Args:
        seed: what everything follows from.
        trace: where every handle, arrival and pick is taken down, if it is; see `digest`.
        is_fenced: whether `run` keeps the code inside from the real world, see `simulation/fence/`.
    """

    def __init__(self, seed: int = 0, *, trace: Trace | None = None, is_fenced: bool = True) -> None:
        self.seed = seed
        """What everything follows from."""
        self.trace = trace
        """What happened, if it is taken down."""
        self._collector = Collector()
        collect, rng = self._collector.collect, self.rng("loop")
        self.loop = SimulatedLoop(rng, collect) if trace is None else TracedLoop(rng, collect, trace)
        """The loop on which the whole world runs."""
        self.network = SimulatedNetwork(self.loop.clock, self.rng("network"), trace=trace)
        """The network, with its weather."""
        self.disks: dict[str, VirtualDisk] = {}
        """Each node's disk, by name: it outlives crashes."""
        self.clocks: dict[str, NodeClock] = {}
        """Each node's clock, likewise."""
        self.lives: dict[str, Life] = {}
        """Who lives now, by name."""
        self._births = 0
        self._fence = Fence(Perception(self.loop, self.rng("observer"))) if is_fenced else contextlib.nullcontext()
        self._graveyard = Graveyard()

    def rng(self, purpose: str) -> random.Random:
        """Return a generator that follows from the seed and `purpose` alone."""
        return random.Random(f"{self.seed}/{purpose}")  # a string seeds through SHA-512: the same in every process

    @property
    def digest(self) -> str:
        """What happened so far, as 32 hex digits. RuntimeError if nothing is taken down."""
        if self.trace is None:
            raise RuntimeError("this world takes nothing down: SimulatedWorld(seed, trace=Trace())")
        return self.trace.digest

    def disk(self, name: str) -> VirtualDisk:
        """Return the disk of node `name`, an empty one if it has none yet."""
        return self.disks.setdefault(name, VirtualDisk())

    def clock(self, name: str) -> NodeClock:
        """Return the clock of node `name`."""
        return self.clocks.setdefault(name, NodeClock(self.loop.clock))

    def begin(self, name: str) -> Life:
        """Begin a life of node `name`, on its disk and clock. ValueError if one lives."""
        if name in self.lives:
            raise ValueError(f"begin({name!r}): it lives already")
        self._births += 1
        host = SimulatedHost(
            name,
            loop=self.loop,
            network=self.network,
            disk=self.disk(name),
            clock=self.clock(name),
            rng=self.rng(f"host/{self._births}"),
            trace=self.trace,
        )
        life = self.lives[name] = Life(self, name, self._births, host)
        self.network.power_on(name)
        return life

    def bury(self, life: Life, remains: list[object]) -> None:
        """Keep what a life that is over had until the world ends."""
        if self.lives.get(life.name) is life:
            del self.lives[life.name]
        self._graveyard.keep(remains)

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `main()` and return its result; then the world ends, and whoever lives ends as in a crash.

        Raises:
            VirtualDeadlock: nothing is ready and no timer is set.
            BaseExceptionGroup: `main` returned, but a callback or an abandoned task had failed.
            RuntimeError: another world runs in this process, and this one is fenced.
            KeyboardInterrupt: Ctrl-C, between two steps; whoever lives ends as ever.
        """
        with interrupted_between_steps(self.loop), self._collector, self._fence:
            try:
                result = self._run(main)
                unhandled = list(self.loop.unhandled)
            finally:
                self._graveyard.keep(asyncio.all_tasks(self.loop))  # also what a life made after its own crash
                self._graveyard.clear(self.loop, self._collector.collect)
        if unhandled:
            raise BaseExceptionGroup("unhandled errors in the simulated world", unhandled)
        return result

    def _run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            result = self.loop.run_until_complete(self.loop.create_task(main()))
            self._collector.collect()  # a failed task that nobody awaited speaks up when it is freed
            return result
        finally:
            for life in list(self.lives.values()):
                life.crash(is_silent=True, keeps_disk=True)
            try:
                with contextlib.suppress(VirtualDeadlock):  # who waits for the dead cannot be cancelled
                    self.loop.run_until_complete(self._end_observer())
            finally:
                self.loop.close()

    async def _end_observer(self) -> None:
        """Cancel what `main` left behind; lives are over, and their tasks are kept as they stand."""
        left = [task for task in asyncio.all_tasks() if owner_of(task) is None and task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
