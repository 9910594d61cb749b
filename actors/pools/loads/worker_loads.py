"""`WorkerLoads`: meters the workers of one pool on this node, answers probes, and keeps the subscribed nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coterie.actors.pools.loads.load_messages import UnknownWorker
from coterie.actors.pools.loads.load_subscribers import LoadSubscribers
from coterie.actors.pools.loads.loop_time import LoopTime
from coterie.actors.pools.loads.node_sampler import NodeSampler
from coterie.actors.pools.loads.target_meter import TargetMeter
from coterie.protocols.balancing.load_report import LoadReport

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["WorkerLoads"]


class WorkerLoads:
    """The load of a pool's workers, for its `PoolActor`:

        loads = WorkerLoads(context.system, context.self_ref.path)          # in on_start
        context.spawn(factory, name="1", meter=loads.meter_for("1"))
        loads.subscribe(msg.subscriber)                                     # ListWorkers of a node that wants reports
        return loads.answer(msg.path)                                       # ProbeLoad
        loads.close()                                                       # in on_stop

    Nothing is measured before the first `subscribe` or `answer`, nor once 30 s have passed since the last one.
    """

    def __init__(self, system: System, pool_path: str) -> None:
        self._system = system
        self._pool_path = pool_path
        self._monotonic = system.host.clock.monotonic
        self._subscribers = LoadSubscribers()
        self._loop_time = LoopTime()
        self._resources = system.extension(NodeSampler).track(self._loop_time)
        self._meter_by_path: dict[str, TargetMeter] = {}

    def meter_for(self, name: str) -> TargetMeter:
        """Return a new meter for the worker that is to be spawned under this name."""
        meter = TargetMeter(
            self._monotonic,
            subscribers=self._subscribers,
            loop_time=self._loop_time,
            resources=self._resources.current,
        )
        self._meter_by_path[f"{self._pool_path}/{name}"] = meter
        if self._subscribers.has_any(now=self._monotonic()):
            meter.renew()
        return meter

    def subscribe(self, node: str) -> None:
        """Let the workers send their load to `node` with each answer, for 30 s; it must subscribe again in time."""
        self._forget_ended()
        self._subscribers.subscribe(node, now=self._monotonic())
        for meter in self._meter_by_path.values():
            meter.renew()

    def answer(self, path: str) -> LoadReport:
        """Return the load of the worker at `path`, for a probe.

        Raises:
            UnknownWorker: there is none.
        """
        meter = self._meter_by_path.get(path)
        if meter is None or self._system.registry.cell_at(path) is None:
            self._meter_by_path.pop(path, None)
            raise UnknownWorker(
                f"pool {self._pool_path!r} on node {self._system.node!r} has no worker at {path!r:.100}"
            )
        return meter.report()

    def __len__(self) -> int:
        return len(self._meter_by_path)

    def close(self) -> None:
        """Forget the workers, and end the sampling of the node for this pool."""
        self._meter_by_path.clear()
        self._resources.close()

    def _forget_ended(self) -> None:
        ended = [path for path in self._meter_by_path if self._system.registry.cell_at(path) is None]
        for path in ended:
            del self._meter_by_path[path]
