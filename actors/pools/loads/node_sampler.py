"""`NodeSampler`: samples the resources of this node while load reports are made: processor, memory, loop and mailboxes.

The event loop is *busy* while its thread runs or is ready to run. On Linux that is read from the scheduler's counters
(`schedstat`: the time that the thread ran, and the time that it waited for a processor). Elsewhere only the time that
it ran is known: a loop that competes for the processor looks less busy than it is. While the thread sleeps in a
blocking call, or waits for the interpreter lock that another thread holds, the loop counts as idle; `loop_lag_s` shows
that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from coterie.actors.pools.loads.loop_time import LoopTime
from coterie.protocols.balancing.load_report import NodeResources
from coterie.runtime.hosts.resource_reading import ResourceReading
from coterie.runtime.observing.lag_probe import LagProbe

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["LEASE_S", "SAMPLE_S", "NodeSampler", "PoolResources"]

LEASE_S: Final = 10.0
"""How long the sampling goes on after a report was made, s."""

SAMPLE_S: Final = 0.5
"""Time between two samples, over which shares are averaged, s."""

PROBE_S: Final = 0.1
"""Time between two probes of the loop's lag, s."""

SLICE_ACTORS: Final = 5000
"""Actors whose mailboxes are counted at one probe: to count a million at once would delay heartbeats."""

WANTED_S_MIN: Final = 0.001
"""The least processor time that the loop's thread must have wanted in a sample to say which share of it it got, s."""


class PoolResources:
    """The resources of the node as one of its pools reports them: `loop_used_elsewhere` is without the pool's own use.

    Made by `NodeSampler.track`.
    """

    def __init__(self, sampler: NodeSampler, loop_time: LoopTime) -> None:
        self._sampler = sampler
        self._loop_time = loop_time
        self._seconds_before = loop_time.seconds
        self._latest = NodeResources()

    def current(self) -> NodeResources:
        """Return the latest sample, and go on sampling for `LEASE_S`. All is unknown before the first one."""
        self._sampler.renew()
        return self._latest

    def close(self) -> None:
        """Stop sampling for this pool."""
        self._sampler.untrack(self)

    def begin(self) -> None:
        """Start a sample."""
        self._seconds_before = self._loop_time.seconds

    def take(self, node: NodeResources, seconds: float) -> None:
        """End a sample of so many seconds, and start the next one."""
        own_share = (self._loop_time.seconds - self._seconds_before) / seconds
        elsewhere = None if node.loop_used is None else max(0.0, node.loop_used - own_share)
        self._latest = replace(node, loop_used_elsewhere=elsewhere)
        self.begin()


class NodeSampler:
    """Samples one system's node. `system.extension(NodeSampler)` returns the system's own."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._pools: list[PoolResources] = []
        self._lease_ends_at = 0.0
        self._probe: LagProbe | None = None
        self._sampled_at = 0.0
        self._before = ResourceReading()
        self._lag_s = self._lag_before_s = 0.0
        self._depth = self._depth_so_far = 0
        self._uncounted: Iterator[int] = iter(())

    @property
    def is_sampling(self) -> bool:
        """True while the lease lasts."""
        return self._probe is not None

    def track(self, loop_time: LoopTime) -> PoolResources:
        """Return the resources as a pool with this loop time reports them."""
        pool = PoolResources(self, loop_time)
        self._pools.append(pool)
        return pool

    def untrack(self, pool: PoolResources) -> None:
        """Forget a pool; with the last one the sampling ends."""
        if pool in self._pools:
            self._pools.remove(pool)
        if not self._pools:
            self._stop()

    def renew(self) -> None:
        """Sample for `LEASE_S` from now."""
        clock = self._system.host.clock
        now = clock.monotonic()
        self._lease_ends_at = now + LEASE_S
        if self._probe is None:
            self._probe = LagProbe(self._system.loop, clock.monotonic, PROBE_S, self._on_probe)
            self._sampled_at = now
            self._before = self._system.host.resources.read()
            self._lag_s = self._lag_before_s = 0.0
            for pool in self._pools:
                pool.begin()

    def _stop(self) -> None:
        if self._probe is not None:
            self._probe.stop()
            self._probe = None
            self._uncounted = iter(())

    def _on_probe(self, lag_s: float) -> None:
        self._lag_s = max(self._lag_s, lag_s)
        self._count_mailboxes()
        now = self._system.host.clock.monotonic()
        if now >= self._sampled_at + SAMPLE_S:
            self._sample(now)
        if now >= self._lease_ends_at:
            self._stop()

    def _count_mailboxes(self) -> None:
        """Count the messages of the next actors; publish the sum once all have been counted."""
        for _ in range(SLICE_ACTORS):
            depth = next(self._uncounted, None)
            if depth is None:
                self._depth, self._depth_so_far = self._depth_so_far, 0
                self._uncounted = (cell.depth for cell in self._system.registry.cells)
                return
            self._depth_so_far += depth

    def _sample(self, now: float) -> None:
        reading, before = self._system.host.resources.read(), self._before
        seconds, self._sampled_at, self._before = now - self._sampled_at, now, reading
        run_s = _difference(reading.thread_run_s, before.thread_run_s)
        wait_s = _difference(reading.thread_wait_s, before.thread_wait_s)
        available, total = reading.memory_available_bytes, reading.memory_total_bytes
        node = NodeResources(
            cpu_used=_share(
                _difference(reading.cpu_busy_s, before.cpu_busy_s), _difference(reading.cpu_total_s, before.cpu_total_s)
            ),
            cpu_granted=None if wait_s is None or run_s is None else _granted(run_s, wait_s),
            loop_used=None if run_s is None else _share(run_s + (wait_s or 0.0), seconds),
            loop_lag_s=max(self._lag_s, self._lag_before_s),
            memory_used=None if not total or available is None else 1 - available / total,
            memory_available_bytes=available,
            memory_total_bytes=total,
            mailbox_depth=self._depth,
            actors=self._system.actor_count,
        )
        self._lag_before_s, self._lag_s = self._lag_s, 0.0
        for pool in self._pools:
            pool.take(node, seconds)


def _difference(now: float | None, before: float | None) -> float | None:
    return None if now is None or before is None else max(0.0, now - before)


def _share(part: float | None, whole: float | None) -> float | None:
    """Return part / whole, at most 1: the parts are counted in coarser steps than the whole."""
    return None if part is None or not whole else min(1.0, part / whole)


def _granted(run_s: float, wait_s: float) -> float | None:
    return run_s / (run_s + wait_s) if run_s + wait_s >= WANTED_S_MIN else None
