"""`ActorRegistry`: starts the actors of one system, finds them by path, and knows their classes and messages.

It is the internal side of `System`, for the runtime and the actors of coterie; users call `spawn`, `stop` and `at`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

from coterie.errors import ActorStopped, MessageTypeError, NodeStarting
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.actor_classes import ActorClass, actor_class_of
from coterie.runtime.cells.ask_deadlines import AskDeadlines
from coterie.runtime.cells.cell import Cell, State
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.metering.metered_cell import MeteredCell
from coterie.runtime.cells.metering.request_meter import RequestMeter
from coterie.runtime.cells.spawn_options import Exported, SpawnOptions, actor_path
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.local_delivery import OTHER_INCARNATION_UID, LocalDelivery
from coterie.runtime.messages.message import message_type
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.refs import Ref
from coterie.runtime.remote.remote_delivery import RemoteDelivery
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["ActorRegistry"]

M = TypeVar("M")

FAILED_MAX: Final = 1000
"""So many actors that failed for good are remembered: the latest."""


class ActorRegistry:
    """The actors of one system that are alive, by path.

    `message_types`: the types of messages that its actors have declared, by wire name. `handled_by_ended`,
    `deepest_of_ended`: the messages handled by actors that have ended, and the deepest of their mailboxes.
    `is_starting`: its lasting actors are not there yet, although the system may listen.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._cells: dict[str, Cell] = {}
        self._failed: dict[str, tuple[str, bool]] = {}  # why an actor failed for good, and whether it was exported
        self._actor_classes: dict[type[Actor[Any]], ActorClass] = {}
        self._last_uid = 0
        self._default_options = SpawnOptions(system.config.capacity)
        self.message_types: dict[str, MessageType] = {}
        self.handled_by_ended = self.deepest_of_ended = 0
        self.is_starting = False
        self._ask_deadlines: AskDeadlines | None = None
        self._declare(message_type(Terminated))

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Allow spawns and asks: the system runs on `loop`."""
        self._ask_deadlines = AskDeadlines(self._system, loop)

    @property
    def ask_deadlines(self) -> AskDeadlines:
        """Creates this system's asks. RuntimeError outside its `async with`."""
        if self._ask_deadlines is None:
            raise RuntimeError(self.not_running)
        return self._ask_deadlines

    @property
    def not_running(self) -> str:
        """Why the system cannot be used: it was not entered, or is closed; "" while it runs."""
        system = self._system
        if self._ask_deadlines is not None and not system.is_stopping:
            return ""
        who = f"client {system.node!r}" if system.identity.role is PeerRole.CLIENT else f"system {system.node!r}"
        if self._ask_deadlines is None:
            return f"{who} does not run: use it inside `async with`"
        return f"{who} is closed: its `async with` has ended; make a new one"

    def check_complete(self) -> None:
        """Raise ActorStopped or NodeStarting if an actor may be missing because the system ends, or is starting."""
        node = self._system.node
        if self._system.is_stopping:
            raise ActorStopped(f"node {node!r} is being stopped: ask another one, or ask again once it runs")
        if self.is_starting:
            raise NodeStarting(f"node {node!r} is starting: ask again in a moment")

    # --- actors -----------------------------------------------------------------------------------------------------

    def spawn_under(
        self, parent: Cell | None, factory: Callable[[], Actor[M]], name: str | None, options: SpawnOptions
    ) -> Ref[M]:
        """Start an actor under `parent` (None: at the top); raises as `System.spawn`."""
        system = self._system
        if self.not_running:
            raise RuntimeError(self.not_running)
        if parent is not None and parent.state is State.STOPPED:
            raise RuntimeError(f"actor {parent.path!r} has stopped: it cannot spawn")
        system.run_queue.check_loop()
        uid = self._last_uid = self._last_uid + 1
        path = actor_path(system.node, self._cells, parent, factory, name, uid)
        if options.meter is None:
            cell = Cell(system, path, uid, factory, options, parent)
        else:
            cell = MeteredCell(system, path, uid, factory, options, parent, meter=options.meter)
        self._cells[path] = cell
        self._failed.pop(path, None)
        if parent is not None:
            parent.relations.children[path] = cell
        cell.start()
        return cell.ref

    def spawn_options(
        self,
        supervision: Supervision | None,
        capacity: int | None,
        overflow: Overflow,
        exported: Exported,
        meter: RequestMeter | None = None,
    ) -> SpawnOptions:
        """Return these options as one object; actors with the default options share one."""
        if supervision is None and capacity is None and overflow is Overflow.FAIL and not exported and meter is None:
            return self._default_options
        bound = self._system.config.capacity if capacity is None else capacity
        policy, for_operators = supervision or self._default_options.supervision, exported == "operators"
        return SpawnOptions(bound, policy, overflow, bool(exported), for_operators, meter)

    def cell_at(self, path: str) -> Cell | None:
        """Return the cell at a path; None if no actor has it."""
        return self._cells.get(path)

    def note_failed(self, cell: Cell, why: str) -> None:
        """Remember that an actor has failed for good, until another one has its path."""
        self._failed[cell.path] = f"it failed, and {why}", cell.options.exported
        if len(self._failed) > FAILED_MAX:
            del self._failed[next(iter(self._failed))]

    def failed_at(self, path: str, *, is_client: bool = False) -> ActorStopped | None:
        """Return the error of the actor that was at a path until it failed for good; None: there is none.

        `is_client`: the error is for a client, which does not learn of actors that are not exported.
        """
        why, exported = self._failed.get(path, ("", False))
        if not why or path in self._cells or (is_client and not exported):
            return None
        advice = "its log says why (actor.failed); mend the cause, and start the node again"
        return ActorStopped(f"actor {path!r} on node {self._system.node!r} has ended for good: {why}; {advice}")

    @property
    def actor_count(self) -> int:
        """The number of actors alive now."""
        return len(self._cells)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of all actors alive now, in spawn order."""
        return tuple(self._cells.values())

    def remove_cell(self, cell: Cell) -> None:
        """Free the path of an actor that has stopped, and add its counts to those of the system."""
        if self._cells.get(cell.path) is cell:
            del self._cells[cell.path]
        self.handled_by_ended += cell.handled
        self.deepest_of_ended = max(self.deepest_of_ended, cell.high_water)

    # --- refs -------------------------------------------------------------------------------------------------------

    def ref(self, node: str, incarnation: int, path: str, uid: int) -> Ref[Any]:
        """Return the ref with that name, with our own rights; for refs that arrive in messages see `WiredRefs`."""
        system = self._system
        if node == system.node and (uid == 0 or incarnation == system.incarnation):
            cell = self._cells.get(path)
            if cell is not None and cell.ref.uid == uid:
                return cell.ref
        return self.named_ref(node, incarnation, path, uid)

    def named_ref(self, node: str, incarnation: int, path: str, uid: int) -> Ref[Any]:
        """Return a ref of that name, whether or not such an actor is alive."""
        system = self._system
        if node != system.node:
            delivery: Any = RemoteDelivery(system.remoting, node, incarnation, path, uid)
        else:
            is_current = uid == 0 or incarnation == system.incarnation
            delivery = LocalDelivery(system, path, uid if is_current else OTHER_INCARNATION_UID)
        return Ref(node, incarnation, path, uid, delivery)

    # --- classes ----------------------------------------------------------------------------------------------------

    def actor_class_of(self, cls: type[Actor[Any]]) -> ActorClass:
        """Return the facts of an actor class; enter its message types into this system's table."""
        actor_class = self._actor_classes.get(cls)
        if actor_class is None:
            actor_class = actor_class_of(cls)
            for described in actor_class.messages:
                self._declare(described)
            self._actor_classes[cls] = actor_class
        return actor_class

    def _declare(self, described: MessageType) -> None:
        known = self.message_types.setdefault(described.name, described)
        if known.cls is not described.cls:
            raise MessageTypeError(
                f"message name {described.name!r} means {described.cls.__qualname__} and {known.cls.__qualname__} in "
                f"one system: give one of them another name="
            )
