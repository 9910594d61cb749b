"""A pool of workers: on each node one `PoolActor` that spawns and supervises them; callers share them by a policy."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from coterie.errors import (
    ActorFailed,
    ActorNotFound,
    ActorStopped,
    AskTimeout,
    ConnectionLost,
    CoterieError,
    MailboxFullError,
    NodeUnreachable,
    Outcome,
    TooManyInFlight,
    TransportError,
)
from coterie.protocols.balancing.balancer import Balancer, Candidate, MakeBalancer, Verdict
from coterie.protocols.balancing.smooth_weighted import SmoothWeighted
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System

__all__ = ["Idempotent", "ListWorkers", "Pool", "PoolActor", "Workers"]

R = TypeVar("R")

ASK_TIMEOUT_S: Final = 5.0
LIST_TIMEOUT_S: Final = 2.0

ELSEWHERE: Final = (
    TransportError,
    ActorStopped,
    ActorNotFound,
    MailboxFullError,
    TooManyInFlight,
    AskTimeout,
    ConnectionLost,
)
"""After these another worker may be asked: at once if the outcome is definite, else if the message is idempotent."""


class Idempotent(Ask[R]):
    """A message that may be handled twice without harm: a pool asks another worker when an attempt is lost."""

    __slots__ = ()


@message(name="pool.Workers")
class Workers:
    """The workers of one node, and the share of the pool's work that each of them should get."""

    refs: tuple[Ref[Any], ...]
    weight: float


@message(name="pool.ListWorkers")
class ListWorkers(Ask[Workers]):
    """Which workers this node has."""


class PoolActor(Actor[ListWorkers]):
    """The workers of one node. They are its children: each is restarted alone when it fails."""

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
        """Name them."""
        return Workers(self._workers, self._weight)


class Pool:
    """A pool as one caller sees it: `ask` goes to the worker that its policy picks. Nodes not linked are left out.

    Args:
        system: a node of the cluster, or a client linked to it.
        name: the pool's name.
        nodes: the nodes that may be asked now.
        balance: makes the policy: this caller's own.
    """

    def __init__(
        self,
        system: System,
        name: str,
        nodes: Callable[[], Sequence[str]],
        *,
        balance: MakeBalancer = SmoothWeighted,
    ) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._policy: Balancer = balance(system.host.random)
        self._workers_by_node: dict[str, Workers] = {}
        system.on_link(self._link_changed)

    async def ask(self, msg: Ask[R], *, timeout_s: float = ASK_TIMEOUT_S, attempt_s: float | None = None) -> R:
        """Ask a worker. If it did not take the message (it is gone, or full), another one is asked.

        An `Idempotent` message is also asked of another worker if nobody knows what became of the first attempt: the
        link dropped, or no answer came within `attempt_s`.

        Args:
            msg: the question.
            timeout_s: how long all attempts may take together, s.
            attempt_s: how long one attempt of an `Idempotent` message may take, s (default: all the time there is).

        Raises:
            NodeUnreachable: no worker of the pool can be reached: definite.
            CoterieError: as `Ref.ask`, of the last attempt; its `outcome` says whether a worker may have handled it.
        """
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s
        tried: dict[str, None] = {}
        trouble: CoterieError | None = None
        is_idempotent = isinstance(msg, Idempotent)
        while (left_s := deadline - monotonic()) > 0 or trouble is None:
            worker = await self._untried(tried)
            if worker is None:
                break
            limit_s = min(left_s, attempt_s) if is_idempotent and attempt_s is not None else left_s
            try:
                return await self._attempt(worker, msg, max(0.0, limit_s))
            except ELSEWHERE as error:
                if error.outcome is not Outcome.DEFINITE and not is_idempotent:
                    raise
                trouble = error
        raise trouble or NodeUnreachable(self._name, f"pool {self._name!r} has no worker on a linked node")

    async def workers(self) -> list[Ref[Any]]:
        """Return the workers that can be reached now, node by node in turn."""
        return [ref for _, ref in await self._candidates()]

    async def _candidates(self) -> list[tuple[Candidate, Ref[Any]]]:
        missing = [node for node in self._nodes() if node not in self._workers_by_node]
        if missing:
            await asyncio.gather(*map(self._list, missing))
        by_node = [self._workers_by_node[node] for node in self._nodes() if node in self._workers_by_node]
        depth = max((len(workers.refs) for workers in by_node), default=0)
        return [
            (Candidate(f"{workers.refs[at].node}/{workers.refs[at].path}", workers.weight), workers.refs[at])
            for at in range(depth)
            for workers in by_node
            if at < len(workers.refs)
        ]

    async def _untried(self, tried: dict[str, None]) -> tuple[Candidate, Ref[Any]] | None:
        """Pick among the workers that were not asked yet; None if there are none."""
        by_key = {candidate.key: (candidate, ref) for candidate, ref in await self._candidates()}
        fresh = [candidate for key, (candidate, _) in by_key.items() if key not in tried]
        if not fresh:
            return None
        picked = self._policy.pick(fresh, now=self._system.host.clock.monotonic())
        tried[picked.key] = None
        return by_key[picked.key]

    async def _attempt(self, worker: tuple[Candidate, Ref[Any]], msg: Ask[R], timeout_s: float) -> R:
        """Ask one worker, and tell the policy what became of that, once."""
        candidate, ref = worker
        monotonic = self._system.host.clock.monotonic
        begun = monotonic()
        verdict = Verdict.LOST  # if the caller gives up
        try:
            reply: R = await ref.ask(msg, timeout=timeout_s)
            verdict = Verdict.ANSWERED
            return reply
        except CoterieError as error:
            verdict = _verdict(error)
            if isinstance(error, NodeUnreachable | ActorStopped | ActorNotFound):
                self._workers_by_node.pop(ref.node, None)  # ask that node again whom it has
            raise
        except Exception:
            verdict = Verdict.ANSWERED  # an error that the message declares
            raise
        finally:
            now = monotonic()
            self._policy.settled(candidate, verdict, latency_s=now - begun, now=now)

    async def _list(self, node: str) -> None:
        try:
            asked = self._system.at(Address(node, self._name)).ask(ListWorkers(), timeout=LIST_TIMEOUT_S)
            self._workers_by_node[node] = await asked
        except CoterieError as error:
            self._system.log.info("pool.node_skipped", pool=self._name, peer=node, reason=str(error))

    def _link_changed(self, event: LinkEvent) -> None:
        self._workers_by_node.pop(event.node, None)


def _verdict(error: CoterieError) -> Verdict:
    if isinstance(error, ActorFailed):
        return Verdict.FAILED
    return Verdict.REFUSED if error.outcome is Outcome.DEFINITE else Verdict.LOST
