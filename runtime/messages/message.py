"""`message`: the decorator that makes a class a message type; `Ask`: the base class of messages that expect a reply.

    @message
    class Add(Ask[int]):        # its reply is an int
        amount: int

A message is a frozen, slotted dataclass with a stable wire name. How its fields cross the wire is in
`coterie.runtime.messages.message_codecs`.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any, Generic, Protocol, Self, TypeVar, dataclass_transform, get_args, get_origin, overload

from coterie.errors import MessageTypeError
from coterie.runtime.messages.declared_errors import NO_ERRORS, DeclaredErrors
from coterie.runtime.messages.delivery_options import DeliveryOptions, delivery_options_of
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.speakers import Speaker, speaker_of

__all__ = ["Ask", "AskOf", "lane_of", "message", "message_type", "register_message", "reply_annotation"]

T = TypeVar("T")
M_co = TypeVar("M_co", covariant=True)
R_co = TypeVar("R_co", covariant=True)


class AskOf(Protocol[M_co, R_co]):
    """The argument type of `Ref.ask`: a message that is an `Ask[R]`. For type checkers; `Ask` satisfies it."""

    def __ask_of__(self) -> tuple[M_co, R_co]:
        """Never called: it ties the message to its reply."""
        ...


class Ask(Generic[R_co]):
    """The base of a message that expects a reply of type R (any type that a field may have)."""

    __slots__ = ()

    def __ask_of__(self) -> tuple[Self, R_co]:
        """Never called: it ties the message to its reply."""
        raise NotImplementedError


@overload
def message(cls: type[T], /) -> type[T]: ...
@overload
def message(
    *,
    name: str | None = None,
    lane: Lane = Lane.BULK,
    raises: tuple[type[Exception], ...] = (),
    ttl_s: float | None = None,
    conflate: str | tuple[str, ...] | None = None,
    speaker: Speaker | None = None,
) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def message(
    cls: type[T] | None = None,
    /,
    *,
    name: str | None = None,
    lane: Lane = Lane.BULK,
    raises: tuple[type[Exception], ...] = (),
    ttl_s: float | None = None,
    conflate: str | tuple[str, ...] | None = None,
    speaker: Speaker | None = None,
) -> type[T] | Callable[[type[T]], type[T]]:
    """Make a class a message: a frozen, slotted dataclass with the wire name `name` (default: module.Class).

    Fields may be None, bool, int (64 bits), float, str, bytes, tuple, Mapping of those, enum, message, `Ref`,
    `Address`, and unions. `lane` is BULK or CONSENSUS. A class of `__main__` needs a `name` to cross nodes. `raises`:
    declared errors, which only fail the ask; any other exception of the handler fails the actor. `ttl_s`: how long a
    message may wait in a mailbox, seconds; then it is a dead letter (`expired`). `conflate`: the field or fields (()
    for none) of the conflation key: of the messages with one key only the latest waits, in the place of the first.
    `speaker`: from whom outside its node it is heard; default: nodes, and clients if the actor is exported.

    Raises:
        MessageTypeError: a field is mutable or cannot cross the wire; it names the class and the field. Or an error
            cannot be declared (see `coterie.runtime.messages.declared_errors`), or `ttl_s`, `conflate` or `speaker` is
            invalid.
    """
    scope = sys._getframe(1).f_locals  # noqa: SLF001 (annotations may name classes that are local to a function)

    def decorate(plain: type[T]) -> type[T]:
        frozen: type[T] = dataclasses.dataclass(frozen=True, slots=True)(plain)
        wire_name = name or _default_name(plain)
        errors = DeclaredErrors(wire_name, raises) if raises else NO_ERRORS
        _attach_type(frozen, name=wire_name, lane=lane, raises=errors, scope=scope, speaker=speaker)
        is_ask = issubclass(frozen, Ask)
        delivery = delivery_options_of(frozen, lane, is_ask=is_ask, ttl_s=ttl_s, conflate=conflate)
        frozen.__lane__ = delivery  # type: ignore[attr-defined]
        return frozen

    return decorate if cls is None else decorate(cls)


def register_message(cls: type[T], *, name: str, lane: Lane = Lane.BULK, speaker: Speaker | None = None) -> type[T]:
    """Make a frozen dataclass or NamedTuple a message with the wire name `name`, without `@message` (for protocols).

    Registering the same class under the same name again changes nothing.

    Raises:
        MessageTypeError: it is neither of the two, has another name already, is given the control lane, or has a field
            that cannot cross the wire.
    """
    return _attach_type(cls, name=name, lane=lane, raises=NO_ERRORS, scope={}, speaker=speaker)


def _attach_type(
    cls: type[T],
    *,
    name: str,
    lane: Lane,
    raises: DeclaredErrors,
    scope: dict[str, Any],
    speaker: Speaker | None,
) -> type[T]:
    if lane is Lane.CONTROL:
        raise MessageTypeError(f"message {name!r}: the control lane is the runtime's own; use CONSENSUS or BULK")
    known = cls.__dict__.get("__coterie__")
    if known is not None:
        if known.name != name:
            raise MessageTypeError(f"{cls.__qualname__} is already message {known.name!r}: it cannot be {name!r} too")
        return cls
    if not _is_immutable(cls):
        raise MessageTypeError(
            f"{cls.__qualname__} cannot be message {name!r}: it is neither a frozen dataclass nor a NamedTuple"
        )
    heard_from = speaker_of(cls, speaker)
    described = MessageType(
        cls, name, lane, reply=reply_annotation(cls), raises=raises, scope=scope, speaker=heard_from
    )
    if raises.classes and not described.is_ask:
        raise MessageTypeError(f"message {name!r} declares errors, but is not an Ask: it has no asker to send them to")
    cls.__coterie__ = described  # type: ignore[attr-defined]
    try:
        described.prepare()
    except MessageTypeError:
        del cls.__coterie__  # type: ignore[attr-defined]
        raise
    cls.__lane__ = lane  # type: ignore[attr-defined]
    return cls


def message_type(cls: type[object]) -> MessageType:
    """Return the `MessageType` that `message` or `register_message` attached to a class.

    Raises:
        MessageTypeError: the class is not a message.
    """
    described = cls.__dict__.get("__coterie__")  # as `message_type_of`, without a call
    if not isinstance(described, MessageType):
        raise _not_a_message(cls)
    return described


def _not_a_message(cls: type[object]) -> MessageTypeError:
    if issubclass(cls, type):
        return MessageTypeError("a class is not a message: send an instance of it")
    return MessageTypeError(f"{cls.__module__}.{cls.__qualname__} is not a message: decorate it with @message")


def lane_of(item: object) -> Lane:
    """Return the lane of a message (BULK for any other object)."""
    lane: Lane | DeliveryOptions = getattr(item, "__lane__", Lane.BULK)
    return lane if isinstance(lane, Lane) else lane.lane


def _is_immutable(cls: type[object]) -> bool:
    parameters = getattr(cls, "__dataclass_params__", None)
    return bool(parameters.frozen) if parameters is not None else issubclass(cls, tuple) and hasattr(cls, "_fields")


def _default_name(cls: type[object]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def reply_annotation(cls: type[object]) -> object:
    """Return the R of Ask[R], or `MessageType.NO_REPLY` if it is not an Ask. MessageTypeError for an Ask without R."""
    for base in getattr(cls, "__orig_bases__", ()):
        origin = get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Ask):
            return get_args(base)[0]
    if issubclass(cls, Ask):
        raise MessageTypeError(f"{cls.__qualname__} is an Ask without a reply type: write Ask[int], Ask[None], …")
    return MessageType.NO_REPLY
