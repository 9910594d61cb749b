"""Whether an actor's `receive` is annotated for the messages that its `Actor[…]` names, and for their replies.

A checker of types sees most of it; this sees it at the spawn, also where no checker runs. What cannot be resolved, or
is too general to judge (`object`, `Any`, type variables, …), passes.
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

__all__ = ["check_receive"]


def check_receive(cls: type, messages: Iterable[MessageType]) -> None:
    """Look at the annotations of `cls.receive`.

    Raises:
        MessageTypeError: one of `messages` is not among what it takes, or what it returns is no reply to one of them.
    """
    receive: Any = cls.receive  # type: ignore[attr-defined]
    try:
        hints = typing.get_type_hints(receive)
    except (NameError, TypeError, AttributeError):
        return  # a name that only checkers see
    taken = _members(hints.get(_message_parameter(receive), object))
    returned = _members(hints.get("return", object))
    for described in messages:
        if not _is_among(described.cls, taken):
            raise MessageTypeError(
                f"{cls.__qualname__}.receive takes {_show(taken)}, but its Actor[…] names {described.cls.__qualname__}"
            )
        if described.is_ask and type(None) not in returned:  # None: the reply may come later
            _check_reply(cls, described, returned)


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
    """Whether a value may be of both types, as far as classes tell."""
    if not (isinstance(one, type) and isinstance(other, type)):
        return True
    if {one, other} == {int, float}:  # an int is a fair way to write a float
        return True
    try:
        return issubclass(one, other) or issubclass(other, one) or not _is_judged(one) or not _is_judged(other)
    except TypeError:
        return True  # a protocol that cannot be asked


def _is_judged(cls: type) -> bool:
    """Whether all there is to say of a class is in its bases: abstract ones have values that do not name them."""
    return not inspect.isabstract(cls) and not getattr(cls, "_is_protocol", False)


def _show(members: list[object]) -> str:
    return " | ".join(member.__qualname__ if isinstance(member, type) else str(member) for member in members)
