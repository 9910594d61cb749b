"""`SimulatedWorld`: simulates a network, disks, and nodes that crash and restart; one seed determines everything.

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
from coterie.runtime.hosts.simulation.crash_cleanup import CrashCleanup
from coterie.runtime.hosts.simulation.fence.current_life import CurrentLife
from coterie.runtime.hosts.simulation.fence.fence import Fence
from coterie.runtime.hosts.simulation.garbage_collection import GarbageCollection
from coterie.runtime.hosts.simulation.interrupt import interrupted_between_steps
from coterie.runtime.hosts.simulation.link_conditions import SimulatedNetwork
from coterie.runtime.hosts.simulation.node_clock import NodeClock
from coterie.runtime.hosts.simulation.process_life import Life, owner_of
from coterie.runtime.hosts.simulation.simulated_host import SimulatedHost
from coterie.runtime.hosts.simulation.simulated_loop import SimulatedLoop, TracedLoop
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk

__all__ = ["SimulatedWorld"]

T = TypeVar("T")


class SimulatedWorld:
    """One world, for one `run`, whose `main` is the world's observer: it uses the world's time and never crashes.

    Args:
        seed: determines everything that happens in the world.
        trace: records every handle, arrival and pick; None: not recorded; see `digest`.
        is_fenced: whether `run` keeps the code inside from the real world, see `simulation/fence/`.
    """

    def __init__(self, seed: int = 0, *, trace: StepTrace | None = None, is_fenced: bool = True) -> None:
        self.seed = seed
        """Determines everything that happens in the world."""
        self.trace = trace
        """The recorded steps; None: not recorded."""
        self._garbage_collection = GarbageCollection()
        collect, rng = self._garbage_collection.collect, self.rng("loop")
        self.loop = SimulatedLoop(rng, collect) if trace is None else TracedLoop(rng, collect, trace)
        """The event loop of the whole world."""
        self.network = SimulatedNetwork(self.loop.clock, self.rng("network"), trace=trace)
        """The network, whose links have conditions."""
        self.disks: dict[str, VirtualDisk] = {}
        """Each node's disk, by name; it survives crashes."""
        self.clocks: dict[str, NodeClock] = {}
        """Each node's clock, by name; it survives crashes."""
        self.lives: dict[str, Life] = {}
        """The lives that run or are paused, by node name."""
        self._life_count = 0
        self._fence = Fence(CurrentLife(self.loop, self.rng("observer"))) if is_fenced else contextlib.nullcontext()
        self._cleanup = CrashCleanup()

    def rng(self, purpose: str) -> random.Random:
        """Return a random generator that depends only on the seed and `purpose`."""
        return random.Random(f"{self.seed}/{purpose}")  # hashed with SHA-512: the same in every process

    @property
    def digest(self) -> str:
        """Hash of the steps so far, as 32 hex digits. RuntimeError without a trace."""
        if self.trace is None:
            raise RuntimeError("this world records no trace: make it with SimulatedWorld(seed, trace=StepTrace())")
        return self.trace.digest

    def disk(self, name: str) -> VirtualDisk:
        """Return the disk of node `name`; created empty at the first call."""
        return self.disks.setdefault(name, VirtualDisk())

    def clock(self, name: str) -> NodeClock:
        """Return the clock of node `name`."""
        return self.clocks.setdefault(name, NodeClock(self.loop.clock))

    def begin(self, name: str) -> Life:
        """Begin a life of node `name`, on its disk and clock. ValueError if the node is running."""
        if name in self.lives:
            raise ValueError(f"begin({name!r}): the node is running already")
        self._life_count += 1
        host = SimulatedHost(
            name,
            loop=self.loop,
            network=self.network,
            disk=self.disk(name),
            clock=self.clock(name),
            rng=self.rng(f"host/{self._life_count}"),
            trace=self.trace,
        )
        life = self.lives[name] = Life(self, name, self._life_count, host)
        self.network.power_on(name)
        return life

    def retain_after_crash(self, life: Life, objects: list[object]) -> None:
        """Retain the objects of a crashed life until the world ends."""
        if self.lives.get(life.name) is life:
            del self.lives[life.name]
        self._cleanup.retain(objects)

    def run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run `main()` and return its result; then the world ends, and all running lives end as in a crash.

        Raises:
            VirtualDeadlock: nothing is ready and no timer is set.
            BaseExceptionGroup: `main` returned, but a callback or an unawaited task had failed.
            RuntimeError: another world runs in this process, and this one is fenced.
            KeyboardInterrupt: Ctrl-C, between two steps; all running lives end as usual.
        """
        with interrupted_between_steps(self.loop), self._garbage_collection, self._fence:
            try:
                result = self._run(main)
                unhandled = list(self.loop.unhandled)
            finally:
                self._cleanup.retain(asyncio.all_tasks(self.loop))  # also tasks that a life made after its own crash
                self._cleanup.free_all(self.loop, self._garbage_collection.collect)
        if unhandled:
            raise BaseExceptionGroup("unhandled errors in the simulated world", unhandled)
        return result

    def _run(self, main: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            result = self.loop.run_until_complete(self.loop.create_task(main()))
            self._garbage_collection.collect()  # a failed task that was never awaited reports its error when freed
            return result
        finally:
            for life in list(self.lives.values()):
                life.crash(is_silent=True, keeps_disk=True)
            try:
                with contextlib.suppress(VirtualDeadlock):  # a task that waits for a crashed life cannot be cancelled
                    self.loop.run_until_complete(self._end_observer())
            finally:
                self.loop.close()

    async def _end_observer(self) -> None:
        """Cancel the remaining tasks of `main`; lives have ended, and their tasks are retained as they are."""
        left = [task for task in asyncio.all_tasks() if owner_of(task) is None and task is not asyncio.current_task()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self.loop.shutdown_asyncgens()
