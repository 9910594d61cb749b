"""The way to a path of this system: for addresses at home, and for refs whose actor was gone when they came back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorNotFound, ActorStopped
from coterie.runtime.cells.asks import PendingAsk
from coterie.runtime.observing.dead_letters import Reason

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.system import System

__all__ = ["OF_ANOTHER_LIFE", "LocalPostbox"]

OF_ANOTHER_LIFE: Final = -1
"""The uid of no actor: where refs of an earlier incarnation of this node lead."""


class LocalPostbox:
    """The way to a path of this system, looked up at each message; uid 0: whoever lives there."""

    __slots__ = ("_path", "_system", "_uid")

    def __init__(self, system: System, path: str, uid: int) -> None:
        self._system = system
        self._path = path
        self._uid = uid

    def tell(self, item: object) -> None:
        """Hand a message on."""
        cell = self._cell()
        if cell is None:
            self._system.dead_letters.add(Reason.NOT_FOUND, self._path, item)
        else:
            cell.tell(item)

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Hand an ask on."""
        cell = self._cell()
        if cell is not None:
            return cell.ask(item, timeout_s)
        pending = self._system.asking.begin(item, timeout_s, self._path, PendingAsk)
        pending.reject(self._missing())
        return pending.future

    def offer(self, item: object) -> asyncio.Future[None]:
        """Hand an offer on."""
        cell = self._cell()
        if cell is not None:
            return cell.offer(item)
        room: asyncio.Future[None] = self._system.loop.create_future()
        room.set_exception(self._missing())
        room.exception()  # an offerer who does not look is not warned
        return room

    def _cell(self) -> Cell | None:
        cell = self._system.cell_at(self._path)
        return cell if cell is not None and self._uid in (0, cell.ref.uid) else None

    def _missing(self) -> ActorNotFound | ActorStopped:
        where = f"{self._path!r} on node {self._system.node!r}"
        return ActorStopped(f"actor {where} has stopped") if self._uid else ActorNotFound(f"no actor at {where}")
