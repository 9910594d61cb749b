"""`PoolActor`: supervises the workers that one node contributes to a pool, and lists them to callers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.actors.pools.pool_messages import ListWorkers, Workers
from coterie.runtime.actor import Actor
from coterie.runtime.refs import Ref

__all__ = ["PoolActor"]


class PoolActor(Actor[ListWorkers]):
    """Supervises the workers of one node. They are its children: each is restarted alone when it fails."""

    def __init__(self, factory: Callable[[], Actor[Any]], count: int, *, weight: float, exported: bool) -> None:
        self._factory = factory
        self._count = count
        self._weight = weight
        self._exported = exported
        self._workers: tuple[Ref[Any], ...] = ()

    def on_start(self) -> None:
        """Spawn the workers."""
        self._workers = tuple(
            self.context.spawn(self._factory, name=str(number), exported=self._exported)
            for number in range(1, self._count + 1)
        )

    def receive(self, msg: ListWorkers, /) -> Workers:
        """Return the workers."""
        return Workers(self._workers, self._weight)
