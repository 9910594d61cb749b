"""`LoadProbes`: sends the probes that a pool's policy wants, returns their answers to it, and keeps its timer."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from coterie.actors.pools.loads.load_book import LoadBook
from coterie.actors.pools.loads.load_messages import ProbeLoad
from coterie.actors.pools.requests.target_source import PoolTarget
from coterie.protocols.balancing import Balancer, LoadReport, Probe
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

__all__ = ["LoadProbes"]

TICK_S: Final = 1.0
"""The longest time between two looks at the policy's deadline while the pool is in use, seconds."""


class LoadProbes:
    """The probes and the timer of one balancer. The timer runs while the pool is used.

    A target of this system is not asked: its load is read. Probes do not belong to the request that caused them.

    Args:
        system: the caller's.
        balancer: gets the answers.
        target: returns the target of a key; None if it must not be probed.
        is_used: returns whether the pool was used since the last call.
    """

    def __init__(
        self,
        system: System,
        balancer: Balancer,
        *,
        target: Callable[[str], PoolTarget | None],
        is_used: Callable[[], bool],
    ) -> None:
        self._system = system
        self._monotonic = system.host.clock.monotonic
        self._balancer = balancer
        self._target = target
        self._is_used = is_used
        self._book = system.extension(LoadBook)
        self._asked: dict[int, asyncio.Future[LoadReport]] = {}
        self.timer: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Stop the timer; the answers of probes that are under way are ignored."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        asked, self._asked = self._asked, {}
        for answer in asked.values():
            answer.cancel()

    def send(self, probes: Sequence[Probe]) -> None:
        """Send probes. One that cannot be sent is reported as not answered."""
        for probe in probes:
            target = self._target(probe.target)
            is_local = target is not None and target.ref.node == self._system.node
            load = self._book.latest(target.ref) if target is not None and is_local else None
            if load is not None or target is None or target.prober is None:
                self._balancer.probed(probe, load, now=self._monotonic())
            else:
                contextvars.Context().run(self._ask, probe, target.prober, target.ref.path)

    def _ask(self, probe: Probe, prober: Ref[Any], path: str) -> None:
        asked = self._asked[probe.number] = prober.ask(ProbeLoad(path), timeout_s=probe.timeout_s)
        asked.add_done_callback(partial(self._answered, probe, self._monotonic()))

    def _answered(self, probe: Probe, sent_at: float, asked: asyncio.Future[LoadReport]) -> None:
        if self._asked.pop(probe.number, None) is None:
            return  # closed
        now = self._monotonic()
        is_answer = asked.exception() is None and now - sent_at <= probe.timeout_s
        self._balancer.probed(probe, asked.result() if is_answer else None, now=now)

    # --- the timer --------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Set the timer to the policy's deadline, if it has one and the timer is not set."""
        deadline = self._balancer.deadline
        if deadline is not None and self.timer is None:
            delay_s = min(max(0.0, deadline - self._monotonic()), TICK_S)
            self.timer = self._system.loop.call_later(delay_s, self._tick, context=contextvars.Context())

    def _tick(self) -> None:
        self.timer = None
        now, deadline = self._monotonic(), self._balancer.deadline
        if deadline is not None and now >= deadline:
            self.send(self._balancer.tick(now=now))
        if self._is_used():
            self.arm()
