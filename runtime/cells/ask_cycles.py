"""Who waits for whom: the asks that a handler makes itself and waits for, and the cycles they must not close.

A handler that asks, in its own task, waits: its actor handles nothing else meanwhile. So an ask that leads back into
it can never be answered, and is refused at once. Two ways lead back:

* along the chain that the ask carries: A's handler asks B, and B's handler of that very ask asks A;
* across: A's handler asks B, whose handler of another message asks A meanwhile (seen within one system).

No wait is an ask out of a `def` handler (it returns), out of a task of its own, or given to `Context.pipe`; and nobody
waits for a handler that has taken over the reply with `reply_later`.
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

__all__ = ["HANDLER", "Wait", "begin_wait", "close_cycle", "crossing", "described_waits", "waits_of"]

HANDLER: Final[contextvars.ContextVar[Cell | None]] = contextvars.ContextVar("coterie.handler", default=None)
"""The cell in whose scope this code runs: set once for every actor with an `async def` receive."""


@dataclass(frozen=True, slots=True)
class Wait:
    """One pending ask of a handler: the actor at `asker` waits for the one at `target`, `left_s` seconds at most."""

    asker: str
    target: str
    message: str
    left_s: float


def begin_wait(cell: Cell, pending: PendingAsk, number: int) -> None:
    """Note that the present activation of `cell` waits for `pending`, if it is its own task that asks."""
    if asyncio.current_task() is not cell.task:
        return
    if cell.waits is None:
        cell.waits = {}
    cell.waits[number] = pending
    upstream = cell.current.chain if isinstance(cell.current, Envelope) else ()
    ref = cell.ref
    pending.chain = (*upstream, Hop(ref.node, ref.path, ref.uid, cell.handled, number))


def end_wait(cell: Cell, future: object) -> None:
    """Take note that nobody waits for `future` any more: somebody else looks after it."""
    for number, pending in list((cell.waits or {}).items()):
        if pending.future is future:
            del cell.waits[number]  # type: ignore[union-attr]


def waits_of(cell: Cell) -> Iterator[PendingAsk]:
    """Yield the asks that the present activation of `cell` waits for."""
    return (pending for pending in (cell.waits or {}).values() if not pending.is_abandoned())


def described_waits(cell: Cell, now: float) -> Iterator[Wait]:
    """Yield the same as whoever looks from outside at `now` (monotonic, s) should see it."""
    for pending in waits_of(cell):
        yield Wait(cell.path, pending.target, type(pending.message).__name__, pending.deadline - now)


def close_cycle(target: Cell, envelope: Envelope) -> AskCycle | None:
    """Return the error of an ask that would wait for itself at `target`; None if it would not."""
    ref = target.ref
    for at, hop in enumerate(envelope.chain):
        if hop.uid == ref.uid and hop.path == ref.path and hop.node == ref.node and _still_waits(target, hop):
            return _cycle([f"{hop.path}@{hop.node}" for hop in envelope.chain[at:]], envelope)
    return None


def crossing(target: Cell, envelope: Envelope) -> AskCycle | None:
    """Return the error of an ask at `target` whose handler waits, itself or through others, for the asker's."""
    asker = HANDLER.get()
    if asker is None:
        return None
    came_from: dict[Cell, Cell] = {target: asker}
    to_see = [target]
    while to_see:
        cell = to_see.pop()
        for awaited in _awaited(cell):
            if awaited is asker:
                return _cycle([f"{cell.path}@{cell.system.node}" for cell in _way(came_from, asker, cell)], envelope)
            if awaited not in came_from:
                came_from[awaited] = cell
                to_see.append(awaited)
    return None


def _awaited(cell: Cell) -> Iterator[Cell]:
    """Yield the actors of this system whose handlers `cell` waits for."""
    for pending in waits_of(cell):
        awaited = None if pending.is_taken else cell.system.cell_at(pending.target)
        if awaited is not None:
            yield awaited


def _way(came_from: dict[Cell, Cell], first: Cell, last: Cell) -> list[Cell]:
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
