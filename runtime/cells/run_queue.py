"""`RunQueue`: schedules the actors of one system: lets each actor that has messages handle some of them, in turn.

Two deques of runnable cells: cells with control or consensus messages go before cells with bulk messages only. A turn
lasts about a millisecond, so that the loop can serve sockets and timers. In a simulation `SeededRunQueue` chooses which
cell runs next.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
from asyncio.events import _get_running_loop as running_loop
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from coterie.errors import WrongThread
from coterie.runtime.hosts.host import Clock

__all__ = [
    "BUSY",
    "CLOCK_CHECK_MESSAGES",
    "IDLE",
    "NORMAL",
    "SLICE_S",
    "URGENT",
    "VISIT_COUNTS",
    "VISIT_MESSAGES_MAX",
    "RunQueue",
    "Runnable",
]

SLICE_S: Final = 0.001
"""How long one turn lasts, seconds."""

TURN_VISITS_MAX: Final = 1000
"""The most visits of one turn: needed in simulations, where time stands still within a turn."""

VISITS_LEFT: Final = range(TURN_VISITS_MAX, -2, -1)

VISIT_MESSAGES_MAX: Final = 64
"""The most messages that one visit handles."""

CLOCK_CHECK_MESSAGES: Final = 8
"""The number of messages after which a visit checks the clock: slow handlers must not add up to a long turn."""

VISIT_COUNTS: Final = tuple((count, count % CLOCK_CHECK_MESSAGES == 0) for count in range(1, VISIT_MESSAGES_MAX + 1))
"""For each message of one visit: its number, and True if the clock is checked after it. (Cheaper than counting.)"""

IDLE: Final = 0
"""`queued` of a cell that waits for no visit."""

NORMAL: Final = 1
"""`queued` of a cell that waits for a visit with bulk messages only."""

URGENT: Final = 2
"""`queued` of a cell that waits for a visit with control or consensus messages, or a signal."""

BUSY: Final = 3
"""`queued` while a task runs a cell: the run queue does not visit it."""


class Runnable(Protocol):
    """The interface of a cell for the run queue.

    `queued` is IDLE, NORMAL, URGENT, or BUSY while a task runs the cell; `in_normal` is the run queue's own.
    """

    queued: int
    in_normal: bool

    def visit(self, end: float) -> None:
        """Handle messages until about `end` (the host's monotonic clock); push itself again if some are left."""
        ...

    def adopt(self, context: contextvars.Context) -> None:
        """Keep `context`, in which this cell's visit has set a variable, as the cell's own from now on."""
        ...


class RunQueue:
    """The cells of one system that wait for a visit."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, *, owner: str = "") -> None:
        self._loop = loop
        self._call_soon = loop.call_soon
        self._turn_callback = self._turn  # bound once
        self._owner = owner
        self._monotonic = clock.monotonic
        self._urgent: collections.deque[Runnable] = collections.deque()
        self._normal: collections.deque[Runnable] = collections.deque()
        # Turns run in a separate context: the variables of the first pusher must not leak to all cells. It is empty:
        # a cell that sets a variable in it adopts it, and the run queue makes a new one.
        self._context = contextvars.Context()
        self._armed = False
        self.visiting: Runnable | None = None
        self.named: tuple[str, str] | None = None
        """What runs now, if an actor has named it: the path of that actor, and the name."""
        self._begin: Callable[[], None] | None = None
        self._end: Callable[[], None] | None = None
        self._on_visit: Callable[[Runnable, float], None] | None = None
        self.turns = 0

    def set_turn_hooks(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        """Call `begin` before and `end` after each turn from now on: what a turn sends then leaves in few writes.

        For a turn that `hold` delays, `begin` is also called at the `hold`: it may be called twice for one `end`.
        """
        self._begin = begin
        self._end = end

    def observe_visits(self, on_visit: Callable[[Runnable, float], None] | None) -> None:
        """Call `on_visit(cell, seconds)` after each visit from now on; None ends that."""
        self._on_visit = on_visit

    def hold(self) -> bool:
        """Delay the turn until `release`, in the same iteration of the loop; False if a turn is already scheduled."""
        if self._armed:
            return False
        self._armed = True
        if self._begin is not None:
            self._begin()
        return True

    def release(self) -> None:
        """Run the turn that `hold` has delayed, now: its messages need not wait for the next iteration of the loop."""
        if self._urgent or self._normal:
            self._context.run(self._turn)
            return
        self._armed = False
        if self._end is not None:
            self._end()

    def check_loop(self) -> None:
        """Raise WrongThread outside the system's loop, also if this thread runs another loop."""
        if running_loop() is not self._loop:
            raise WrongThread(self._owner)

    @contextlib.contextmanager
    def naming(self, path: str, name: str) -> Iterator[None]:
        """Let the watchdog name what the actor at `path` runs within the block, which awaits nothing."""
        before, self.named = self.named, (path, name)
        try:
            yield
        finally:
            self.named = before

    def slice_end(self) -> float:
        """Return the end of a slice that begins now (the host's monotonic clock)."""
        return self._monotonic() + SLICE_S

    @property
    def has_runnable(self) -> bool:
        """True if any cell waits for a visit."""
        return bool(self._urgent or self._normal)

    def is_over(self, end: float) -> bool:
        """Return True if it is `end` or later."""
        return self._monotonic() >= end

    def push(self, cell: Runnable, priority: int) -> None:
        """Schedule a visit of `cell`; one that is already scheduled may move from NORMAL to URGENT, never back."""
        if cell.queued >= priority:
            return
        cell.queued = priority
        if priority == URGENT:
            # Its entry among the normal cells remains; it is skipped, or reused when the cell is pushed there again.
            self._urgent.append(cell)
        elif not cell.in_normal:
            cell.in_normal = True
            self._normal.append(cell)
        if not self._armed:
            self._arm()

    def push_idle(self, cell: Runnable) -> None:
        """Schedule a visit of a cell that is IDLE: `push(cell, NORMAL)` in fewer steps."""
        cell.queued = NORMAL
        if not cell.in_normal:
            cell.in_normal = True
            self._normal.append(cell)
        if not self._armed:
            self._arm()

    def _turn(self) -> None:  # noqa: C901 (one function: see below)
        """Visit runnable cells, urgent ones first, until none is left or the slice is over.

        A turn that has visited no normal cell visits one at its end: urgent cells must not starve them. It is one
        function because sequential asks cost one turn each.
        """
        self.turns += 1
        urgent: collections.deque[Runnable] | tuple[()] = self._urgent
        normal, monotonic, context, on_visit = self._normal, self._monotonic, self._context, self._on_visit
        end = monotonic() + SLICE_S
        has_visited_normal = False
        if self._begin is not None:
            self._begin()
        try:
            for left in VISITS_LEFT:
                if urgent:
                    cell, place = urgent.popleft(), URGENT
                elif normal:
                    cell, place = normal.popleft(), NORMAL
                    cell.in_normal = False
                    has_visited_normal = True
                else:
                    break
                if cell.queued != place:
                    continue  # a stale entry: the cell waits in the other deque, or a task runs it
                cell.queued = IDLE
                self.visiting = cell
                if on_visit is None:
                    cell.visit(end)
                else:
                    begun = monotonic()
                    cell.visit(end)
                    on_visit(cell, monotonic() - begun)
                if context:
                    cell.adopt(context)
                    break
                if (normal or urgent) and (monotonic() >= end or left <= 0):
                    if has_visited_normal or not normal:
                        break
                    urgent = ()
        finally:
            self.visiting = None
            if context:
                self._context = contextvars.Context()
            self._armed = False  # before the check: a push between the two must arm
            if self._urgent or normal:
                self._arm()
            if self._end is not None:
                self._end()

    def _arm(self) -> None:
        """Schedule a turn. WrongThread outside the loop; the pushed cell is visited all the same."""
        self._armed = True
        if running_loop() is self._loop:
            self._call_soon(self._turn_callback, context=self._context)
            return
        # If a turn had already been scheduled, the wrong thread would not be detected; the cell is queued either way.
        self._loop.call_soon_threadsafe(self._turn_callback, context=self._context)
        raise WrongThread(self._owner)
