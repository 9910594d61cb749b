"""Putting messages aside, and changing who handles them: what small protocols within one actor are made of."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coterie.runtime.cells.run_queue import NORMAL
from coterie.runtime.cells.undeliverable import full_error

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["become", "stash", "unstash"]


def stash(cell: Cell) -> None:
    """Put the present message aside; it is not answered meanwhile.

    Raises:
        MailboxFullError: as many lie there as the mailbox holds.
        ValueError: no message is being handled.
    """
    if cell.current is None:
        raise ValueError(f"stash in {cell.path!r}: no message is being handled, or it was put aside already")
    stashed = cell.stashed = cell.stashed or []
    if len(stashed) >= cell.plan.capacity:
        raise full_error(cell, "stash")
    stashed.append(cell.current)
    cell.current = None


def unstash(cell: Cell) -> None:
    """Let what was put aside come next, in its order."""
    if cell.stashed:
        items, cell.stashed = cell.stashed, None
        cell.put_back(items)
        cell.run_queue.push(cell, NORMAL)


def become(cell: Cell, receive: Callable[[Any], object]) -> None:
    """Let `receive` handle what comes after the present message. TypeError if only one of the two is `async def`."""
    if inspect.iscoroutinefunction(receive) is not cell.kind.is_async:
        raise TypeError(f"become in {cell.path!r}: {receive!r} must be `async def` just as the actor's receive is")
    cell.actor.receive = receive  # type: ignore[method-assign]
    cell.is_calm = False  # the visit that goes on has looked up the old one
