"""Balanced messages: finds which messages balancers and singletons accept: those of the class behind them. Pure."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from coterie.actors.topology.parts import ActorPart, BalancerPart, Part, PoolPart, SingletonPart
from coterie.runtime.actor import Actor
from coterie.runtime.cells.actor_classes import actor_class_of

__all__ = ["accepted_messages", "singleton_messages"]


def accepted_messages(balancer: BalancerPart, part_by_name: Mapping[str, Part]) -> tuple[type, ...] | None:
    """Return the message classes that a balancer accepts; None if the class of its targets is not known.

    Raises:
        MessageTypeError: that class does not name its messages.
        ValueError: `over` is no part that a balancer can pass messages on to.
    """
    seen: dict[str, None] = {}
    part: Part | None = balancer
    while isinstance(part, BalancerPart):
        if part.messages is not None:
            return part.messages
        if part.name in seen:
            raise ValueError(f"the balancers {', '.join(seen)} pass messages on to each other")
        seen[part.name] = None
        part = part_by_name.get(part.over)
    if not isinstance(part, ActorPart | PoolPart):
        raise ValueError(f"balancer {balancer.name!r} has no targets")
    made = _made_class(part.worker if isinstance(part, PoolPart) else part.make)
    return None if made is None else tuple(described.cls for described in actor_class_of(made).messages)


def singleton_messages(singleton: SingletonPart) -> tuple[type, ...] | None:
    """Return the message classes that a singleton accepts; None if the class of its actor is not known.

    Raises:
        MessageTypeError: that class does not name its messages.
    """
    if singleton.messages is not None:
        return singleton.messages
    made = _made_class(singleton.make)
    return None if made is None else tuple(described.cls for described in actor_class_of(made).messages)


def _made_class(maker: Callable[..., object]) -> type[Actor[Any]] | None:
    """Return the actor class that `maker` is, or that it is annotated to return; None if that is not known."""
    while isinstance(maker, partial):
        maker = maker.func
    if not isinstance(maker, type):
        try:
            maker = typing.get_type_hints(maker).get("return", object)
        except (NameError, TypeError, AttributeError):
            return None  # a name that exists for type checkers only
    is_one = isinstance(maker, type) and issubclass(maker, Actor) and maker is not Actor
    return maker if is_one else None  # type: ignore[return-value]
