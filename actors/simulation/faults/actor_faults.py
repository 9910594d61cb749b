"""Faults of actors: a handler that raises, is cancelled, or does not return; a poison message; a full mailbox."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, assert_never

from coterie.actors.simulation.deployment import Deployment
from coterie.actors.simulation.faults.fault_timing import Timing
from coterie.actors.simulation.simulated_node import SimulatedNode
from coterie.protocols.faults.fault_counts import Firings
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

LATER_S = 0.05

ActorFault = RaiseInHandler | CancelHandler | HangHandler | PoisonMessage | FullMailbox


class InjectedError(Exception):
    """What a handler raises because the plan says so."""


@message(name="coterie.simulation.Poison")
class Poison:
    """A message that no actor knows."""


class ActorFaults:
    """Strikes actors of the topology: the one named, or ("*") any of the node's; of the next node's if it has none."""

    def __init__(self, deployed: Deployment, world: SimulatedWorld, timing: Timing, firings: Firings) -> None:
        self._deployed = deployed
        self._timing = timing
        self._firings = firings
        self._rng = world.rng("actor faults")
        self._full: dict[Cell, int] = {}

    def strike(self, fault: ActorFault, node: SimulatedNode) -> None:
        """Carry a fault out on an actor of `node`, once there is one that runs."""
        node = self._deployed.peopled(node) if fault.actor == ANYWHERE else node
        cell = self._cell(fault, node)
        if cell is None or node.is_paused:
            self._timing.after(LATER_S, lambda: self.strike(fault, node))
            return
        match fault:
            case RaiseInHandler() | CancelHandler() | HangHandler():
                self._trap(fault, node, cell)
            case PoisonMessage():
                self._firings.note(fault.KIND)
                with node.life:
                    cell.tell(Poison())
            case FullMailbox():
                self._fill(fault, cell)
            case _:
                assert_never(fault)

    def calm(self) -> None:
        """Give every mailbox its room back."""
        for cell, capacity in self._full.items():
            cell.capacity = capacity
        self._full.clear()

    def _cell(self, fault: ActorFault, node: SimulatedNode) -> Cell | None:
        if not node.is_up:
            return None
        path = fault.actor
        if path == ANYWHERE:
            paths = self._deployed.paths_on(node)
            if not paths:
                return None
            path = self._rng.choice(paths)
        cell = node.system.cell_at(path)
        return cell if cell is not None and cell.state is State.RUNNING else None

    def _trap(self, fault: RaiseInHandler | CancelHandler | HangHandler, node: SimulatedNode, cell: Cell) -> None:
        """Let the next handling go wrong; strike again if the actor ends before that."""
        life, actor = node.life, cell.actor

        def has_sprung() -> None:
            self._firings.note(fault.KIND)

        trap = _Trap(fault, life, self._timing, actor.receive, has_sprung)
        vars(actor)["receive"] = trap.awaited if cell.kind.is_async else trap.called

        def look() -> None:
            if trap.is_sprung:
                vars(actor).pop("receive", None)
            elif life.is_over or cell.actor is not actor:
                self.strike(fault, node)
            else:
                self._timing.after(LATER_S, look)

        look()

    def _fill(self, fault: FullMailbox, cell: Cell) -> None:
        self._firings.note(fault.KIND)
        self._full.setdefault(cell, cell.capacity)
        cell.capacity = 0

        def empty() -> None:
            if cell in self._full:
                cell.capacity = self._full.pop(cell)

        self._timing.after(fault.duration_s, empty)


class _Trap:
    """Stands in for an actor's `receive`: the first call goes wrong, later ones (of the same visit) do not."""

    def __init__(
        self,
        fault: RaiseInHandler | CancelHandler | HangHandler,
        life: Life,
        timing: Timing,
        usual: Callable[[Any], Any],
        has_sprung: Callable[[], None],
    ) -> None:
        self.is_sprung = False
        self._fault = fault
        self._life = life
        self._timing = timing
        self._usual = usual
        self._has_sprung = has_sprung

    def called(self, msg: Any, /) -> Any:
        """Do what the fault says, in a handler that cannot await: one that hangs holds its whole process."""
        if self._springs() and isinstance(self._fault, HangHandler):
            self._life.pause()
            self._timing.after(self._fault.duration_s, lambda: None if self._life.is_over else self._life.resume())
        return self._usual(msg)

    async def awaited(self, msg: Any, /) -> Any:
        """Do what the fault says, in a handler that can await."""
        if self._springs() and isinstance(self._fault, HangHandler):
            await asyncio.sleep(self._fault.duration_s)
        return await self._usual(msg)

    def _springs(self) -> bool:
        """Return whether this is the first call. Raises what the fault says."""
        if self.is_sprung:
            return False
        self.is_sprung = True
        self._has_sprung()
        if isinstance(self._fault, RaiseInHandler):
            raise InjectedError("the plan says so")
        if isinstance(self._fault, CancelHandler):
            raise asyncio.CancelledError("the plan says so")
        return True
