"""How a message class wants to be delivered, where its lane is not all there is to say: for how long, and how often.

A class that says nothing has its `Lane` as `__lane__`; one that says more has a `Delivery` there, and what waits in a
mailbox of it is a `Parcel`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

from coterie.errors import MessageTypeError
from coterie.runtime.messages.lanes import Lane

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["Delivery", "Parcel", "delivery_of"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """`lane`; `ttl_s`: how long a message may wait in a mailbox, seconds (None: for ever); `key`: what it is about.

    Of the messages of one class and one key only the latest waits, in the place of the first (None: all of them do).
    """

    lane: Lane
    ttl_s: float | None
    key: Callable[[Any], Hashable] | None


class Parcel:
    """A message in a mailbox that may be over before its turn, or be overtaken by a later one of its key."""

    __slots__ = ("expires_at", "key", "message")

    __lane__: ClassVar[None] = None  # no message: whoever handles mail looks what it is

    def __init__(self, message: object, expires_at: float | None, key: Hashable) -> None:
        self.message = message
        self.expires_at = expires_at
        self.key = key

    def open(self, cell: Cell, receive: Callable[[Any], object]) -> None:
        """Let `cell` handle the message, if it is not too late."""
        if (message := self.unpack(cell)) is not None:
            cell.current = message
            receive(message)

    def unpack(self, cell: Cell) -> object | None:
        """Return the message; None if it has waited too long."""
        message = cell.unpack(self)
        if self.expires_at is None or cell.system.host.clock.monotonic() <= self.expires_at:
            return message
        cell.expire(message)
        return None


def delivery_of(
    cls: type, lane: Lane, *, is_ask: bool, ttl_s: float | None, conflate: str | tuple[str, ...] | None
) -> Lane | Delivery:
    """Return how messages of `cls` are delivered.

    Raises:
        MessageTypeError: a time to live that is not more than 0, an ask that would be conflated, or an unknown field.
    """
    if ttl_s is None and conflate is None:
        return lane
    if ttl_s is not None and not ttl_s > 0:
        raise MessageTypeError(f"{cls.__qualname__}: ttl_s is {ttl_s}: it must be more than 0")
    if conflate is None:
        return Delivery(lane, ttl_s, None)
    if is_ask:
        raise MessageTypeError(f"{cls.__qualname__} is an Ask: it cannot be conflated, somebody waits for each of them")
    return Delivery(lane, ttl_s, _key(cls, (conflate,) if isinstance(conflate, str) else conflate))


def _key(cls: type, names: tuple[str, ...]) -> Callable[[Any], Hashable]:
    fields = (*getattr(cls, "__dataclass_fields__", ()), *getattr(cls, "_fields", ()))
    for name in names:
        if name not in fields:
            raise MessageTypeError(f"{cls.__qualname__} cannot be conflated by {name!r}: it has no such field")
    if not names:
        return lambda _: cls
    of_fields = attrgetter(*names)
    return lambda message: (cls, of_fields(message))
