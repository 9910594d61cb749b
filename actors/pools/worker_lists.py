"""`WorkerLists`: keeps the lists of a pool's workers current, one for each node that can be reached."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from coterie.actors.pools.pool_messages import ListWorkers, Workers
from coterie.errors import CoterieError
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System

__all__ = ["WorkerLists"]

LIST_TIMEOUT_S: Final = 2.0
LIST_RETRY_S: Final = 1.0
"""The pause before a node that did not list its workers is asked again: it may not run the pool, or not yet."""

FIRST_WAIT_S: Final = 0.25
"""How long the first request waits for the lists of the other nodes once one has come, seconds."""


class WorkerLists:
    """Asks each node for its workers when its link comes up, and drops its list when the link goes down.

    Requests that the lists make are not part of the request that caused them: they have their own deadlines.

    Args:
        system: a node of the cluster, or a client linked to it.
        name: the pool's name.
        nodes: returns the nodes that may be asked now.
        changed: called when the workers have changed, or when `refresh` should be called again.
    """

    def __init__(
        self, system: System, name: str, nodes: Callable[[], Sequence[str]], changed: Callable[[], None]
    ) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._changed = changed
        self._workers_by_node: dict[str, Workers] = {}
        self._asked_by_node: dict[str, asyncio.Future[Workers]] = {}
        self._pause_by_node: dict[str, asyncio.TimerHandle] = {}
        self._has_waited = False
        self._unsubscribe = system.on_link(self._link_changed)

    def close(self) -> None:
        """Stop asking, and end the timers."""
        self._unsubscribe()
        for timer in self._pause_by_node.values():
            timer.cancel()
        self._pause_by_node.clear()
        for asked in list(self._asked_by_node.values()):
            asked.cancel()
        self._asked_by_node.clear()

    def of(self, node: str) -> Workers | None:
        """Return the workers of a node; None if they are not known."""
        return self._workers_by_node.get(node)

    def refresh(self, nodes: Sequence[str]) -> None:
        """Ask those of `nodes` whose workers are not known, except those that were asked just now."""
        for node in nodes:
            if not (node in self._workers_by_node or node in self._asked_by_node or node in self._pause_by_node):
                self._ask(node)

    async def wait(self) -> None:
        """Wait for lists that were asked for: for one at least, and the first time a moment for all."""
        while self._asked_by_node and not any(workers.refs for workers in self._workers_by_node.values()):
            await asyncio.wait(list(self._asked_by_node.values()), return_when=asyncio.FIRST_COMPLETED)
        if self._asked_by_node and not self._has_waited:
            await asyncio.wait(list(self._asked_by_node.values()), timeout=FIRST_WAIT_S)
        self._has_waited = True

    @property
    def is_waiting(self) -> bool:
        """True while a node has been asked and has not answered."""
        return bool(self._asked_by_node)

    def discard(self, ref: Ref[Any]) -> None:
        """Remove a worker that has stopped, and ask its node for the present ones."""
        node = ref.node
        workers = self._workers_by_node.get(node)
        if workers is not None and ref in workers.refs:
            refs = tuple(each for each in workers.refs if each != ref)
            self._workers_by_node[node] = replace(workers, refs=refs)
            self._changed()
        if node not in self._asked_by_node:
            self._ask(node)

    # --- asking -----------------------------------------------------------------------------------------------------

    def _ask(self, node: str) -> None:
        contextvars.Context().run(self._ask_alone, node)

    def _ask_alone(self, node: str) -> None:
        asked = self._system.at(Address(node, self._name)).ask(ListWorkers(), timeout_s=LIST_TIMEOUT_S)
        self._asked_by_node[node] = asked
        asked.add_done_callback(partial(self._listed, node))

    def _listed(self, node: str, asked: asyncio.Future[Workers]) -> None:
        if self._asked_by_node.get(node) is not asked:
            return  # the link has changed since, or the pool is closed
        del self._asked_by_node[node]
        if asked.cancelled():
            return
        error = asked.exception()
        if error is None:
            self._workers_by_node[node] = asked.result()
        else:
            self._workers_by_node.pop(node, None)
            self._pause(node, error)
        self._changed()

    def _pause(self, node: str, error: BaseException) -> None:
        self._system.log.info("pool.node_skipped", pool=self._name, peer=node, reason=str(error))
        if not isinstance(error, CoterieError):
            raise error
        timer = self._system.loop.call_later(LIST_RETRY_S, self._resume, node)
        self._pause_by_node[node] = timer

    def _resume(self, node: str) -> None:
        self._pause_by_node.pop(node, None)
        self._changed()

    def _link_changed(self, event: LinkEvent) -> None:
        node = event.node
        self._workers_by_node.pop(node, None)
        self._asked_by_node.pop(node, None)
        if timer := self._pause_by_node.pop(node, None):
            timer.cancel()
        self._changed()
