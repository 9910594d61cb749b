"""`Watchdog`: reports which actor blocks the event loop, and with which message, while the loop is still blocked.

A handler that blocks (`time.sleep`, a synchronous request, a long computation) stops every actor, timer and link of the
loop. A thread of the host checks periodically which actor is running. One that is found repeatedly while the loop does
not respond is reported once: in the log at once (`actor.stalled`), and as an event when the loop runs again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from coterie.runtime.cells.cell import Cell

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["CHECKS_PER_STALL", "Watchdog"]

CHECKS_PER_STALL: Final = 2
"""How many times the watchdog checks within `stall_s`."""

NO_MESSAGE: Final = "none: a hook, or apply"
"""In place of a message: a hook blocks, or the `apply` of a state machine, which runs between messages."""


class Watchdog:
    """Watches the loop of one system. `check` is called from another thread and modifies nothing of the system."""

    def __init__(self, system: System, stall_s: float) -> None:
        self._system = system
        self._stall_s = stall_s
        self._suspect: tuple[Cell, object] | None = None
        self._suspected_at = 0.0
        self._has_responded = False
        self._is_reported = False

    def check(self) -> None:
        """Find the running actor; report it if it has run for `stall_s` seconds without the loop responding."""
        suspect = self._running()
        if suspect is None:
            self._suspect = None
            return
        now = self._system.host.clock.monotonic()
        if self._suspect is None or suspect[0] is not self._suspect[0] or suspect[1] is not self._suspect[1]:
            self._begin(suspect, now)
        elif self._has_responded:
            self._begin(suspect, now)  # the loop runs between the steps of a handler: no stall
        elif not self._is_reported and now - self._suspected_at >= self._stall_s:
            self._is_reported = True
            self._report(*suspect, now - self._suspected_at)

    def _begin(self, suspect: tuple[Cell, object], now: float) -> None:
        self._suspect = suspect
        self._suspected_at = now
        self._has_responded = False
        self._is_reported = False
        self._system.loop.call_soon_threadsafe(self._respond)

    def _respond(self) -> None:
        self._has_responded = True

    def _running(self) -> tuple[Cell, object] | None:
        """Return the cell whose handler is running now, and the message that it handles, or what it has named."""
        named = self._system.run_queue.named
        if named is not None and (cell := self._system.registry.cell_at(named[0])) is not None:
            return cell, named[1]
        visiting = self._system.run_queue.visiting
        cell = visiting if isinstance(visiting, Cell) else None
        if cell is None:
            task = asyncio.current_task(self._system.loop)
            cell = None if task is None else self._system.registry.cell_at(task.get_name().removeprefix("coterie:"))
            if cell is None or cell.task is not task:
                return None
        return cell, cell.current

    def _report(self, cell: Cell, item: object, held_s: float) -> None:
        message = NO_MESSAGE if item is None else item if type(item) is str else _type_name(item)
        cell.log.error("actor.stalled", message=message, held_s=round(held_s, 3))
        self._system.loop.call_soon_threadsafe(self._publish, cell.path, message, held_s)

    def _publish(self, path: str, message: str, held_s: float) -> None:
        if self._system.events.listeners:
            self._system.events.publish("actor.stalled", path, message=message, held_s=held_s)


def _type_name(item: object) -> str:
    return type(getattr(item, "message", item)).__name__
