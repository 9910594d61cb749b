"""`DeliveryOptions`: sets when a waiting message expires, and by which key a newer message replaces it.

A message class without options has its `Lane` as `__lane__`; one with options has a `DeliveryOptions` there, and its
messages wait in a mailbox as `WrappedMessage`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from coterie.errors import MessageTypeError
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.user_code import check_result

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["DeliveryOptions", "WrappedMessage", "delivery_options_of"]


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """The delivery options of one message class.

    `lane`: its lane. `ttl_s`: how long a message may wait in a mailbox, seconds; None: without limit. `key`: returns
    the conflation key of a message: of the messages with one key only the latest waits, in the place of the first;
    None: all of them wait.
    """

    lane: Lane
    ttl_s: float | None
    key: Callable[[Any], Hashable] | None


class WrappedMessage:
    """A message in a mailbox that may expire before its turn, or be replaced by a later one with the same key."""

    __slots__ = ("expires_at", "key", "message")

    __lane__: ClassVar[None] = None  # marks an item that is not a message itself: a visit must open it

    def __init__(self, message: object, expires_at: float | None, key: Hashable) -> None:
        self.message = message
        self.expires_at = expires_at
        self.key = key

    def open(self, cell: Cell, receive: Callable[[Any], object]) -> None:
        """Let `cell` handle the message, unless it has expired."""
        if (message := self.unwrap(cell)) is not None:
            cell.current = message
            if (result := receive(message)) is not None:
                check_result(cell, result)

    def unwrap(self, cell: Cell) -> object | None:
        """Return the message; None if it has expired."""
        message = cell.unwrap(self)
        if self.expires_at is None or cell.system.host.clock.monotonic() <= self.expires_at:
            return message
        cell.expire(message)
        return None


def delivery_options_of(
    cls: type, lane: Lane, *, is_ask: bool, ttl_s: float | None, conflate: str | tuple[str, ...] | None
) -> Lane | DeliveryOptions:
    """Return the delivery options of `cls`, or only its lane if it has no others.

    Raises:
        MessageTypeError: a time to live that is not more than 0, an ask that would be conflated, or an unknown field.
    """
    if ttl_s is None and conflate is None:
        return lane
    if ttl_s is not None and not ttl_s > 0:
        raise MessageTypeError(f"{cls.__qualname__}: ttl_s is {ttl_s}: it must be more than 0")
    if conflate is None:
        return DeliveryOptions(lane, ttl_s, None)
    if is_ask:
        raise MessageTypeError(f"{cls.__qualname__} is an Ask: it cannot be conflated, each one needs a reply")
    return DeliveryOptions(lane, ttl_s, _key(cls, (conflate,) if isinstance(conflate, str) else conflate))


def _key(cls: type, names: tuple[str, ...]) -> Callable[[Any], Hashable]:
    fields = (*getattr(cls, "__dataclass_fields__", ()), *getattr(cls, "_fields", ()))
    for name in names:
        if name not in fields:
            raise MessageTypeError(f"{cls.__qualname__} cannot be conflated by {name!r}: it has no such field")
    if not names:
        return lambda _: cls
    of_fields = attrgetter(*names)
    return lambda message: (cls, of_fields(message))
