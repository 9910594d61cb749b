"""The run queue of a simulated host: who goes next, and how much he gets done, is drawn from the seed."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import math
import random
from typing import Final

from coterie.runtime.cells.run_queue import IDLE, NORMAL, URGENT, VISITS, Runnable, RunQueue
from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.step_trace import Trace
from coterie.runtime.hosts.simulation.visit_order import Order, name_of

__all__ = ["SeededRunQueue"]

_SHORT: Final = 0.25
_RETRY_S: Final = 0.001


class SeededRunQueue(RunQueue):
    """A `RunQueue` in which `order` picks the next cell, and a quarter of the visits are cut short.

    Urgent cells still go before normal ones. Where `order` wants nobody to go, the queue rests for a millisecond.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        *,
        owner: str,
        order: Order,
        rng: random.Random,
        trace: Trace | None,
    ) -> None:
        super().__init__(loop, clock, owner=owner)
        self.order = order
        """Who goes next; may be replaced at any time."""
        self._rng = rng
        self._trace = trace
        self._rests = False

    def _turn(self) -> None:
        self.turns += 1
        if self._begin is not None:
            self._begin()
        try:
            if not self._visit_some(self._urgent, VISITS) and self._normal:
                self._visit_some((), 1)
        finally:
            self.visiting = None
            if self._context:
                self._context = contextvars.Context()
            self._armed = False
            if self._urgent or self._normal:
                self._arm()
            if self._end is not None:
                self._end()

    def _visit_some(self, urgent: collections.deque[Runnable] | tuple[()], visits: int) -> bool:
        came_to_normal = self._rests = False
        normal, context, rng = self._normal, self._context, self._rng
        for _ in range(visits):
            if urgent:
                place, waiting = URGENT, urgent
            elif normal:
                place, waiting = NORMAL, normal
            else:
                break
            at = self.order.pick(waiting)
            if at is None:
                self._rests = True
                break
            cell = waiting[at]
            del waiting[at]
            if place == NORMAL:
                cell.in_normal = False
                came_to_normal = True
            if cell.queued != place:
                continue  # it has moved: it waits elsewhere, or a task runs it
            cell.queued = IDLE
            self.visiting = cell
            if self._trace is not None:
                self._trace.note("pick", name_of(cell))
            # Time stands still within a turn: a slice is over at once, or never.
            cell.visit(math.inf if rng.random() >= _SHORT else -math.inf)
            if self._took is not None:
                self._took(cell, 0.0)
            if context:
                cell.adopt(context)
                break
        return came_to_normal

    def _arm(self) -> None:
        if self._rests:
            self._rests = False
            self._armed = True
            self._loop.call_later(_RETRY_S, self._turn, context=self._context)
        else:
            super()._arm()
