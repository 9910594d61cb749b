"""`LocalDelivery`: looks up the actor at a path of this system for each message, and passes the message to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorNotFound, ActorStopped, CoterieError
from coterie.runtime.cells.asks import PendingAsk
from coterie.runtime.observing.dead_letters import Reason

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.system import System

__all__ = ["OTHER_INCARNATION_UID", "LocalDelivery"]

OTHER_INCARNATION_UID: Final = -1
"""A uid that no actor has: given to refs of an earlier incarnation of this node."""


class LocalDelivery:
    """Delivers to a path of this system, looked up for each message. uid 0: to the actor that has the path then."""

    __slots__ = ("_path", "_system", "_uid")

    def __init__(self, system: System, path: str, uid: int) -> None:
        self._system = system
        self._path = path
        self._uid = uid

    def tell(self, item: object) -> None:
        """Pass a message to the actor's cell; without one it is a dead letter."""
        found = self._found(item)
        if isinstance(found, CoterieError):
            self._drop(item, found)
        else:
            found.tell(item)

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Pass an ask to the actor's cell; without one it fails."""
        found = self._found(item)
        if not isinstance(found, CoterieError):
            return found.ask(item, timeout_s)
        pending = self._system.registry.ask_deadlines.begin(item, timeout_s, self._path, PendingAsk)
        pending.reject(found)
        return pending.future

    def offer(self, item: object) -> asyncio.Future[None]:
        """Pass an offer to the actor's cell; without one it fails."""
        found = self._found(item)
        if not isinstance(found, CoterieError):
            return found.offer(item)
        room: asyncio.Future[None] = self._system.loop.create_future()
        room.set_exception(found)
        room.exception()  # marks it as retrieved: asyncio must not warn a caller that ignores the future
        return room

    def _found(self, item: object) -> Cell | CoterieError:
        """Return the cell to which a message goes, or why it goes to none."""
        return self._cell() or self._missing()

    def _drop(self, item: object, error: CoterieError) -> None:
        self._system.dead_letters.add(Reason.NOT_FOUND, self._path, item)

    def _cell(self) -> Cell | None:
        cell = self._system.registry.cell_at(self._path)
        return cell if cell is not None and self._uid in (0, cell.ref.uid) else None

    def _missing(self) -> ActorNotFound | ActorStopped:
        where = f"{self._path!r} on node {self._system.node!r}"
        if self._system.registry.not_running:
            return ActorStopped(f"actor {where} has stopped: {self._system.registry.not_running}")
        if (failed := self._system.registry.failed_at(self._path)) is not None:
            return failed
        return ActorStopped(f"actor {where} has stopped") if self._uid else ActorNotFound(f"no actor at {where}")
