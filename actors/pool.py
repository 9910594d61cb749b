"""A pool of workers: on each node one `PoolActor` that spawns and supervises them; callers pick in turn among all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from coterie.errors import ActorNotFound, ActorStopped, CoterieError, NodeUnreachable
from coterie.protocols.balancing.round_robin import RoundRobin
from coterie.runtime.actor import Actor
from coterie.runtime.messages import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote import LinkEvent
from coterie.runtime.system import System

__all__ = ["ListWorkers", "Pool", "PoolActor"]

R = TypeVar("R")

LIST_TIMEOUT_S: Final = 2.0


@message(name="pool.ListWorkers")
class ListWorkers(Ask[tuple[Ref[Any], ...]]):
    """Which workers this node has."""


class PoolActor(Actor[ListWorkers]):
    """The workers of one node. They are its children: each is restarted alone when it fails."""

    def __init__(self, factory: Callable[[], Actor[Any]], count: int, *, exported: bool) -> None:
        self._factory = factory
        self._count = count
        self._exported = exported
        self._workers: tuple[Ref[Any], ...] = ()

    def on_start(self) -> None:
        """Spawn the workers."""
        self._workers = tuple(
            self.context.spawn(self._factory, name=str(number), exported=self._exported)
            for number in range(1, self._count + 1)
        )

    def receive(self, msg: ListWorkers, /) -> tuple[Ref[Any], ...]:
        """Name them."""
        return self._workers


class Pool:
    """A pool as its callers see it: `ask` goes to the next worker in turn. Nodes that are not linked are left out."""

    def __init__(self, system: System, name: str, nodes: Callable[[], Sequence[str]]) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._policy = RoundRobin()
        self._workers_by_node: dict[str, tuple[Ref[Any], ...]] = {}
        system.on_link(self._link_changed)

    async def ask(self, msg: Ask[R], *, timeout_s: float | None = None) -> R:
        """Ask the next worker. If one is definitely gone before it took the message, the next one is asked.

        Raises:
            NodeUnreachable: no worker of the pool can be reached: definite.
            CoterieError: as `Ref.ask`; its `outcome` says whether a worker may have handled it.
        """
        for _ in range(2 * max(1, len(self._nodes()))):
            worker = await self._pick()
            try:
                reply: R = await worker.ask(msg, timeout=timeout_s)
                return reply
            except (NodeUnreachable, ActorStopped, ActorNotFound):
                self._workers_by_node.pop(worker.node, None)
        raise NodeUnreachable(self._name, f"no worker of pool {self._name!r} answers")

    async def workers(self) -> list[Ref[Any]]:
        """Return the workers that can be reached now, node by node in turn."""
        for node in self._nodes():
            if node not in self._workers_by_node:
                await self._list(node)
        by_node = [self._workers_by_node[node] for node in self._nodes() if node in self._workers_by_node]
        depth = max(map(len, by_node), default=0)
        return [workers[at] for at in range(depth) for workers in by_node if at < len(workers)]

    async def _pick(self) -> Ref[Any]:
        workers = await self.workers()
        if not workers:
            raise NodeUnreachable(self._name, f"pool {self._name!r} has no worker on a linked node")
        return self._policy.pick(workers)

    async def _list(self, node: str) -> None:
        try:
            asked = self._system.at(Address(node, self._name)).ask(ListWorkers(), timeout=LIST_TIMEOUT_S)
            self._workers_by_node[node] = await asked
        except CoterieError as error:
            self._system.log.info("pool.node_skipped", pool=self._name, peer=node, reason=str(error))

    def _link_changed(self, event: LinkEvent) -> None:
        self._workers_by_node.pop(event.node, None)
