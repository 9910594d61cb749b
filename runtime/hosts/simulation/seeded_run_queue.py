"""`SeededRunQueue`: schedules a simulated node's actors in seeded random order, and ends some of their turns early."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import math
import random
from typing import Final

from coterie.runtime.cells.run_queue import IDLE, NORMAL, TURN_VISITS_MAX, URGENT, Runnable, RunQueue
from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.hosts.simulation.visit_order import VisitOrder, cell_path

__all__ = ["SeededRunQueue"]

_SHORT_VISIT_PROBABILITY: Final = 0.25
_RETRY_S: Final = 0.001


class SeededRunQueue(RunQueue):
    """A `RunQueue` in which `order` picks the next cell, and a quarter of the visits end after one message.

    Urgent cells still go before normal ones. If `order` picks no cell, the queue waits for a millisecond.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        *,
        owner: str,
        order: VisitOrder,
        rng: random.Random,
        trace: StepTrace | None,
    ) -> None:
        super().__init__(loop, clock, owner=owner)
        self.order = order
        """Picks the next cell; may be replaced at any time."""
        self._rng = rng
        self._trace = trace
        self._is_waiting = False

    def _turn(self) -> None:
        self.turns += 1
        if self._begin is not None:
            self._begin()
        try:
            if not self._visit_some(self._urgent, TURN_VISITS_MAX) and self._normal:
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
        came_to_normal = self._is_waiting = False
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
                self._is_waiting = True
                break
            cell = waiting[at]
            del waiting[at]
            if place == NORMAL:
                cell.in_normal = False
                came_to_normal = True
            if cell.queued != place:
                continue  # it has moved: it is in another queue, or a task runs it
            cell.queued = IDLE
            self.visiting = cell
            if self._trace is not None:
                self._trace.record("pick", cell_path(cell))
            # Time stands still within a turn: a time slice ends at once, or never.
            cell.visit(math.inf if rng.random() >= _SHORT_VISIT_PROBABILITY else -math.inf)
            if self._on_visit is not None:
                self._on_visit(cell, 0.0)
            if context:
                cell.adopt(context)
                break
        return came_to_normal

    def _arm(self) -> None:
        if self._is_waiting:
            self._is_waiting = False
            self._armed = True
            self._loop.call_later(_RETRY_S, self._turn, context=self._context)
        else:
            super()._arm()
