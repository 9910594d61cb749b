"""Stash and become: puts the current message aside until `unstash`, and replaces the function that handles messages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coterie.runtime.cells.run_queue import NORMAL
from coterie.runtime.cells.undeliverable import full_error

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["become", "stash", "unstash", "unstash_failed"]


def stash(cell: Cell) -> None:
    """Set the current message aside until `unstash`; an ask is not answered meanwhile.

    Raises:
        MailboxFullError: the stash already holds as many messages as one lane of the mailbox may.
        ValueError: no message is being handled.
    """
    if cell.current is None:
        raise ValueError(f"stash in {cell.path!r}: no message is being handled, or it is stashed already")
    stashed = cell.stashed = cell.stashed or []
    if len(stashed) >= cell.options.capacity:
        raise full_error(cell, "stash")
    stashed.append(cell.current)
    cell.current = None


def unstash(cell: Cell) -> None:
    """Put the stashed messages at the front of the bulk lane, in their order."""
    if cell.stashed:
        items, cell.stashed = cell.stashed, None
        cell.put_first(items)
        cell.run_queue.push(cell, NORMAL)


def unstash_failed(cell: Cell, item: object, message: object) -> None:
    """Take out the item whose handler has stashed it and then failed, if it has: as a message or as an envelope."""
    if cell.stashed and (cell.stashed[-1] is item or cell.stashed[-1] is message):
        cell.stashed.pop()


def become(cell: Cell, receive: Callable[[Any], object]) -> None:
    """Let `receive` handle the messages after the current one. TypeError if only one of the two is `async def`."""
    if inspect.iscoroutinefunction(receive) is not cell.actor_class.is_async:
        raise TypeError(f"become in {cell.path!r}: {receive!r} must be `async def` just as the actor's receive is")
    cell.actor.receive = receive  # type: ignore[method-assign]
    cell.is_bulk_only = False  # ends the fast path: this visit has already looked up the old handler
