"""`ActorClass`: lists the message types that an actor class accepts and the hooks it defines, by reflection."""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final, TypeVar, get_args, get_origin

from coterie.errors import MessageTypeError
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message_type
from coterie.runtime.messages.message_codecs import MessageType, message_type_of
from coterie.runtime.messages.receive_signatures import check_receive
from coterie.runtime.user_code import awaiting

__all__ = ["ActorClass", "actor_class_of", "check_instance"]

WRAPPERS_MAX: Final = 100
"""So many wrappers around `receive` are looked through."""


class _AnyMessage:
    """Contains every message class."""

    def __contains__(self, cls: object) -> bool:
        return isinstance(cls, type) and message_type_of(cls) is not None


@dataclass(frozen=True, slots=True)
class ActorClass:
    """One actor class.

    `messages`: the message types that its M names. `plain`: the classes of those in the bulk lane without delivery
    options; a ref enqueues them directly. `main`: the first plain class; None if there is none. `taken`: the classes of
    all, or of any message (`Actor.takes_any`). `is_async`: `receive` is `async def`, perhaps within decorators:
    `is_decorated`. `has_start`, `has_stop`, `has_visit_end`: the class overrides that hook.
    """

    messages: tuple[MessageType, ...]
    plain: frozenset[type]
    main: type | None
    taken: Container[type]
    is_async: bool
    is_decorated: bool
    has_start: bool
    has_stop: bool
    has_visit_end: bool

    @property
    def is_receive_only(self) -> bool:
        """True if a visit has only to call `receive`, which is a `def`."""
        return not (self.is_async or self.has_visit_end)

    def takes(self, described: MessageType) -> bool:
        """Return True if `described` is one of its message types."""
        return described in self.messages

    @property
    def takes_terminated(self) -> bool:
        """True if `Terminated` is one of its message types."""
        return any(described.cls is Terminated for described in self.messages)


def actor_class_of(cls: type[Actor[Any]]) -> ActorClass:
    """Return the facts of an actor class.

    Raises:
        MessageTypeError: it does not name its messages (`Actor[Add | Get]`), one of them is not a message, or its
            `receive` is annotated for other messages.
    """
    messages = tuple(message_type(member) for member in _members(_declared(cls), cls))
    check_receive(cls, messages)
    plain = [message.cls for message in messages if getattr(message.cls, "__lane__", None) is Lane.BULK]
    is_plainly_async = inspect.iscoroutinefunction(cls.receive)
    is_decorated = not is_plainly_async and _is_async_within(inspect.getattr_static(cls, "receive"))
    return ActorClass(
        messages=messages,
        plain=frozenset(plain),
        main=plain[0] if plain else None,
        taken=_AnyMessage() if cls.takes_any else frozenset(message.cls for message in messages),
        is_async=is_plainly_async or is_decorated,
        is_decorated=is_decorated,
        has_start=cls.on_start is not Actor.on_start,
        has_stop=cls.on_stop is not Actor.on_stop,
        has_visit_end=cls.on_visit_end is not Actor.on_visit_end,
    )


def check_instance(actor: Actor[Any], actor_class: ActorClass) -> None:
    """Let an actor await its `receive` if that is `async def` within decorators. MessageTypeError if it has none."""
    if type(actor).receive is Actor.receive and "receive" not in vars(actor):
        raise MessageTypeError(f"{type(actor).__qualname__} has no receive: define it, as `def` or `async def`")
    if actor_class.is_decorated:
        actor.receive = awaiting(actor.receive)  # type: ignore[method-assign]


def _is_async_within(receive: object) -> bool:
    """Return whether a `receive` is `async def` within wrappers (`functools.wraps`, `partialmethod`, an object)."""
    for _ in range(WRAPPERS_MAX):
        call = getattr(type(receive), "__call__", None)  # noqa: B004 (it is looked at, not called)
        if inspect.iscoroutinefunction(receive) or inspect.iscoroutinefunction(call):
            return True
        if isinstance(receive, functools.partialmethod | functools.partial):
            receive = receive.func
        elif isinstance(receive, staticmethod | classmethod) or hasattr(receive, "__wrapped__"):
            receive = receive.__wrapped__
        else:
            return False
    return False


def _declared(cls: type[Actor[Any]]) -> object:
    """Return the M of `Actor[M]`, through generic classes in between."""
    argument = _argument(cls)
    if argument is None or isinstance(argument, TypeVar):
        raise MessageTypeError(f"{cls.__qualname__} does not name its messages: write class {cls.__name__}(Actor[…])")
    return argument


def _argument(cls: type) -> object:
    """Return the type argument that `cls` passes to `Actor`: a type, a type variable of its own, or None."""
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
        raise MessageTypeError(f"Actor[…] of {cls.__qualname__}: {annotation!r} is not a message class")
    return [annotation]
