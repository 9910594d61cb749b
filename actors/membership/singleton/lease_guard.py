"""`LeaseGuard`: ends the actor of a singleton at the latest when its node's lease ends, whatever its handler awaits.

It does not depend on the actor that spawned it, which stops first when its node stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import inf
from typing import Any, Final

from coterie.runtime.cells.cell import Cell, State, cell_of
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

__all__ = ["LeaseGuard"]

TOLERANCE_S: Final = 1e-6
"""A timer may fire early by a rounding error, which is no reason for another one."""


class LeaseGuard:
    """Watches one actor until it has ended.

    Args:
        system: the node's.
        ref: the actor.
        lease_ends_at: returns until when this node may act now (monotonic, s).
    """

    def __init__(self, system: System, ref: Ref[Any], lease_ends_at: Callable[[], float]) -> None:
        self._system = system
        self._cell = cell_of(system, ref)
        self._lease_ends_at = lease_ends_at
        self._stop_by = inf
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self.has_ended_it = False
        """Whether the actor was ended because its time was over."""
        self.look()

    def stop_by(self, time: float) -> None:
        """End the actor at `time` (monotonic, s), if it has not stopped by then."""
        self._stop_by = time
        self.look()

    def look(self) -> None:
        """End the actor now if it is time; else look again then."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        cell = self._cell
        if self._is_closed or cell is None or cell.state is State.STOPPED:
            return
        left_s = min(self._stop_by, self._lease_ends_at()) - self._system.host.clock.monotonic()
        if left_s > TOLERANCE_S:
            self._timer = self._system.loop.call_later(left_s, self.look)
            return
        self._is_closed = self.has_ended_it = True
        self._system.log.warning("singleton.killed", actor=cell.path)
        cell.stop()
        _kill(cell)

    def close(self) -> None:
        """Watch no more: the actor has ended."""
        self._is_closed = True
        self.look()


def _kill(cell: Cell) -> None:
    """End an actor and its children without their stop hooks: nothing of them may act any more."""
    for child in cell.children:
        _kill(child)
    cell.life_cycle.skip_stop_hook()
    cell.kill()
