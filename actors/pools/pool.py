"""`Pool`: sends each request to a worker that a load-balancing policy picks; `PoolActor` supervises one node's workers.

`Pool._candidates` lists the workers of the linked nodes, the policy picks one that was not asked yet (`Balancer.pick`,
`protocols/balancing/`), if possible on a node that is not suspected. `Pool.ask` sends the message and decides whether
to retry, and the policy receives each outcome (`Balancer.settled`). The topology, or the argument `balance`, decides
which policy is used.
"""

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
from coterie.protocols.balancing.balancer import Balancer, Candidate, MakeBalancer, PickOutcome
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

RETRYABLE: Final = (
    TransportError,
    ActorStopped,
    ActorNotFound,
    MailboxFullError,
    TooManyInFlight,
    AskTimeout,
    ConnectionLost,
)
"""After these another worker is asked if the outcome is definite or the message is `Idempotent`."""


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


class Pool:
    """One caller's handle to a pool: `ask` goes to the worker that its policy picks.

    Nodes without a link are left out; so are suspected nodes, as long as another one has a worker to ask.

    Args:
        system: a node of the cluster, or a client linked to it.
        name: the pool's name.
        nodes: returns the nodes that may be asked now.
        balance: makes the policy, which belongs to this caller.
        is_suspected: returns whether a node is suspected to have failed (default: none is).
    """

    def __init__(
        self,
        system: System,
        name: str,
        nodes: Callable[[], Sequence[str]],
        *,
        balance: MakeBalancer = SmoothWeighted,
        is_suspected: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._system = system
        self._name = name
        self._nodes = nodes
        self._is_suspected = is_suspected
        self._policy: Balancer = balance(system.host.random)
        self._workers_by_node: dict[str, Workers] = {}
        system.on_link(self._link_changed)

    async def ask(self, msg: Ask[R], *, timeout_s: float = ASK_TIMEOUT_S, attempt_s: float | None = None) -> R:
        """Ask a worker. If it did not take the message (it has stopped, or is full), ask another one.

        An `Idempotent` message is also sent to another worker if the outcome of the first attempt is unknown: the link
        dropped, or no answer came within `attempt_s`.

        Args:
            msg: the message.
            timeout_s: how long all attempts may take together, s.
            attempt_s: how long one attempt of an `Idempotent` message may take, s (default: all the time left).

        Raises:
            NodeUnreachable: no worker of the pool can be reached; the outcome is definite.
            CoterieError: as `Ref.ask`, of the last attempt; its `outcome` shows whether a worker may have handled it.
        """
        monotonic = self._system.host.clock.monotonic
        deadline = monotonic() + timeout_s
        tried: dict[str, None] = {}
        last_error: CoterieError | None = None
        is_idempotent = isinstance(msg, Idempotent)
        while (left_s := deadline - monotonic()) > 0 or last_error is None:
            worker = await self._pick_untried(tried)
            if worker is None:
                break
            limit_s = min(left_s, attempt_s) if is_idempotent and attempt_s is not None else left_s
            try:
                return await self._attempt(worker, msg, max(0.0, limit_s))
            except RETRYABLE as error:
                if error.outcome is not Outcome.DEFINITE and not is_idempotent:
                    raise
                last_error = error
        raise last_error or NodeUnreachable(self._name, f"pool {self._name!r} has no worker on a linked node")

    async def workers(self) -> list[Ref[Any]]:
        """Return the workers that can be reached now, alternating between the nodes."""
        return [ref for _, ref in await self._candidates()]

    async def _candidates(self) -> list[tuple[Candidate, Ref[Any]]]:
        trusted = [node for node in self._nodes() if not self._is_suspected(node)]
        missing = [node for node in trusted or self._nodes() if node not in self._workers_by_node]
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

    async def _pick_untried(self, tried: dict[str, None]) -> tuple[Candidate, Ref[Any]] | None:
        """Pick one of the workers that were not asked yet; None if there is none."""
        by_key = {candidate.key: (candidate, ref) for candidate, ref in await self._candidates()}
        fresh = [(candidate, ref.node) for key, (candidate, ref) in by_key.items() if key not in tried]
        if not fresh:
            return None
        trusted = [candidate for candidate, node in fresh if not self._is_suspected(node)]
        among = trusted or [candidate for candidate, _ in fresh]
        picked = self._policy.pick(among, now=self._system.host.clock.monotonic())
        tried[picked.key] = None
        return by_key[picked.key]

    async def _attempt(self, worker: tuple[Candidate, Ref[Any]], msg: Ask[R], timeout_s: float) -> R:
        """Ask one worker, and report the outcome to the policy exactly once."""
        candidate, ref = worker
        monotonic = self._system.host.clock.monotonic
        started_s = monotonic()
        outcome = PickOutcome.LOST  # if the caller gives up
        try:
            reply: R = await ref.ask(msg, timeout_s=timeout_s)
            outcome = PickOutcome.ANSWERED
            return reply
        except CoterieError as error:
            outcome = _outcome_of(error)
            if isinstance(error, NodeUnreachable | ActorStopped | ActorNotFound):
                self._workers_by_node.pop(ref.node, None)  # ask that node for its workers again
            raise
        except Exception:
            outcome = PickOutcome.ANSWERED  # an error that the message declares
            raise
        finally:
            now = monotonic()
            self._policy.settled(candidate, outcome, latency_s=now - started_s, now=now)

    async def _list(self, node: str) -> None:
        try:
            asked = self._system.at(Address(node, self._name)).ask(ListWorkers(), timeout_s=LIST_TIMEOUT_S)
            self._workers_by_node[node] = await asked
        except CoterieError as error:
            self._system.log.info("pool.node_skipped", pool=self._name, peer=node, reason=str(error))

    def _link_changed(self, event: LinkEvent) -> None:
        self._workers_by_node.pop(event.node, None)


def _outcome_of(error: CoterieError) -> PickOutcome:
    if isinstance(error, ActorFailed):
        return PickOutcome.FAILED
    return PickOutcome.REFUSED if error.outcome is Outcome.DEFINITE else PickOutcome.LOST
