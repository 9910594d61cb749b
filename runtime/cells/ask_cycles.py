"""Ask cycles: refuses an ask whose target waits, directly or through other actors, for the asker: a deadlock.

A handler that awaits an ask in its own task blocks its actor, which handles nothing else meanwhile. So an ask that
leads back to that actor can never be answered, and is refused at once. There are two kinds of cycle:

* a chain cycle, found in the chain that the ask carries: A's handler asks B, and B's handler of that same ask asks A;
* a crossing cycle: A's handler asks B, while B's handler of another message asks A (detected within one system only).

An ask from a `def` handler (which returns), from a separate task, or given to `Context.pipe` does not count as a wait;
neither does one whose handler has taken over the reply with `reply_later`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from coterie.errors import AskCycle
from coterie.runtime.cells.asks import Envelope, Hop, PendingAsk

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["CURRENT_CELL", "Wait", "begin_wait", "chain_cycle", "crossing_cycle", "described_waits", "waits_of"]

CURRENT_CELL: Final[contextvars.ContextVar[Cell | None]] = contextvars.ContextVar("coterie.handler", default=None)
"""The cell in whose context this code runs: set once for each actor that has a context of its own."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One pending ask of a handler: the actor at `asker` waits for the one at `target`, at most `left_s` seconds."""

    asker: str
    target: str
    message: str
    left_s: float


def begin_wait(cell: Cell, pending: PendingAsk, number: int) -> None:
    """Record that the current activation of `cell` waits for `pending`, if the ask is made in the cell's own task."""
    if asyncio.current_task() is not cell.task:
        return
    if cell.waits is None:
        cell.waits = {}
    cell.waits[number] = pending
    upstream = cell.current.chain if isinstance(cell.current, Envelope) else ()
    ref = cell.ref
    pending.chain = (*upstream, Hop(ref.node, ref.path, ref.uid, cell.handled, number))


def end_wait(cell: Cell, future: object) -> None:
    """Record that `cell` no longer waits for `future`: it was given to `Context.pipe`."""
    for number, pending in list((cell.waits or {}).items()):
        if pending.future is future:
            del cell.waits[number]  # type: ignore[union-attr]


def waits_of(cell: Cell) -> Iterator[PendingAsk]:
    """Yield the asks that the current activation of `cell` waits for."""
    return (pending for pending in (cell.waits or {}).values() if not pending.is_abandoned())


def described_waits(cell: Cell, now: float) -> Iterator[Wait]:
    """Yield the same as `Wait` records, with the time that is left at `now` (monotonic, s)."""
    for pending in waits_of(cell):
        yield Wait(cell.path, pending.target, type(pending.message).__name__, pending.deadline - now)


def chain_cycle(target: Cell, envelope: Envelope) -> AskCycle | None:
    """Return the error of an ask whose chain already contains a waiting activation of `target`; None if it does not."""
    ref = target.ref
    for at, hop in enumerate(envelope.chain):
        if hop.uid == ref.uid and hop.path == ref.path and hop.node == ref.node and _still_waits(target, hop):
            return _cycle([f"{hop.path}@{hop.node}" for hop in envelope.chain[at:]], envelope)
    return None


def crossing_cycle(target: Cell, envelope: Envelope) -> AskCycle | None:
    """Return the error of an ask to `target` if its handler waits, directly or not, for the asker's; None if not."""
    asker = CURRENT_CELL.get()
    if asker is None:
        return None
    came_from: dict[Cell, Cell] = {target: asker}
    to_see = [target]
    while to_see:
        cell = to_see.pop()
        for awaited in _awaited(cell):
            if awaited is asker:
                return _cycle([f"{cell.path}@{cell.system.node}" for cell in _path(came_from, asker, cell)], envelope)
            if awaited not in came_from:
                came_from[awaited] = cell
                to_see.append(awaited)
    return None


def _awaited(cell: Cell) -> Iterator[Cell]:
    """Yield the cells of this system that the current handler of `cell` waits for."""
    for pending in waits_of(cell):
        awaited = None if pending.is_reply_deferred else cell.system.registry.cell_at(pending.target)
        if awaited is not None:
            yield awaited


def _path(came_from: dict[Cell, Cell], first: Cell, last: Cell) -> list[Cell]:
    way = [last]
    while way[-1] is not first:
        way.append(came_from[way[-1]])
    return way[::-1]


def _still_waits(cell: Cell, hop: Hop) -> bool:
    pending = (cell.waits or {}).get(hop.ask)
    return pending is not None and hop.activation == cell.handled and not pending.is_abandoned()


def _cycle(chain: list[str], envelope: Envelope) -> AskCycle:
    shown = " → ".join((*chain, chain[0]))
    name = type(envelope.message).__name__
    return AskCycle(f"ask {name} would wait for itself and was refused: {shown}", chain=tuple(chain))
