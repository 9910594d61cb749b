"""The run queue: one per system, drained by a single `call_soon`, so that a busy actor costs no wake-up of its own.

Two deques of runnable cells: what has control or consensus mail goes before what has only bulk mail. A turn lasts about
a millisecond; then sockets and timers get theirs. This is also where a simulator picks who runs next.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
from asyncio.events import _get_running_loop as running_loop
from collections.abc import Callable
from typing import Final, Protocol

from coterie.errors import WrongThread
from coterie.runtime.hosts.host import Clock

__all__ = [
    "BATCH",
    "BUSY",
    "COUNTS",
    "IDLE",
    "LOOK_AT_CLOCK",
    "NORMAL",
    "SLICE_S",
    "URGENT",
    "RunQueue",
    "Runnable",
]

SLICE_S: Final = 0.001

VISITS: Final = 1000
"""How many cells one turn visits at most: for worlds in which time stands still within a turn."""

VISITS_LEFT: Final = range(VISITS, -2, -1)

BATCH: Final = 64
"""How many messages one visit handles at most."""

LOOK_AT_CLOCK: Final = 8
"""After how many messages somebody looks whether the slice is over: slow handlers must not add up to a long turn."""

COUNTS: Final = tuple((count, count % LOOK_AT_CLOCK == 0) for count in range(1, BATCH + 1))
"""The messages of one visit: the number of each, and whether to look at the clock after it. (Cheaper than to count.)"""

IDLE: Final = 0
NORMAL: Final = 1
URGENT: Final = 2
BUSY: Final = 3
"""`queued` while a task runs a cell: the run queue leaves it alone."""


class Runnable(Protocol):
    """A cell as the run queue sees it.

    `queued` is IDLE, NORMAL, URGENT, or BUSY while somebody else runs the cell; `in_normal` belongs to the run queue.
    """

    queued: int
    in_normal: bool

    def visit(self, end: float) -> None:
        """Handle some messages, about until `end` (the host's monotonic clock); push itself again if some are left."""
        ...

    def adopt(self, context: contextvars.Context) -> None:
        """Keep `context`, in which this cell's visit set a variable: it is the cell's own from now on."""
        ...


class RunQueue:
    """Who has something to do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, *, owner: str = "") -> None:
        self._loop = loop
        self._call_soon = loop.call_soon
        self._due = self._turn  # bound once
        self._owner = owner
        self._monotonic = clock.monotonic
        self._urgent: collections.deque[Runnable] = collections.deque()
        self._normal: collections.deque[Runnable] = collections.deque()
        # Turns run in a context of their own: whoever pushed first must not leave his variables to all others. It is
        # empty: a cell that sets a variable in it takes it away.
        self._context = contextvars.Context()
        self._armed = False
        self.visiting: Runnable | None = None
        self._begin: Callable[[], None] | None = None
        self._end: Callable[[], None] | None = None
        self._took: Callable[[Runnable, float], None] | None = None
        self.turns = 0

    def bracket(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Call `begin` before and `end` after each turn from now on: what a turn sends leaves in few writes.

        A turn that `hold` keeps back begins with the `hold`, too: `begin` may be called twice for one `end`.
        """
        self._begin = begin
        self._end = end

    def time_visits(self, took: Callable[[Runnable, float], None] | None) -> None:
        """Call `took(cell, seconds)` after each visit from now on; None: no more."""
        self._took = took

    def hold(self) -> bool:
        """Let pushes wait for a `release` that comes in the same call of the loop; False: a turn is due already."""
        if self._armed:
            return False
        self._armed = True
        if self._begin is not None:
            self._begin()
        return True

    def release(self) -> None:
        """Take the turn now that `hold` kept back: what has arrived need not wait for another one of the loop's."""
        if self._urgent or self._normal:
            self._context.run(self._turn)
            return
        self._armed = False
        if self._end is not None:
            self._end()

    def check_loop(self) -> None:
        """Refuse to go on outside the loop: WrongThread, also if this thread runs another one."""
        if running_loop() is not self._loop:
            raise WrongThread(self._owner)

    def slice_end(self) -> float:
        """Return when a slice that begins now is over (the host's monotonic clock)."""
        return self._monotonic() + SLICE_S

    @property
    def is_awaited(self) -> bool:
        """Whether any cell waits for a visit."""
        return bool(self._urgent or self._normal)

    def is_over(self, end: float) -> bool:
        """Whether it is `end` or later."""
        return self._monotonic() >= end

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

    def push_idle(self, cell: Runnable) -> None:
        """Let a cell that is IDLE be visited soon: `push(cell, NORMAL)` in fewer steps."""
        cell.queued = NORMAL
        if not cell.in_normal:
            cell.in_normal = True
            self._normal.append(cell)
        if not self._armed:
            self._arm()

    def _turn(self) -> None:  # noqa: C901 (one function: see below)
        """Visit runnable cells, urgent ones first, until none is left or the slice is over.

        A turn that came to no normal cell visits one at its end: urgent cells that never rest must not starve them.
        All in one function: asks one after the other pay for a turn each.
        """
        self.turns += 1
        urgent: collections.deque[Runnable] | tuple[()] = self._urgent
        normal, monotonic, context, took = self._normal, self._monotonic, self._context, self._took
        end = monotonic() + SLICE_S
        came_to_normal = False
        if self._begin is not None:
            self._begin()
        try:
            for left in VISITS_LEFT:
                if urgent:
                    cell, place = urgent.popleft(), URGENT
                elif normal:
                    cell, place = normal.popleft(), NORMAL
                    cell.in_normal = False
                    came_to_normal = True
                else:
                    break
                if cell.queued != place:
                    continue  # it has moved: it waits elsewhere, or a task runs it
                cell.queued = IDLE
                self.visiting = cell
                if took is None:
                    cell.visit(end)
                else:
                    begun = monotonic()
                    cell.visit(end)
                    took(cell, monotonic() - begun)
                if context:
                    cell.adopt(context)
                    break
                if (normal or urgent) and (monotonic() >= end or left <= 0):
                    if came_to_normal or not normal:
                        break
                    urgent = ()
        finally:
            self.visiting = None
            if context:
                self._context = contextvars.Context()
            self._armed = False  # before the look: a push between the two must arm
            if self._urgent or normal:
                self._arm()
            if self._end is not None:
                self._end()

    def _arm(self) -> None:
        """Let a turn come. WrongThread outside the loop: what was pushed is visited all the same."""
        self._armed = True
        if running_loop() is self._loop:
            self._call_soon(self._due, context=self._context)
            return
        # Had a turn been due already, nothing would have been noticed, and no harm done: the cell is in its queue.
        self._loop.call_soon_threadsafe(self._due, context=self._context)
        raise WrongThread(self._owner)
