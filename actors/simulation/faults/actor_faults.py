"""`ActorFaults`: makes message handlers raise, hang or be cancelled; sends unknown messages; fills mailboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import (
    ANYWHERE,
    CancelHandler,
    FullMailbox,
    HangHandler,
    PoisonMessage,
    RaiseInHandler,
)
from coterie.runtime.cells.cell import Cell
from coterie.runtime.cells.life_cycle import State
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.messages.message import message

__all__ = ["ActorFaults", "InjectedError", "Poison"]

RETRY_INTERVAL_S = 0.05

ActorFault = RaiseInHandler | CancelHandler | HangHandler | PoisonMessage | FullMailbox


class InjectedError(Exception):
    """The error that an injected fault raises in a handler."""


@message(name="coterie.simulation.Poison")
class Poison:
    """A message of a type that no actor handles."""


class ActorFaults:
    """Injects faults into the named actor of a node, or ("*") a random one; on the next node if it has none."""

    def __init__(
        self, deployment: Deployment, world: SimulatedWorld, timing: FaultTiming, fault_counts: FaultCounts
    ) -> None:
        self._deployment = deployment
        self._timing = timing
        self._fault_counts = fault_counts
        self._rng = world.rng("actor faults")
        self._full: dict[Cell, int] = {}

    def inject(self, fault: ActorFault, node: SimulatedNode) -> None:
        """Inject a fault into an actor of `node`, once one runs."""
        node = self._deployment.first_with_actors(node) if fault.actor == ANYWHERE else node
        cell = self._cell(fault, node)
        if cell is None or node.is_paused:
            self._timing.after(RETRY_INTERVAL_S, lambda: self.inject(fault, node))
            return
        match fault:
            case RaiseInHandler() | CancelHandler() | HangHandler():
                self._replace_receive(fault, node, cell)
            case PoisonMessage():
                self._fault_counts.note(fault.KIND)
                with node.life:
                    cell.post_control(Poison())  # past the checks of senders
            case FullMailbox():
                self._fill(fault, cell)
            case _:
                assert_never(fault)

    def end_all(self) -> None:
        """Restore the capacity of every mailbox."""
        for cell, capacity in self._full.items():
            cell.capacity = capacity
        self._full.clear()

    def _cell(self, fault: ActorFault, node: SimulatedNode) -> Cell | None:
        if not node.is_up:
            return None
        path = fault.actor
        if path == ANYWHERE:
            paths = self._deployment.paths_on(node)
            if not paths:
                return None
            path = self._rng.choice(paths)
        cell = node.system.registry.cell_at(path)
        return cell if cell is not None and cell.state is State.RUNNING else None

    def _replace_receive(
        self, fault: RaiseInHandler | CancelHandler | HangHandler, node: SimulatedNode, cell: Cell
    ) -> None:
        """Make the next call of `receive` fail; inject again if the actor ends before that."""
        life, actor = node.life, cell.actor

        def on_fired() -> None:
            self._fault_counts.note(fault.KIND)

        replacement = _FaultyReceive(fault, life, self._timing, actor.receive, on_fired)
        vars(actor)["receive"] = replacement.awaited if cell.actor_class.is_async else replacement.called

        def poll() -> None:
            if replacement.has_fired:
                vars(actor).pop("receive", None)
            elif life.is_over or cell.actor is not actor:
                self.inject(fault, node)
            else:
                self._timing.after(RETRY_INTERVAL_S, poll)

        poll()

    def _fill(self, fault: FullMailbox, cell: Cell) -> None:
        self._fault_counts.note(fault.KIND)
        self._full.setdefault(cell, cell.capacity)
        cell.capacity = 0

        def restore_capacity() -> None:
            if cell in self._full:
                cell.capacity = self._full.pop(cell)

        self._timing.after(fault.duration_s, restore_capacity)


class _FaultyReceive:
    """Replaces an actor's `receive`: the first call carries out the fault, later ones (of the same visit) do not."""

    def __init__(
        self,
        fault: RaiseInHandler | CancelHandler | HangHandler,
        life: Life,
        timing: FaultTiming,
        receive: Callable[[Any], Any],
        on_fired: Callable[[], None],
    ) -> None:
        self.has_fired = False
        self._fault = fault
        self._life = life
        self._timing = timing
        self._receive = receive
        self._on_fired = on_fired

    def called(self, msg: Any, /) -> Any:
        """Carry out the fault in a synchronous handler; one that hangs blocks its whole process."""
        if self._fires() and isinstance(self._fault, HangHandler):
            self._life.pause()
            self._timing.after(self._fault.duration_s, lambda: None if self._life.is_over else self._life.resume())
        return self._receive(msg)

    async def awaited(self, msg: Any, /) -> Any:
        """Carry out the fault in an asynchronous handler."""
        if self._fires() and isinstance(self._fault, HangHandler):
            await asyncio.sleep(self._fault.duration_s)
        return await self._receive(msg)

    def _fires(self) -> bool:
        """Return whether this is the first call. Raise `InjectedError` or `CancelledError` if that is the fault."""
        if self.has_fired:
            return False
        self.has_fired = True
        self._on_fired()
        if isinstance(self._fault, RaiseInHandler):
            raise InjectedError("the plan says so")
        if isinstance(self._fault, CancelHandler):
            raise asyncio.CancelledError("the plan says so")
        return True
