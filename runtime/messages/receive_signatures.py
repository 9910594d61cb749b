"""`check_receive`: checks that the annotations of `receive` match the messages named in `Actor[…]` and their replies.

A type checker finds most mismatches; this check finds them at the spawn, also where no type checker runs. Annotations
that cannot be resolved, or are too general to decide (`object`, `Any`, type variables, …), pass.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Iterable
from typing import Any, NewType, get_args, get_origin

from coterie.errors import MessageTypeError
from coterie.runtime.messages.message import reply_annotation
from coterie.runtime.messages.message_codecs import MessageType

__all__ = ["check_receive", "excluding"]


def check_receive(cls: type, messages: Iterable[MessageType]) -> None:
    """Check the annotations of `cls.receive`.

    Raises:
        MessageTypeError: one of `messages` is not accepted, or the return type is not a reply to one of them.
    """
    receive: Any = cls.receive  # type: ignore[attr-defined]
    try:
        hints = typing.get_type_hints(receive)
    except (NameError, TypeError, AttributeError):
        return  # a name that exists for type checkers only
    returned = _members(hints.get("return", object))
    for described in messages:
        if (taken := excluding(receive, described.cls)) is not None:
            raise MessageTypeError(
                f"{cls.__qualname__}.receive takes {taken}, but its Actor[…] names {described.cls.__qualname__}"
            )
        if described.is_ask and type(None) not in returned:  # None: the reply may come later
            _check_reply(cls, described, returned)


def excluding(method: Any, message: type) -> str | None:
    """Return what a method takes, by the annotation of its first parameter, if that excludes a message; else None.

    `method`: a function of a class, with `self`.
    """
    try:
        taken = _members(typing.get_type_hints(method).get(_message_parameter(method), object))
    except (NameError, TypeError, AttributeError, ValueError):
        return None  # a name that exists for type checkers only, or a callable without a signature
    return None if _is_among(message, taken) else _show(taken)


def _check_reply(cls: type, described: MessageType, returned: list[object]) -> None:
    reply = _members(reply_annotation(described.cls))
    if not any(_overlap(one, other) for one in reply for other in returned):
        raise MessageTypeError(
            f"{cls.__qualname__}.receive returns {_show(returned)}, but {described.cls.__qualname__} is an "
            f"Ask[{_show(reply)}]"
        )


def _message_parameter(receive: Any) -> str:
    names = list(inspect.signature(receive).parameters)
    return names[1] if len(names) > 1 else ""


def _members(annotation: object) -> list[object]:
    while isinstance(annotation, NewType):
        annotation = annotation.__supertype__
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part)]
    if annotation is None or annotation is Any:
        return [type(None) if annotation is None else object]
    return [get_origin(annotation) or annotation]


def _is_among(message: type, taken: list[object]) -> bool:
    return any(not isinstance(member, type) or issubclass(message, member) for member in taken)


def _overlap(one: object, other: object) -> bool:
    """Return True if a value may be of both types, as far as the classes show."""
    if not (isinstance(one, type) and isinstance(other, type)):
        return True
    if {one, other} == {int, float}:  # an int is accepted as a float
        return True
    try:
        return issubclass(one, other) or issubclass(other, one) or not _is_concrete(one) or not _is_concrete(other)
    except TypeError:
        return True  # a Protocol without runtime checks


def _is_concrete(cls: type) -> bool:
    """Return True if every instance names the class among its bases: abstract classes and Protocols have others."""
    return not inspect.isabstract(cls) and not getattr(cls, "_is_protocol", False)


def _show(members: list[object]) -> str:
    return " | ".join(member.__qualname__ if isinstance(member, type) else str(member) for member in members)
