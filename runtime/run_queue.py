"""The run queue: one per system, drained by a single `call_soon`, so that a busy actor costs no wake-up of its own.

Two deques of runnable cells: what has control or consensus mail goes before what has only bulk mail. A turn lasts about
a millisecond; then sockets and timers get theirs. This is also where a simulator picks who runs next.
"""

from __future__ import annotations

import asyncio
import collections
from typing import Final, Protocol

from coterie.runtime.host import Clock

__all__ = ["NORMAL", "SLICE_S", "URGENT", "RunQueue", "Runnable"]

SLICE_S: Final = 0.001

IDLE: Final = 0
NORMAL: Final = 1
URGENT: Final = 2


class Runnable(Protocol):
    """A cell as the run queue sees it. `queued` is IDLE, NORMAL or URGENT."""

    queued: int

    def visit(self) -> None:
        """Handle some messages; push itself again if some are left."""
        ...


class RunQueue:
    """Who has something to do."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._monotonic = clock.monotonic
        self._urgent: collections.deque[Runnable] = collections.deque()
        self._normal: collections.deque[Runnable] = collections.deque()
        self._armed = False
        self.turns = 0

    def push(self, cell: Runnable, priority: int) -> None:
        """Let `cell` be visited soon; a cell that waits already is only moved forward, never back."""
        if cell.queued >= priority:
            return
        cell.queued = priority
        # A cell that moves forward leaves its old place behind; whoever finds it there with IDLE skips it.
        (self._urgent if priority == URGENT else self._normal).append(cell)
        if not self._armed:
            self._armed = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Visit runnable cells, urgent ones first, until none is left or the slice is over."""
        self.turns += 1
        urgent, normal, monotonic = self._urgent, self._normal, self._monotonic
        end = monotonic() + SLICE_S
        try:
            while urgent or normal:
                cell = urgent.popleft() if urgent else normal.popleft()
                if cell.queued:
                    cell.queued = IDLE
                    cell.visit()
                    if monotonic() >= end:
                        break
        finally:
            self._armed = bool(urgent or normal)
            if self._armed:
                self._loop.call_soon(self._turn)
