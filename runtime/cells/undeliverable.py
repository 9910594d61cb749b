"""What becomes of mail that an actor does not handle: its askers hear an error, the rest are dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coterie.errors import ActorStopped, MailboxFullError, MessageTypeError
from coterie.runtime.cells.asks import Envelope
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.messages.delivery_options import Parcel
from coterie.runtime.observing.dead_letters import Reason

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["full_error", "no_message", "refuse", "stopped_error"]


def refuse(cell: Cell, item: object) -> None:
    """Answer the asker of `item`, which has no place in the mailbox, or count it among the dead letters."""
    if isinstance(item, Envelope):
        item.reject(stopped_error(cell) if cell.is_sealed else full_error(cell, "ask"))
        return
    message = cell.unpack(item) if isinstance(item, Parcel) else item
    if cell.is_sealed:
        cell.system.dead_letters.add(Reason.STOPPED, cell.path, message)
    elif cell.plan.overflow is Overflow.FAIL:
        _publish_overflow(cell, "tell")
        cell.system.dead_letters.add(Reason.MAILBOX_FULL, cell.path, message)
    else:
        cell.system.dead_letters.add(Reason.DROPPED, cell.path, message, cell.plan.overflow.value)


def full_error(cell: Cell, what: str) -> MailboxFullError:
    """Return the error of a `what` that finds no room."""
    limit, policy = cell.plan.capacity, cell.plan.overflow
    _publish_overflow(cell, what)
    return MailboxFullError(
        f"mailbox of {cell.path!r} is full ({limit} of {limit}, overflow={policy.value!r}): the {what} was refused; "
        f"see capacity= and overflow= of spawn",
        policy=policy.value,
        limit=limit,
        actual=limit,
    )


def _publish_overflow(cell: Cell, refused: str) -> None:
    if cell.plan.overflow is Overflow.FAIL and cell.system.events.listeners:
        cell.system.events.publish("mailbox.overflowed", cell.path, capacity=cell.plan.capacity, refused=refused)


def stopped_error(cell: Cell) -> ActorStopped:
    """Return the error of mail that comes too late."""
    return ActorStopped(f"actor {cell.path!r} on {cell.system.node!r} has stopped: it did not handle this message")


def no_message(item: object) -> MessageTypeError:
    """Return the error of sending what is no message."""
    return MessageTypeError(f"{type(item).__name__} is no message: decorate the class with @message")
