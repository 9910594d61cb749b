"""Pool messages: defines what callers and a node's `PoolActor` exchange, and the messages that may be handled twice."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Ref

__all__ = ["HOLD_S", "Idempotent", "ListWorkers", "Workers"]

R = TypeVar("R")

HOLD_S: Final = 20.0
"""How long a node holds the request for a list that has not changed, seconds: less than the lease of a subscription."""


class Idempotent(Ask[R]):
    """A message that may be handled twice without harm: a pool asks another worker if an attempt is lost."""

    __slots__ = ()


@message(name="pool.Workers")
class Workers:
    """The workers of one node; `weight` is the relative share of the pool's work for each of them.

    `version`: another number after each change; 0: the node answers at once, whatever the caller knows.
    """

    refs: tuple[Ref[Any], ...]
    weight: float
    version: int = 0


@message(name="pool.ListWorkers", speaker=Speaker.CLIENT)
class ListWorkers(Ask[Workers]):
    """Ask for the workers of a node: at once, or as soon as their version is not `known_version` (after `HOLD_S`).

    `subscriber`: the node to which the workers send their load with each reply, for 30 s; "" for none.
    """

    known_version: int = 0
    subscriber: str = ""
