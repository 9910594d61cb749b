"""The run queue: one per system, drained by a single `call_soon`, so that a busy actor costs no wake-up of its own.

Two deques of runnable cells: what has control or consensus mail goes before what has only bulk mail. A turn lasts about
a millisecond; then sockets and timers get theirs. This is also where a simulator picks who runs next.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
from collections.abc import Callable
from typing import Final, Protocol

from coterie.runtime.host import Clock

__all__ = ["NORMAL", "SLICE_S", "URGENT", "RunQueue", "Runnable"]

SLICE_S: Final = 0.001
VISITS: Final = 1000

IDLE: Final = 0
NORMAL: Final = 1
URGENT: Final = 2


class Runnable(Protocol):
    """A cell as the run queue sees it.

    `queued` is IDLE, NORMAL, URGENT, or more while somebody else runs the cell; `in_normal` belongs to the run queue.
    """

    queued: int
    in_normal: bool

    def visit(self, end: float) -> None:
        """Handle some messages, about until `end` (the host's monotonic clock); push itself again if some are left."""
        ...


class RunQueue:
    """Who has something to do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._monotonic = clock.monotonic
        self._urgent: collections.deque[Runnable] = collections.deque()
        self._normal: collections.deque[Runnable] = collections.deque()
        # Turns run in a context of their own: whoever pushed first must not leave his variables to all others.
        self._context = contextvars.Context()
        self._armed = False
        self._begin: Callable[[], None] | None = None
        self._end: Callable[[], None] | None = None
        self.turns = 0

    def bracket(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Call `begin` before and `end` after each turn from now on: what a turn sends leaves as one write."""
        self._begin = begin
        self._end = end

    def hold(self) -> bool:
        """Let pushes wait for a `release` that comes in the same call of the loop; False: a turn is due already."""
        if self._armed:
            return False
        self._armed = True
        return True

    def release(self) -> None:
        """Take the turn now that `hold` kept back: what has arrived need not wait for another one of the loop's."""
        if self._urgent or self._normal:
            self._context.run(self._turn)
        else:
            self._armed = False

    def push(self, cell: Runnable, priority: int) -> None:
        """Let `cell` be visited soon; a cell that waits already is only moved forward, never back."""
        if cell.queued >= priority:
            return
        cell.queued = priority
        if priority == URGENT:
            # It leaves its place among the normal ones behind: that is skipped, or taken again when it goes back.
            self._urgent.append(cell)
        elif not cell.in_normal:
            cell.in_normal = True
            self._normal.append(cell)
        if not self._armed:
            self._arm()

    def _turn(self) -> None:
        """Visit runnable cells, urgent ones first, until none is left or the slice is over.

        A turn that came to no normal cell visits one at its end: urgent cells that never rest must not starve them.
        """
        self.turns += 1
        urgent, normal, monotonic = self._urgent, self._normal, self._monotonic
        end = monotonic() + SLICE_S
        came_to_normal = False
        if self._begin is not None:
            self._begin()
        try:
            for _ in range(VISITS):  # a bound for worlds in which time stands still within a turn
                if not (urgent or normal):
                    break
                came_to_normal = came_to_normal or not urgent
                self._visit_first(urgent or normal, end)
                if monotonic() >= end:
                    break
            if normal and not came_to_normal:
                self._visit_first(normal, end)
        finally:
            self._armed = False
            if urgent or normal:
                self._arm()
            if self._end is not None:
                self._end()

    def _visit_first(self, queue: collections.deque[Runnable], end: float) -> None:
        cell = queue.popleft()
        if queue is self._normal:
            cell.in_normal = False
        if cell.queued == (NORMAL if queue is self._normal else URGENT):
            cell.queued = IDLE
            cell.visit(end)

    def _arm(self) -> None:
        self._armed = True
        self._loop.call_soon(self._turn, context=self._context)
