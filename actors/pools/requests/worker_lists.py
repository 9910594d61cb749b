"""`WorkerLists`: the targets of a pool as its nodes list them; a node answers again when its workers have changed.

    ListWorkers(known_version=0)  ──▶  PoolActor: answers at once
    ListWorkers(known_version=7)  ──▶  PoolActor: answers when its list is no longer number 7, or after `HOLD_S`

The second request waits at the node while the pool is in use, so that a change is known one message later. A pool that
is not used asks for nothing; its next request, or message that is told, waits a moment for the present list.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from coterie.actors.pools.pool_messages import HOLD_S, ListWorkers, Workers
from coterie.actors.pools.requests.target_source import PoolTarget, TargetSource
from coterie.protocols.balancing import Target
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System

__all__ = ["LIST_TIMEOUT_S", "WorkerLists"]

LIST_TIMEOUT_S: Final = 2.0
LIST_RETRY_S: Final = 1.0
"""The pause before a node that did not list its workers is asked again: it may not run the pool, or not yet."""

FIRST_WAIT_S: Final = 0.25
"""How long the first request waits for the lists of the other nodes once one has come, seconds; the first one after the
pool was not used for a while waits so long for the present lists."""

FRESH_S: Final = 2 * LIST_RETRY_S
"""For how long after its answer a list is used without a new one, seconds: longer than the pause between two requests
for it, so that a pool in use never waits; too long: messages go to workers that have left."""


class _NodeList:
    """What is known of the workers of one node. `asked`: the request that waits there; `pause`: none is made now.

    `answered_at`: when it was answered last, s.
    """

    __slots__ = ("answered_at", "asked", "is_stale", "pause", "workers")

    def __init__(self) -> None:
        self.workers: Workers | None = None
        self.is_stale = True
        self.answered_at = 0.0
        self.asked: asyncio.Future[Workers] | None = None
        self.pause: asyncio.TimerHandle | None = None

    @property
    def is_awaited(self) -> bool:
        """True if the node was asked for its first list, or for another one at once."""
        return self.asked is not None and self.is_stale

    def end(self) -> None:
        """Cancel what is under way."""
        if self.asked is not None:
            asked, self.asked = self.asked, None
            asked.cancel()
        if self.pause is not None:
            self.pause.cancel()


class WorkerLists(TargetSource):
    """Asks each node for its workers when its link comes up, and drops its list when the link goes down.

    Requests that the lists make are not part of the request that caused them: they have their own deadlines.

    Args:
        system: a node of the cluster, or a client linked to it.
        name: the pool's name.
        nodes: returns the nodes that may be asked now.
        is_suspected: returns whether a node is suspected: it is not asked, as long as there are others.
        is_used: returns whether the pool was used since the last call.
        subscribes: whether the workers send this node their load with each reply.
    """

    def __init__(
        self,
        system: System,
        name: str,
        nodes: Callable[[], Sequence[str]],
        *,
        is_suspected: Callable[[str], bool],
        is_used: Callable[[], bool],
        subscribes: bool,
    ) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._is_suspected = is_suspected
        self._is_used = is_used
        self._subscriber = system.node if subscribes else ""
        self._list_by_node: dict[str, _NodeList] = {}
        self._has_waited = self._is_closed = False
        self._news = asyncio.Event()
        self._unsubscribe = system.on_link(self._link_changed)

    def close(self) -> None:
        """Stop asking, and end the timers and waits."""
        self._is_closed = True
        self._unsubscribe()
        for listed in self._list_by_node.values():
            listed.end()
        self._list_by_node.clear()
        self._news.set()

    # --- targets ----------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Ask the nodes whose workers are not known, or were not asked for since the pool was used last."""
        if self._is_closed:
            return
        reachable = self._nodes()
        trusted = [node for node in reachable if not self._is_suspected(node)]
        for node in trusted or reachable:
            listed = self._list_by_node.setdefault(node, _NodeList())
            if listed.asked is None and listed.pause is None:
                if not listed.is_stale and self._system.host.clock.monotonic() - listed.answered_at > FRESH_S:
                    listed.is_stale = True  # the pool was not used meanwhile: as at the first request
                    self._has_waited = False
                self._ask(node)

    @property
    def is_waiting(self) -> bool:
        """True while no worker is known but a list is awaited; at first, while any list is awaited."""
        return self._is_awaiting and not (self._has_waited and self._has_workers)

    async def wait(self, timeout_s: float) -> None:
        """Wait for a list with workers; the first time, wait a moment for those of the other nodes too."""
        time = self._system.loop.time
        until = time() + timeout_s
        while self._is_awaiting and not self._has_workers and time() < until:
            await self._wait_for_news(until - time())
        until = min(until, time() + FIRST_WAIT_S)
        while self._is_awaiting and not self._has_waited and time() < until:
            await self._wait_for_news(until - time())
        self._has_waited = True

    async def _wait_for_news(self, timeout_s: float) -> None:
        """Wait until a node has answered, or may be asked, at most `timeout_s`; ask those that may be."""
        self._news.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._news.wait()
        self.refresh()

    def targets(self) -> Sequence[PoolTarget]:
        """Return the first worker of each node, then the second one of each, and so on."""
        lists = [
            (listed.workers, self._system.at(Address(node, self._name)))
            for node in self._nodes()
            if (listed := self._list_by_node.get(node)) is not None and listed.workers is not None
        ]
        depth = max((len(workers.refs) for workers, _ in lists), default=0)
        return [
            PoolTarget(Target(f"{ref.node}/{ref.path}", workers.weight, ref.node), ref, prober)
            for at in range(depth)
            for workers, prober in lists
            for ref in workers.refs[at : at + 1]
        ]

    def discard(self, ref: Ref[Any]) -> None:
        """Remove a worker that has stopped, and ask its node at once for the present ones."""
        listed = self._list_by_node.get(ref.node)
        if listed is None or listed.workers is None or ref not in listed.workers.refs:
            return
        refs = tuple(each for each in listed.workers.refs if each != ref)
        listed.workers = replace(listed.workers, refs=refs)
        if not listed.is_awaited and listed.pause is None:
            listed.end()
            listed.is_stale = True
            self._ask(ref.node)
        self.changed()

    @property
    def _has_workers(self) -> bool:
        return any(listed.workers is not None and listed.workers.refs for listed in self._list_by_node.values())

    @property
    def _is_awaiting(self) -> bool:
        return any(listed.is_awaited for listed in self._list_by_node.values())

    # --- asking -----------------------------------------------------------------------------------------------------

    def _ask(self, node: str) -> None:
        # In a context of its own: it must not inherit the deadline of the request that needs the list.
        contextvars.Context().run(self._ask_alone, node)

    def _ask_alone(self, node: str) -> None:
        listed = self._list_by_node[node]
        known = 0 if listed.is_stale or listed.workers is None else listed.workers.version
        timeout_s = HOLD_S + LIST_TIMEOUT_S if known else LIST_TIMEOUT_S
        question = ListWorkers(known, self._subscriber)
        asked = listed.asked = self._system.at(Address(node, self._name)).ask(question, timeout_s=timeout_s)
        asked.add_done_callback(partial(self._listed, node, listed))

    def _listed(self, node: str, listed: _NodeList, asked: asyncio.Future[Workers]) -> None:
        if listed.asked is not asked:
            return  # the link has changed since, or a worker has stopped, or the pool is closed
        listed.asked = None
        if (error := asked.exception()) is not None:
            self._skip(node, listed, error)
            return
        workers = asked.result()
        if (flaw := _flaw_of(workers, node)) is not None:
            self._system.log.warning("pool.list_refused", pool=self._name, peer=node, reason=flaw)
            self._skip(node, listed, ValueError(flaw))
            return
        is_new = workers != listed.workers or listed.is_stale
        listed.workers = workers
        listed.is_stale = False
        self._news.set()
        listed.answered_at = self._system.host.clock.monotonic()
        if is_new:
            self.changed()
        if is_new and workers.version and self._is_used():
            self._ask(node)
        else:  # it holds no requests, or holds enough of them: do not ask without a pause
            listed.pause = self._system.loop.call_later(LIST_RETRY_S, self._resume, listed)

    def _skip(self, node: str, listed: _NodeList, error: BaseException) -> None:
        self._system.log.info("pool.node_skipped", pool=self._name, peer=node, reason=str(error))
        listed.workers = None
        listed.is_stale = True
        listed.pause = self._system.loop.call_later(LIST_RETRY_S, self._resume, listed)
        self._announce()

    def _resume(self, listed: _NodeList) -> None:
        listed.pause = None
        self._announce()

    def _announce(self) -> None:
        self._news.set()
        self.changed()

    def _link_changed(self, event: LinkEvent) -> None:
        listed = self._list_by_node.pop(event.node, None)
        if listed is not None:
            listed.end()
        if event.kind == "up" and self._has_waited and event.node in self._nodes():
            self._list_by_node[event.node] = _NodeList()
            self._ask(event.node)
        self._announce()


def _flaw_of(workers: Workers, node: str) -> str | None:
    """Return why the list of `node` cannot be used; None if it can. One node's bad list must not harm the others'."""
    if not 0 < workers.weight < math.inf:
        return f"weight {workers.weight} must be above 0 and finite"
    paths: set[str] = set()
    for ref in workers.refs:
        if ref.node != node:
            return f"worker {ref.path!r:.100} is on node {ref.node!r:.100}"
        if ref.path in paths:
            return f"worker {ref.path!r:.100} is listed twice"
        paths.add(ref.path)
    return None
