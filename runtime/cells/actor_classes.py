"""What the runtime knows of an actor class: its messages, its hooks. Looked up once per class and system."""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_origin

from coterie.errors import MessageTypeError
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message_type
from coterie.runtime.messages.message_codecs import MessageType
from coterie.runtime.messages.receive_signatures import check_receive

__all__ = ["Kind", "kind_of"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One actor class.

    `messages`: the message types that its M names. `plain`: the classes of those that wait in the bulk lane and say no
    more of their delivery: with them a ref need not look further. `main`: the first of these, None if there is none.
    """

    messages: tuple[MessageType, ...]
    plain: frozenset[type]
    main: type | None
    is_async: bool
    has_start: bool
    has_stop: bool
    has_visit_end: bool

    @property
    def is_direct(self) -> bool:
        """Whether a visit has nothing more to do than to call `receive`."""
        return not (self.is_async or self.has_visit_end)

    def takes(self, described: MessageType) -> bool:
        """Whether this is one of its messages."""
        return described in self.messages

    @property
    def takes_terminated(self) -> bool:
        """Whether `Terminated` is one of its messages."""
        return any(described.cls is Terminated for described in self.messages)


def kind_of(cls: type[Actor[Any]]) -> Kind:
    """Look at an actor class.

    Raises:
        MessageTypeError: it does not say its messages (`Actor[Add | Get]`), one of them is no message, or its `receive`
            is annotated for others.
    """
    messages = tuple(message_type(member) for member in _members(_declared(cls), cls))
    check_receive(cls, messages)
    plain = [message.cls for message in messages if getattr(message.cls, "__lane__", None) is Lane.BULK]
    return Kind(
        messages=messages,
        plain=frozenset(plain),
        main=plain[0] if plain else None,
        is_async=inspect.iscoroutinefunction(cls.receive),
        has_start=cls.on_start is not Actor.on_start,
        has_stop=cls.on_stop is not Actor.on_stop,
        has_visit_end=cls.on_visit_end is not Actor.on_visit_end,
    )


def _declared(cls: type[Actor[Any]]) -> object:
    """Return the M of `Actor[M]`, through generic classes in between."""
    argument = _argument(cls)
    if argument is None or isinstance(argument, TypeVar):
        raise MessageTypeError(f"{cls.__qualname__} does not say its messages: write class {cls.__name__}(Actor[…])")
    return argument


def _argument(cls: type) -> object:
    """Return what `cls` gives `Actor` as M: a type, a type variable of its own, or None."""
    for parent in cls.__dict__.get("__orig_bases__", cls.__bases__):
        origin = get_origin(parent) or parent
        if origin is Actor:
            return get_args(parent)[0] if get_args(parent) else None
        if isinstance(origin, type) and issubclass(origin, Actor):
            argument = _argument(origin)
            given: dict[object, object] = dict(
                zip(getattr(origin, "__parameters__", ()), get_args(parent), strict=False)
            )
            return given.get(argument, argument) if isinstance(argument, TypeVar) else argument
    return None


def _members(annotation: object, cls: type) -> list[type]:
    if get_origin(annotation) in (typing.Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _members(part, cls)]
    if not isinstance(annotation, type):
        raise MessageTypeError(f"Actor[…] of {cls.__qualname__}: {annotation!r} is no message class")
    return [annotation]
