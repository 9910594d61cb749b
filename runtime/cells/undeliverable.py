"""Undeliverable messages: fails an ask that a mailbox cannot take, and counts any other message as a dead letter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coterie.errors import ActorStopped, MailboxFullError, MessageTypeError
from coterie.runtime.cells.asks import Envelope
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.messages.delivery_options import WrappedMessage
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.observing.error_texts import type_name

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["full_error", "not_a_message_error", "not_taken_error", "refuse", "stopped_error"]


def refuse(cell: Cell, item: object) -> None:
    """Reject `item`, which does not fit into the mailbox, if it is an ask; else count it as a dead letter."""
    if isinstance(item, Envelope):
        item.reject(stopped_error(cell) if cell.is_sealed else full_error(cell, "ask"))
        return
    message = cell.unwrap(item) if isinstance(item, WrappedMessage) else item
    if cell.is_sealed:
        cell.system.dead_letters.add(Reason.STOPPED, cell.path, message)
    elif cell.options.overflow is Overflow.FAIL:
        _note_overflow(cell, "tell")
        cell.system.dead_letters.add(Reason.MAILBOX_FULL, cell.path, message)
    else:
        cell.refused += 1
        cell.system.dead_letters.add(Reason.DROPPED, cell.path, message, cell.options.overflow.value)


def full_error(cell: Cell, what: str) -> MailboxFullError:
    """Return the error for a `what` ("ask", "offer", "stash") whose lane is full."""
    limit, policy = cell.options.capacity, cell.options.overflow
    _note_overflow(cell, what)
    return MailboxFullError(
        f"mailbox of {cell.path!r} is full ({limit} of {limit}, overflow={policy.value!r}): the {what} was refused; "
        f"send less, or see capacity= and overflow= of spawn, topology.actor and topology.pool",
        policy=policy.value,
        limit=limit,
        actual=limit,
    )


def _note_overflow(cell: Cell, refused: str) -> None:
    cell.refused += 1
    if cell.options.overflow is not Overflow.FAIL:
        return
    cell.system.full_mailboxes.note(cell.path, cell.options.capacity, cell.system.loop)
    if cell.system.events.listeners:
        cell.system.events.publish("mailbox.overflowed", cell.path, capacity=cell.options.capacity, refused=refused)


def stopped_error(cell: Cell) -> ActorStopped:
    """Return the error for a message to an actor that has stopped."""
    return ActorStopped(f"actor {cell.path!r} on {cell.system.node!r} has stopped: it did not handle this message")


def not_a_message_error(item: object) -> MessageTypeError:
    """Return the error for sending an object that is not a message."""
    if isinstance(item, type):
        return MessageTypeError(f"{type_name(item)} {item.__name__!r:.100} is not a message: send an instance of it")
    return MessageTypeError(f"{type_name(item)} is not a message: decorate the class with @message")


def not_taken_error(cell: Cell, item: object) -> MessageTypeError:
    """Return the error for sending an actor what its class does not name."""
    if isinstance(item, type) or getattr(item, "__lane__", None) is None:
        return not_a_message_error(item)
    names = ", ".join(sorted(cls.__qualname__ for cls in (each.cls for each in cell.actor_class.messages)))
    return MessageTypeError(f"actor {cell.path!r} does not take {type_name(item)}: its Actor[…] names {names}")
