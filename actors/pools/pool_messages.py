"""Pool messages: defines what callers and a node's `PoolActor` exchange, and the messages that may be handled twice."""

from __future__ import annotations

from typing import Any, TypeVar

from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref

__all__ = ["Idempotent", "ListWorkers", "Workers"]

R = TypeVar("R")


class Idempotent(Ask[R]):
    """A message that may be handled twice without harm: a pool asks another worker if an attempt is lost."""

    __slots__ = ()


@message(name="pool.Workers")
class Workers:
    """The workers of one node; `weight` is the relative share of the pool's work for each of them."""

    refs: tuple[Ref[Any], ...]
    weight: float


@message(name="pool.ListWorkers")
class ListWorkers(Ask[Workers]):
    """Ask for the workers of a node."""
